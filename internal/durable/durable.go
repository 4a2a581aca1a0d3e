// Package durable replaces files so that a crash, a kill or a power cut leaves either the old content or the new, never a part.
//
// The new content goes to a temporary file in the same directory, which is flushed to the disk and then renamed over the old one;
// POSIX makes the rename atomic. The directory is flushed last, so that the new name survives a power cut too.
//
// Source: T. S. Pillai and others, "All File Systems Are Not Created Equal", OSDI 2014, section 4, on what needs flushing.
package durable

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// suffix ends the names of temporary files, which start with a dot.
const suffix = ".unfinished"

// WriteFile replaces the file at path, or creates it, with what write writes. Until that is whole and on the disk the file keeps
// its previous content. If write returns an error, a cancelled context's for instance, the file stays as it was, nothing else is
// left behind and the error is returned, with path and, for a full disk or a read-only directory, what to do.
//
// An existing file keeps its permissions. A symbolic link is replaced, not followed. Writes are buffered; the writer must not be
// used after write has returned.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = explain(path, err)
		}
	}()
	permissions := fs.FileMode(0o666)
	info, err := os.Lstat(path)
	replaced := err == nil && info.Mode().IsRegular()
	if replaced {
		permissions = info.Mode().Perm()
	} else if err == nil && info.IsDir() {
		return errors.New("it is a directory")
	}

	dir, name := filepath.Split(path)
	temporary := filepath.Join(dir, "."+name+"."+rand.Text()+suffix)
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, permissions)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the directory %s does not exist, create it first: %w", filepath.Dir(path), Cause(err))
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the directory %s is read-only, make it writable or choose another: %w", filepath.Dir(path), Cause(err))
	case err != nil:
		return err
	}
	renamed := false
	defer func() { // also if write panics
		if !renamed {
			file.Close()
			os.Remove(temporary)
		}
	}()
	if replaced { // the umask applied to the creation
		if err := file.Chmod(permissions); err != nil {
			return err
		}
	}
	buffered := bufio.NewWriterSize(file, 1<<16)
	if err := write(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	renamed = true
	return SyncDir(filepath.Dir(path))
}

// SyncDir flushes a directory's names to the disk, so that files created, renamed or removed in it stay so after a power cut.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // there directories cannot be flushed
	}
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	// EINVAL and ENOTSUP: some network and user-space file systems cannot either.
	if err := file.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

// Sweep removes from dir the temporary files of writers that were killed. No writer may be at work in dir.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); entry.Type().IsRegular() && strings.HasPrefix(name, ".") && strings.HasSuffix(name, suffix) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// explain names the file, not its temporary one, and says what to do where that is known.
func explain(path string, err error) error {
	err = Cause(err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("writing %s: the disk or quota is full, free some space (the previous content is kept): %w", path, err)
	}
	return fmt.Errorf("writing %s: %w", path, err)
}

// Cause is an error of package os without the operation and the file name: the message around it names the file.
func Cause(err error) error {
	switch err := err.(type) {
	case *fs.PathError:
		return err.Err
	case *os.LinkError:
		return err.Err
	}
	return err
}
