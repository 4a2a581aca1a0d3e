//go:build unix && !solaris && !aix

package durable

// This file locks a file for this process; the lock ends with the process, however it ends.

import (
	"os"
	"syscall"
)

func lock(file *os.File) error { return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
