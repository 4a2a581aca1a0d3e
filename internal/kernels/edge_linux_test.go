// Reads and writes beyond a slice, caught by the memory management unit: every operand ends where a page ends, or begins
// where one begins, and the neighbouring page may not be touched.

package kernels_test

import (
	"testing"
	"unsafe"

	"github.com/joule-ebm/joule/internal/kernels"

	"golang.org/x/sys/unix"
)

// guarded returns a function that makes slices with forbidden memory directly after (or before) them.
func guarded(t *testing.T, after bool) func(n int) []float32 {
	return func(n int) []float32 {
		t.Helper()
		page := unix.Getpagesize()
		size := (4*n + page - 1) / page * page
		memory, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Munmap(memory) })
		for _, forbidden := range [][]byte{memory[:page], memory[page+size:]} {
			if err := unix.Mprotect(forbidden, unix.PROT_NONE); err != nil {
				t.Fatal(err)
			}
		}
		if n == 0 {
			return nil
		}
		at := page
		if after {
			at = page + size - 4*n
		}
		x := unsafe.Slice((*float32)(unsafe.Pointer(&memory[at])), n)
		for i := range x {
			x[i] = float32(i%7) - 3
		}
		return x
	}
}

func guardedOffsets(slice func(int) []float32, n, limit int) []int32 {
	offsets := unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(slice(n)))), n)
	for i := range offsets {
		offsets[i] = int32(limit * (i % 2)) // the first and the last place alternate
	}
	return offsets
}

func TestMemoryEdges(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, after := range []bool{true, false} {
			slice := guarded(t, after)
			for _, n := range []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 129} {
				dst, a, b, c := slice(n), slice(n), slice(n), slice(n)
				for _, k := range pointwise {
					k.run(s, dst, a, b, c)
				}
				s.SwishPair(dst, b, a)
				s.Dot(a, b)
				s.SquaredDistance(a, b)
				s.Softmax(dst, a, n)
				for _, pixels := range []int{1, 3, 40} {
					x, y := slice(n*pixels), slice(n*pixels)
					s.ChannelSum(dst, x)
					s.ChannelDot(dst, x, y)
					s.Moments(dst, b, x)
				}
				s.GatherSum(slice(3*n), slice(5*n), guardedOffsets(slice, 3*2, 4*n), 2, n, 0.5)
			}
			for _, tile := range s.Conv {
				const blocks, taps = 2, 2
				for _, depth := range []int{1, 2, 3, 8} {
					stride := tile.Cols + 3
					tile.Run(slice((blocks*tile.Rows-1)*stride+tile.Cols), stride, slice(depth+5),
						guardedOffsets(slice, blocks*taps*tile.Rows, 5), blocks, taps, depth, slice(taps*depth*tile.Cols), slice(tile.Cols))
				}
			}
			for _, tile := range s.Grad {
				const pixels = 3
				stride := tile.Cols + 3
				tile.Run(slice((tile.Rows-1)*stride+tile.Cols), stride, slice(tile.Rows+5),
					guardedOffsets(slice, pixels, 5), slice((pixels-1)*stride+tile.Cols), stride)
			}
		}
	})
}
