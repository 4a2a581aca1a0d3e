package durable

import (
	"errors"
	"os"
)

// ErrLocked says that another process holds a lock, or this one does already.
var ErrLocked = errors.New("locked by another process")

// Lock is a file that one process at a time may hold. It ends with the process, however that ends.
type Lock struct {
	file    *os.File
	granted bool
}

// TakeLock takes the lock that the file at path stands for. The file is made if need be, and stays. Systems and file systems without such
// locks, as NFS and Lustre may be mounted, grant them all: [Lock.Granted] tells.
func TakeLock(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	switch held, err := lock(file); {
	case held:
		file.Close()
		return nil, ErrLocked
	case err != nil:
		return &Lock{file, false}, nil
	}
	return &Lock{file, true}, nil
}

// Granted says that others are kept out, which they are not where there are no locks.
func (l *Lock) Granted() bool { return l.granted }

// Release lets others take the lock.
func (l *Lock) Release() { l.file.Close() }
