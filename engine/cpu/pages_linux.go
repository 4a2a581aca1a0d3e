package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// advise asks for large pages where the memory is large: a step reads through all packed kernels of a network, and small pages would
// miss the processor's table of addresses again and again. The memory is new, and full of zeros, but may have been used before it was
// new: what small pages it has are given back first. It is advice only.
func advise(memory []float32) {
	const page = 2 << 20 // bytes
	if len(memory) >= 4*page/4 {
		_ = unix.Madvise(pages(memory, page), unix.MADV_DONTNEED)
		_ = unix.Madvise(pages(memory, page), unix.MADV_HUGEPAGE)
	}
}

// release gives the system back what memory that nobody will use again takes, before the garbage collector comes by.
func release(memory []float32) {
	const page = 1 << 16 // of any system, or a multiple of it
	if len(memory) >= 4*page/4 {
		_ = unix.Madvise(pages(memory, page), unix.MADV_DONTNEED)
	}
}

// pages are the whole pages within memory, which has one or more.
func pages(memory []float32, page int) []byte {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	skip := int(-start%uintptr(page)) / 4
	whole := (len(memory) - skip) * 4 / page * page
	return unsafe.Slice((*byte)(unsafe.Pointer(&memory[skip])), whole)
}
