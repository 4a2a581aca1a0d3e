package main

// This file knows the ways out: files that a command is to write, and JSON.

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/internal/terminal"
)

// checkOutput is an error if a file cannot be written, or if a folder is not one for new files.
func checkOutput(path string, folder bool) error {
	switch files, err := os.ReadDir(path); {
	case path == "":
		return nil
	case !folder && err == nil:
		return fmt.Errorf("writing %s: it is a directory: name a file", path)
	case folder && len(files) > 0:
		return fmt.Errorf("%s holds files already: name a new folder, so that old and new images do not mix", path)
	case folder && err == nil:
		path = filepath.Join(path, "0.png")
	case folder:
		path = filepath.Clean(path) // the folder itself is to be made
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".joule-*")
	if err != nil {
		if cause := (*fs.PathError)(nil); errors.As(err, &cause) {
			err = cause.Err
		}
		return fmt.Errorf("writing %s: %w: name a directory that exists and can be written to", path, err)
	}
	probe.Close()
	return os.Remove(probe.Name())
}

// checkApart is an error if a file that is to be written is one that is read.
func checkApart(output, input string) error {
	if sameFile(output, input) {
		return usageErrorf("--output %s is %s itself: name a new file", output, input)
	}
	return nil
}

// sameFile says whether two paths, if they are given, lead to one file, which need not be there yet.
func sameFile(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	is, err := os.Stat(a)
	other, err2 := os.Stat(b)
	if err == nil && err2 == nil {
		return os.SameFile(is, other)
	}
	a, err = filepath.Abs(a)
	b, err2 = filepath.Abs(b)
	return err == nil && err2 == nil && a == b
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func hasExtension(path, extension string) bool {
	return strings.EqualFold(filepath.Ext(path), extension)
}

// checkPictures is an error unless each file is named .png, or not at all, and can be written.
func checkPictures(files map[string]string) error {
	for flag, path := range files {
		if path != "" && !hasExtension(path, ".png") {
			return usageErrorf("--%s is %q: want a name ending in .png", flag, path)
		}
		if err := checkOutput(path, false); err != nil {
			return err
		}
	}
	return nil
}

// writeOutput writes a file whole or not at all; it does nothing where no file is asked for.
func writeOutput(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	return durable.WriteFile(path, write)
}

func writePNG(path string, img image.Image) error {
	return durable.WriteFile(path, func(w io.Writer) error { return picture.EncodePNG(w, img) })
}

// writeJSON writes an object for programs, and for people who look at it.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// printText writes what a package has to say, with names of files in it, which may hold anything.
func printText(w io.Writer, text string) error {
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintln(w, terminal.Printable(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}
