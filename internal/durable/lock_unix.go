//go:build unix && !solaris && !aix

package durable

// This file locks a file for this process; the lock ends with the process, however it ends.

import (
	"os"
	"syscall"
)

// lock says whether another process holds the lock; an error is why there are no locks.
func lock(file *os.File) (held bool, err error) {
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			return err == syscall.EWOULDBLOCK || err == syscall.EAGAIN || err == syscall.EACCES, err
		}
	}
}
