package files

// Folders. Symbolic links are followed, each real folder being entered once, which ends any loop. A folder that may not be read is
// passed over, and listed as such.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Folder is the tree under a directory.
func Folder(root string) Tree {
	at := func(name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
	return &openable{
		list: func(ctx context.Context) (*Listing, error) {
			real, err := filepath.EvalSymlinks(root)
			if err != nil {
				return nil, err
			}
			w := walk{entered: map[string]bool{}}
			err = w.folder(ctx, "", real)
			if n := len(w.lost); n > 0 {
				w.Warnings = append(w.Warnings, fmt.Sprintf("links that lead nowhere are left out: %d, such as %s", n, w.lost[0]))
			}
			return &w.Listing, err
		},
		size:   func(name string) int64 { return sizeOf(at(name)) },
		open:   func(name string) (io.ReadCloser, error) { return OpenRegular(at(name)) },
		onDisk: at,
	}
}

// walk lists a folder.
type walk struct {
	Listing
	entered map[string]bool // the directories already walked, resolved
	lost    []string        // links to nothing
}

// folder adds what is in the directory called rel, whose resolved path is real.
func (l *walk) folder(ctx context.Context, rel, real string) error {
	if l.entered[real] {
		return nil
	}
	l.entered[real] = true
	if err := ctx.Err(); err != nil {
		return err
	}
	items, err := os.ReadDir(real)
	if err != nil {
		if rel == "" {
			return err
		}
		if cause := (*fs.PathError)(nil); errors.As(err, &cause) {
			err = cause.Err
		}
		l.Passed = append(l.Passed, Passed{rel, err})
		return nil
	}
	if rel != "" {
		l.Folders = append(l.Folders, rel)
	}
	for _, item := range items {
		name, at, mode := path.Join(rel, item.Name()), filepath.Join(real, item.Name()), item.Type()
		if !Visible(item.Name()) {
			continue
		}
		if mode&fs.ModeSymlink != 0 {
			resolved, err := filepath.EvalSymlinks(at)
			var info fs.FileInfo
			if err == nil {
				info, err = os.Stat(resolved)
			}
			if err != nil { // it leads nowhere, or to itself
				l.lost = append(l.lost, name)
				continue
			}
			if inside := resolved + string(filepath.Separator); info.IsDir() && strings.HasPrefix(real+string(filepath.Separator), inside) {
				continue // a link to a folder that it lies in
			}
			at, mode = resolved, info.Mode().Type()
		}
		switch {
		case mode.IsDir():
			if err := l.folder(ctx, name, at); err != nil {
				return err
			}
		case mode.IsRegular():
			if l.Files = append(l.Files, File{Name: name}); len(l.Files) > maxFiles {
				return errTooManyFiles
			}
		}
	}
	return nil
}
