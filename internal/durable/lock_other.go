//go:build !unix || solaris || aix

package durable

import (
	"errors"
	"os"
)

// lock does nothing here: two processes go unnoticed on this system.
func lock(*os.File) (held bool, err error) { return false, errors.ErrUnsupported }
