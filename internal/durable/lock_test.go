package durable_test

import (
	"errors"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/joule-ebm/joule/internal/durable"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := durable.TakeLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := durable.TakeLock(path); runtime.GOOS == "linux" && !errors.Is(err, durable.ErrLocked) {
		t.Errorf("a lock that is held was taken: %v, %v", second, err)
	}
	first.Release()
	again, err := durable.TakeLock(path)
	if err != nil {
		t.Fatal("a released lock is still held: ", err)
	}
	again.Release()
	if _, err := durable.TakeLock(filepath.Join(t.TempDir(), "none", "lock")); err == nil || errors.Is(err, durable.ErrLocked) {
		t.Errorf("a lock in a directory that does not exist: %v", err)
	}
}
