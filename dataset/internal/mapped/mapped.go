// Package mapped has the content of a file at hand without a copy of it in memory: the system reads what is looked at, and forgets it when
// there is need. What a process has looked at counts as its own memory; so that this stays small, it is given back now and then.
package mapped

import (
	"os"
	"sync/atomic"
)

const (
	// kept is how much of a file, in bytes, the process holds at most before it gives all back.
	kept = 256 << 20
	// around is what the system brings in at a look, at most, of what it has read.
	around = 64 << 10
)

// File is a part of a file.
type File struct {
	data   []byte
	unit   []byte // data from the beginning of a page
	looked atomic.Int64
}

// Open maps a part of a file, which may be closed then. The mapping stays as long as the process: views into it may be anywhere. It is
// [errors.ErrUnsupported] where the system has no such thing.
func Open(f *os.File, offset, size int64) (*File, error) { return open(f, offset, size) }

// Bytes are the content, to be read only. A file that is cut short afterwards ends the process.
func (f *File) Bytes() []byte { return f.data }

// Look notes that so many bytes in a row were looked at.
func (f *File) Look(bytes int) {
	if f.looked.Add(int64(bytes+around)) > kept {
		f.looked.Store(0)
		f.giveBack()
	}
}
