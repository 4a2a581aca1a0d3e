package run

// This file guards a run directory: one process at a time trains in it, and nothing that is there already is written over.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/model"
)

// FreeDir is the first of name, name-2, name-3, ... that is not there, for a new run.
func FreeDir(name string) string {
	free := name
	for n := 2; ; n++ {
		if _, err := os.Lstat(free); err != nil {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
}

// directory is a run directory that this process alone may write in.
type directory struct {
	path     string
	leave    func() // lets other processes in
	unlocked bool   // nothing keeps them out: the file system has no locks
	made     string // the first of the folders that were made for it; empty: none
}

func (d *directory) file(name string) string { return filepath.Join(d.path, name) }

// create makes the directory of a new run.
func create(path string) (*directory, error) {
	if err := Vacant(path); err != nil {
		return nil, err
	}
	made := firstMissing(path)
	if err := os.MkdirAll(path, 0o777); err != nil {
		removeEmpty(path, made)
		return nil, fmt.Errorf("%s: the run directory cannot be made, choose another with --out: %w", path, durable.Cause(err))
	}
	d, err := enter(path)
	if err != nil {
		removeEmpty(path, made)
		return nil, err
	}
	d.made = made
	if err := Vacant(path); err != nil { // another process was faster
		d.leave()
		return nil, err
	}
	return d, nil
}

// Vacant is an error if a run cannot start at path. A directory that a start was killed in, before it wrote anything, is vacant.
func Vacant(path string) error {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%s: not a directory to start a run in, choose another with --out: %w", path, durable.Cause(err))
	}
	if _, err := os.Lstat(filepath.Join(path, configFile)); err == nil {
		return fmt.Errorf("%s: there is a run already; continue it with --resume, or choose another directory with --out", path)
	}
	for _, e := range entries {
		if name := e.Name(); name != model.LockFile && !strings.HasSuffix(name, ".unfinished") {
			return fmt.Errorf("%s: the directory is not empty; choose another with --out", path)
		}
	}
	return nil
}

// enter locks an existing directory and removes what a killed process left half-written.
func enter(path string) (*directory, error) {
	leave, granted, err := model.LockRun(path)
	if err != nil {
		return nil, err
	}
	d := &directory{path: path, leave: leave, unlocked: !granted}
	for _, dir := range []string{path, d.file(samplesDir)} {
		if err := durable.Sweep(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.leave()
			return nil, fmt.Errorf("%s: clearing what a killed process left: %w", path, durable.Cause(err))
		}
	}
	return d, nil
}

// abandon leaves a directory in which no run came to be, and removes what was made for it if there is nothing else in it.
func (d *directory) abandon() {
	_ = os.Remove(d.file(model.LockFile))
	d.leave()
	removeEmpty(d.path, d.made)
}

// firstMissing is the first folder of a path that is not there; empty if all are.
func firstMissing(path string) (missing string) {
	for path = filepath.Clean(path); ; path = filepath.Dir(path) {
		if _, err := os.Lstat(path); err == nil || path == filepath.Dir(path) {
			return missing
		}
		missing = path
	}
}

// removeEmpty removes the empty folders of a path up to the first.
func removeEmpty(path, first string) {
	for path = filepath.Clean(path); first != "" && os.Remove(path) == nil && path != first; path = filepath.Dir(path) {
	}
}
