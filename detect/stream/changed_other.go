//go:build !unix

package stream

import (
	"os"
	"time"
)

// changed is when a file was last written.
func changed(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
