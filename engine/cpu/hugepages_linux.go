package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file advises Linux about large pieces of memory. Advice only: nothing depends on whether it is taken.

// adviseHugePages asks for pages of 2 MiB where the memory is large: a step reads through all packed kernels of a network, and with pages
// of 4 KiB their addresses would not fit the processor's translation buffer (TLB). The memory is new and full of zeros, but the Go
// runtime may have used the same addresses before: small pages that are left from then are given back first, or they would stay.
func adviseHugePages(memory []float32) {
	const page = 2 << 20 // bytes
	if len(memory) >= 4*page/4 {
		_ = unix.Madvise(pages(memory, page), unix.MADV_DONTNEED)
		_ = unix.Madvise(pages(memory, page), unix.MADV_HUGEPAGE)
	}
}

// returnToSystem gives back at once the pages of memory that is about to become garbage; the collector would keep them for a while.
func returnToSystem(memory []float32) {
	const page = 1 << 16 // of any system, or a multiple of it
	if len(memory) >= 4*page/4 {
		_ = unix.Madvise(pages(memory, page), unix.MADV_DONTNEED)
	}
}

// pages are the whole pages within memory, which holds at least one.
func pages(memory []float32, page int) []byte {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	skip := int(-start%uintptr(page)) / 4
	whole := (len(memory) - skip) * 4 / page * page
	return unsafe.Slice((*byte)(unsafe.Pointer(&memory[skip])), whole)
}
