package durable_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/joule-ebm/joule/internal/durable"
)

// A disk of 64 KiB that fills up, then turns read-only. Mounting one needs privileges; elsewhere the errors injected by
// TestErrorKeepsTheOldContent stand in.
func TestSmallDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("cannot mount a small disk: ", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	path := filepath.Join(dir, "a")
	if err := durable.WriteFile(path, text("old")); err != nil {
		t.Fatal(err)
	}
	checkError(t, durable.WriteFile(path, text(strings.Repeat("new", 1<<16))), syscall.ENOSPC, path, "free some space")
	check(t, dir, map[string]string{"a": "old"})
	if err := os.WriteFile(filepath.Join(dir, "b"), make([]byte, 40<<10), 0o666); err != nil {
		t.Fatal(err)
	}
	checkError(t, durable.WriteFile(path, text(strings.Repeat("n", 30<<10))), syscall.ENOSPC, path, "free some space") // at the last flush
	if got := files(t, dir); got["a"] != "old" || len(got) != 2 {
		t.Errorf("a full disk left %d files, a holds %q", len(got), got["a"])
	}

	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	checkError(t, durable.WriteFile(path, text("new")), syscall.EROFS, path, "make it writable")
}
