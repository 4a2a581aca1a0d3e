//go:build unix

package mapped

import (
	"math"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func open(f *os.File, offset, size int64) (*File, error) {
	if offset+size > math.MaxInt {
		return nil, syscall.ENOMEM
	}
	unit, err := unix.Mmap(int(f.Fd()), 0, int(offset+size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &File{data: unit[offset : offset+size : offset+size], unit: unit}, nil
}

// giveBack lets go of what was looked at; it is read again, mostly from the system's memory, when it is looked at again.
func (f *File) giveBack() { _ = unix.Madvise(f.unit, unix.MADV_DONTNEED) }
