package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// advise asks for large pages where the memory is large: a step reads through all packed kernels of a network, and small pages would
// miss the processor's table of addresses again and again. It is advice only.
func advise(memory []float32) {
	const page = 2 << 20 // bytes
	if len(memory) < 4*page/4 {
		return
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	skip := int(-start%page) / 4
	whole := (len(memory) - skip) * 4 / page * page
	_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(&memory[skip])), whole), unix.MADV_HUGEPAGE)
}
