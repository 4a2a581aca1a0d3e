// Package checkpoint keeps the state of a training run on disk so that at any moment, killed or not, a whole one is there.
//
// A checkpoint is a list of named byte sections with checksums; what is in them is the run's affair. [Save] leaves two files: the
// checkpoint and, under the same name with ".previous", the one before it. [Load] takes the first of them that is whole.
package checkpoint

// This file saves and loads: which of the files in a directory is the checkpoint. How one looks inside is in format.go.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/joule-ebm/joule/internal/durable"
)

const (
	previousSuffix = ".previous"
	newSuffix      = ".new" // of a checkpoint that Save has not yet put in its place
)

// Checkpoint is what Load found.
type Checkpoint struct {
	Sections []Section // in the order they were saved in
	Path     string    // the file they come from: the path asked for, or its previous one
	Fallback error     // why the newest could not be used; nil if Sections are the newest
}

// Section returns the bytes of the section called name.
func (c *Checkpoint) Section(name string) ([]byte, error) {
	for _, s := range c.Sections {
		if s.Name == name {
			return s.Data, nil
		}
	}
	return nil, fmt.Errorf("%s: the checkpoint has no section %q: it is of another kind of run", c.Path, name)
}

// Save makes the sections the checkpoint at path and the checkpoint that was there the previous one, if it is whole: a damaged
// one never takes the place of the one to fall back on. On error both files stay as they were.
func Save(path string, sections []Section) error {
	return save(path, sections, func() {})
}

// save calls step wherever a kill would leave the directory in another state; a test looks at each.
func save(path string, sections []Section, step func()) error {
	step()
	fresh := path + newSuffix
	err := durable.WriteFile(fresh, func(w io.Writer) error {
		return Write(writerFunc(func(p []byte) (int, error) {
			defer step()
			return w.Write(p)
		}), sections)
	})
	if err != nil {
		return err
	}
	step()
	if verify(path) == nil {
		if err := os.Rename(path, path+previousSuffix); err != nil {
			return fmt.Errorf("keeping the previous checkpoint: %w", err)
		}
	}
	step()
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("putting the checkpoint in its place: %w", err)
	}
	step()
	return durable.SyncDir(filepath.Dir(path))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Load reads the checkpoint at path or, where that is missing or damaged, the previous one; Fallback then says why. If there is
// neither, because the run never saved one, the error is fs.ErrNotExist.
func Load(path string) (*Checkpoint, error) {
	sections, newest := load(path)
	if newest == nil {
		return &Checkpoint{Sections: sections, Path: path}, nil
	}
	sections, previous := load(path + previousSuffix)
	switch {
	case previous == nil:
		return &Checkpoint{Sections: sections, Path: path + previousSuffix, Fallback: newest}, nil
	case errors.Is(newest, fs.ErrNotExist) && errors.Is(previous, fs.ErrNotExist):
		return nil, newest
	}
	return nil, fmt.Errorf("no checkpoint can be read, restore one from a copy or start the run anew: %v; %v", newest, previous)
}

// Discard removes the checkpoint at path, so that the previous one takes over, and says whether it did: without a whole previous
// one everything stays.
func Discard(path string) (bool, error) {
	if verify(path+previousSuffix) != nil {
		return false, nil
	}
	if err := os.Remove(path); err != nil {
		return false, fmt.Errorf("discarding the checkpoint: %w", err)
	}
	return true, durable.SyncDir(filepath.Dir(path))
}

func load(path string) (sections []Section, err error) {
	err = open(path, func(r io.Reader, size int64) error {
		sections, err = Read(r, size)
		return err
	})
	return sections, err
}

func verify(path string) error {
	return open(path, check)
}

func open(path string, read func(r io.Reader, size int64) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := read(file, info.Size()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
