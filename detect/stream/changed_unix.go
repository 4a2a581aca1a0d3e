//go:build unix

package stream

import (
	"time"

	"golang.org/x/sys/unix"
)

// changed is when a file was last written or renamed, by the clock of its file system: the time that copying cannot set, as it sets that of
// the last change.
func changed(path string) time.Time {
	var s unix.Stat_t
	if unix.Stat(path, &s) != nil {
		return time.Time{}
	}
	return time.Unix(s.Ctim.Unix())
}
