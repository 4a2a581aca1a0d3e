package dataset

// A tree of named files, whatever holds them: a folder, a zip, a tar or a gzipped tar. Nothing is ever extracted, so
// the names inside an archive are labels and cannot point anywhere. Symbolic links in a folder are followed, each real
// folder being entered once, which ends any loop.

import (
	"archive/tar"
	"archive/zip"
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

// maxFiles bounds the listing of a tree, several times the size of ImageNet.
const maxFiles = 1 << 22

// tree is a set of files read in bulk. Names are clean, relative and slash-separated.
type tree interface {
	// list names the regular files.
	list(ctx context.Context) ([]string, error)
	// visit reads each of the named files once, in an order of the tree's own choosing. A file that cannot be opened is
	// passed to fn with its error; an error of fn, or of the tree as a whole, ends the visit.
	visit(ctx context.Context, names []string, fn func(name string, r io.Reader, err error) error) error
}

// visible reports whether a file is part of the data: it has a name, and is not the litter of an operating system.
func visible(name string) bool {
	if name == "" {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || part == "__MACOSX" {
			return false
		}
	}
	return true
}

// inner is the clean relative form of a name found in an archive.
func inner(name string) string {
	return path.Clean("/" + strings.ReplaceAll(name, `\`, "/"))[1:]
}

var errTooManyFiles = fmt.Errorf("holds more than %d files: open a part of it", maxFiles)

// openable is a tree whose files can be opened one at a time in any order.
type openable struct {
	names func(ctx context.Context) ([]string, error)
	open  func(name string) (io.ReadCloser, error)
}

func (t openable) list(ctx context.Context) ([]string, error) { return t.names(ctx) }

func (t openable) visit(ctx context.Context, names []string, fn func(string, io.Reader, error) error) error {
	one := func(name string) error {
		f, err := t.open(name)
		if err != nil {
			return fn(name, nil, err)
		}
		defer f.Close()
		return fn(name, contextReader{ctx, f}, nil)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := one(name); err != nil {
			return err
		}
	}
	return nil
}

// folder is the tree under a directory.
func folder(root string) tree {
	return openable{
		names: func(ctx context.Context) ([]string, error) {
			real, err := filepath.EvalSymlinks(root)
			if err != nil {
				return nil, err
			}
			return walk(ctx, nil, "", real, map[string]bool{})
		},
		open: func(name string) (io.ReadCloser, error) {
			return os.Open(filepath.Join(root, filepath.FromSlash(name)))
		},
	}
}

// walk appends the regular files of the directory called rel, whose resolved path is real. entered holds the directories
// already walked, resolved.
func walk(ctx context.Context, names []string, rel, real string, entered map[string]bool) ([]string, error) {
	if entered[real] {
		return names, nil
	}
	entered[real] = true
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	items, err := os.ReadDir(real)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		name, at, mode := path.Join(rel, item.Name()), filepath.Join(real, item.Name()), item.Type()
		if !visible(item.Name()) {
			continue
		}
		if mode&fs.ModeSymlink != 0 {
			resolved, err := filepath.EvalSymlinks(at)
			if err != nil {
				continue // a link to nothing, or to itself
			}
			info, err := os.Stat(resolved)
			if err != nil {
				continue
			}
			at, mode = resolved, info.Mode().Type()
		}
		switch {
		case mode.IsDir():
			if names, err = walk(ctx, names, name, at, entered); err != nil {
				return nil, err
			}
		case mode.IsRegular():
			if names = append(names, name); len(names) > maxFiles {
				return nil, errTooManyFiles
			}
		}
	}
	return names, nil
}

// zipped is the tree in a zip archive.
func zipped(archive *zip.Reader) tree {
	files := map[string]*zip.File{}
	var names []string
	for _, f := range archive.File {
		name := inner(f.Name)
		if !f.Mode().IsRegular() || !visible(name) || files[name] != nil {
			continue
		}
		files[name] = f
		names = append(names, name)
	}
	return openable{
		names: func(context.Context) ([]string, error) {
			if len(names) > maxFiles {
				return nil, errTooManyFiles
			}
			return names, nil
		},
		open: func(name string) (io.ReadCloser, error) {
			if files[name].Flags&1 != 0 {
				return nil, errors.New("is encrypted: unpack the archive with its password first")
			}
			return files[name].Open()
		},
	}
}

// tarred is the tree in a tar archive, gzipped or not, which open opens anew for each pass over it.
type tarred struct {
	open func() (io.ReadCloser, error)
}

// each calls fn for every visible regular file, the first of each name, until fn returns io.EOF.
func (t tarred) each(ctx context.Context, fn func(name string, r io.Reader) error) error {
	f, err := t.open()
	if err != nil {
		return err
	}
	defer f.Close()
	in, err := gunzip(contextReader{ctx, f})
	if err != nil {
		return fmt.Errorf("damaged archive: %w", err)
	}
	for archive := tar.NewReader(in); ; {
		head, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("damaged archive, fetch it again: %w", err)
		}
		if name := inner(head.Name); head.Typeflag == tar.TypeReg && visible(name) {
			if err := fn(name, archive); err != nil {
				if err == io.EOF {
					return nil
				}
				return err
			}
		}
	}
}

func (t tarred) list(ctx context.Context) ([]string, error) {
	var names []string
	seen := map[string]bool{}
	err := t.each(ctx, func(name string, _ io.Reader) error {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
		if len(names) > maxFiles {
			return errTooManyFiles
		}
		return nil
	})
	return names, err
}

func (t tarred) visit(ctx context.Context, names []string, fn func(string, io.Reader, error) error) error {
	wanted := make(map[string]bool, len(names))
	for _, name := range names {
		wanted[name] = true
	}
	err := t.each(ctx, func(name string, r io.Reader) error {
		if !wanted[name] {
			return nil
		}
		delete(wanted, name)
		if err := fn(name, r, nil); err != nil {
			return err
		}
		if len(wanted) == 0 {
			return io.EOF // the rest of the archive need not be read
		}
		return nil
	})
	if err == nil && len(wanted) > 0 {
		err = errors.New("changed while it was read: open it again")
	}
	return err
}

// contextReader stops a long read when its context ends.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// readFile reads a file of at most limit bytes.
func readFile(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("larger than the %d MiB allowed for one such file", limit>>20)
	}
	return data, nil
}
