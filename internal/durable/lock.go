package durable

import (
	"errors"
	"os"
)

// ErrLocked says that another process holds a lock, or this one does already.
var ErrLocked = errors.New("locked by another process")

// Lock is a file that one process at a time may hold. It ends with the process, however that ends.
type Lock struct{ file *os.File }

// TakeLock takes the lock that the file at path stands for. The file is made if need be, and stays. Systems without such locks grant
// them all.
func TakeLock(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		file.Close()
		return nil, errors.Join(ErrLocked, err)
	}
	return &Lock{file}, nil
}

// Release lets others take the lock.
func (l *Lock) Release() { l.file.Close() }
