package run_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// smallDisk is a directory that is a disk of 1 MiB. Mounting one needs privileges.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("cannot mount a small disk: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves so many bytes free, in whole pages.
func fill(t *testing.T, disk string, free int) (ballast string) {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(disk, &s); err != nil {
		t.Fatal(err)
	}
	ballast = filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, int(s.Bavail)*int(s.Bsize)-free), 0o666); err != nil {
		t.Fatal(err)
	}
	return ballast
}

// The disk fills up at the start or on the way, at whatever file it is; with space again, the run goes on as if nothing had been.
func TestFullDisk(t *testing.T) {
	c, _, want := twice(t)
	for pages := 0; pages <= 48; pages += 8 {
		t.Run(fmt.Sprint(pages), func(t *testing.T) {
			disk := smallDisk(t)
			ballast := fill(t, disk, pages*os.Getpagesize())
			at := filepath.Join(disk, "run")
			_, err := run.Start(t.Context(), at, c, run.Options{Threads: 1})
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("on a disk with %d pages left: %v", pages, err)
			}
			t.Log(err)
			checkLine(t, err, at, "space")
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			if _, none := os.Stat(filepath.Join(at, "config.yaml")); none != nil {
				start(t, at, c)
			} else {
				checkLine(t, err, "--resume")
				resume(t, at, nil)
			}
			sameRun(t, "after a full disk", kept(t, at), want)
		})
	}
}

func TestReadOnlyDisk(t *testing.T) {
	disk := smallDisk(t)
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1))
	at := filepath.Join(disk, "run")
	interrupted(t, at, c, 10)
	before := kept(t, disk)
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := run.Start(t.Context(), filepath.Join(disk, "other"), c, run.Options{})
	checkLine(t, err, filepath.Join(disk, "other"), "--out", "read-only")
	_, err = run.Resume(t.Context(), at, nil, run.Options{})
	checkLine(t, err, at, "cannot write", "read-only")
	sameRun(t, "after refusals", kept(t, disk), before)
	if m, err := model.Open(at); err != nil || m.Iterations != 10 {
		t.Errorf("the model of a run on a read-only disk: %v", err)
	}
}
