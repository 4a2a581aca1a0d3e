// Package files presents a folder or an archive (.zip, or .tar, plain or compressed by gzip, bzip2, xz or zstd) as a tree of named
// files. Nothing is ever unpacked, so the names inside an archive are labels and cannot point anywhere. What is no part of anybody's
// data is passed over: names with a dot in front, what operating systems and network disks leave behind, and Joule's own runs; what
// could not be looked at is listed.
package files

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

const (
	maxFiles = 1 << 22 // in a tree, several times the size of ImageNet
	maxHeads = 10_000  // files whose beginning a listing looks at
	headSize = 512     // bytes of a beginning
)

// File is a regular file of a tree.
type File struct {
	Name string // clean, relative, slash-separated
	Size int64  // -1 if nobody looked
	Head []byte // how it begins, uncompressed; nil if nobody looked
}

// Listing is what a tree holds.
type Listing struct {
	Files    []File
	Folders  []string // also empty ones
	Passed   []Passed // what the files do not tell of
	Warnings []string
}

// warnOfSame says how many files of an archive have the name of one before them.
func (l *Listing) warnOfSame(again int) {
	if again > 0 {
		l.Warnings = append(l.Warnings, fmt.Sprintf("files of the archive that have the name of one before them are left out: %d", again))
	}
}

// Passed is a file or folder that is passed over.
type Passed struct {
	Name string
	Err  error // why: what went wrong, or that it is no data
}

// ErrNoData is the reason of passing over what is well and no data.
var ErrNoData = errors.New("no data")

// Tree is a set of files read in bulk.
type Tree interface {
	// List lists the files, and looks at how those begin that look asks for.
	List(ctx context.Context, look func(name string) bool) (*Listing, error)
	// Visit reads each of the named files once, in an order of the tree's own choosing. A file that cannot be opened is passed to fn
	// with its error; an error of fn, or of the tree as a whole, ends the visit.
	Visit(ctx context.Context, names []string, fn func(name string, r io.Reader, err error) error) error
	Close() error
}

// litter are names that operating systems, archivers and network disks give to what is no part of the data.
var litter = []string{"__MACOSX", "@eaDir", "#recycle", "#snapshot", "$RECYCLE.BIN", "System Volume Information", "lost+found", "Thumbs.db", "desktop.ini"}

// Visible reports whether a file may be part of the data: it has a name, and is not litter.
func Visible(name string) bool {
	if name == "" {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || slices.Contains(litter, part) {
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

// Peek says how a file begins once it is uncompressed, and what compressed it. It is an error if it is no regular file, or empty.
func Peek(name string) (head []byte, compression string, err error) {
	f, err := OpenRegular(name)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	in, compression, err := Uncompressed(f)
	if err != nil {
		return nil, compression, err
	}
	if head, err = in.Peek(headSize); len(head) == 0 && err == io.EOF && compression == "" {
		return nil, "", errors.New("the file is empty")
	}
	return head, compression, nil
}

// OpenRegular opens a regular file. Others, such as pipes, might never answer.
func OpenRegular(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("a folder, not a file")}
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("neither a file nor a folder")}
	}
	return os.Open(name)
}

// compressions are told apart by their first bytes.
var compressions = []struct {
	name, magic string
	open        func(io.Reader) (io.Reader, error)
}{
	{"gzip", "\x1f\x8b", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"bzip2", "BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"xz", "\xfd7zXZ\x00", func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }},
	{"zstd", "\x28\xb5\x2f\xfd", func(r io.Reader) (io.Reader, error) {
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderLowmem(true))
	}},
}

// Uncompressed undoes compression where there is some, and names it.
func Uncompressed(r io.Reader) (in *bufio.Reader, compression string, err error) {
	in = bufio.NewReaderSize(r, 1<<16)
	for _, c := range compressions {
		if magic, _ := in.Peek(len(c.magic)); string(magic) == c.magic {
			plain, err := c.open(in)
			if err != nil {
				return nil, c.name, fmt.Errorf("damaged %s file, fetch it again: %w", c.name, err)
			}
			return bufio.NewReaderSize(plain, 1<<16), c.name, nil
		}
	}
	return in, "", nil
}

// headOf is how a file begins, nil if that cannot be said.
func headOf(r io.Reader) []byte {
	in, _, err := Uncompressed(r)
	if err != nil {
		return nil
	}
	head, _ := in.Peek(headSize)
	return slices.Clone(head)
}

// openable is a tree whose files can be opened one at a time in any order.
type openable struct {
	list  func(ctx context.Context) (*Listing, error)
	size  func(name string) int64
	open  func(name string) (io.ReadCloser, error)
	close func() error
	// onDisk is where a file is; nil if the files are not on the disk as such.
	onDisk func(name string) string
}

func (t *openable) Close() error {
	if t.close == nil {
		return nil
	}
	return t.close()
}

func (t *openable) List(ctx context.Context, look func(name string) bool) (*Listing, error) {
	l, err := t.list(ctx)
	if err != nil {
		return nil, err
	}
	l.withoutRuns()
	looked := 0
	for i := range l.Files {
		f := &l.Files[i]
		if f.Size = -1; looked == maxHeads || !look(f.Name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		looked++
		f.Size = t.size(f.Name)
		if r, err := t.open(f.Name); err == nil {
			f.Head = headOf(contextReader{ctx, r})
			r.Close()
		}
	}
	return l, nil
}

func (t *openable) Visit(ctx context.Context, names []string, fn func(string, io.Reader, error) error) error {
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

// withoutRuns passes over run directories of Joule below the top: the samples that a model has drawn are no data.
func (l *Listing) withoutRuns() {
	marks := map[string]int{}
	for _, f := range l.Files {
		if dir, base := path.Split(f.Name); dir != "" && (base == "config.yaml" || base == "metrics.jsonl") {
			marks[dir]++
		}
	}
	for dir, n := range marks {
		if n < 2 {
			continue
		}
		inside := func(name string) bool { return strings.HasPrefix(name+"/", dir) }
		l.Files = slices.DeleteFunc(l.Files, func(f File) bool { return inside(f.Name) })
		l.Folders = slices.DeleteFunc(l.Folders, inside)
		l.Passed = append(l.Passed, Passed{strings.TrimSuffix(dir, "/"), fmt.Errorf("a run of Joule: %w", ErrNoData)})
	}
	slices.SortFunc(l.Passed, func(a, b Passed) int { return strings.Compare(a.Name, b.Name) })
}

// Beside is the tree of one file and those of its companions that are there.
func Beside(name string, companions []string) Tree {
	dir := filepath.Dir(name)
	return &openable{
		list: func(context.Context) (*Listing, error) {
			l := &Listing{Files: []File{{Name: filepath.Base(name)}}}
			for _, c := range companions {
				if info, err := os.Stat(filepath.Join(dir, c)); err == nil && info.Mode().IsRegular() && c != l.Files[0].Name {
					l.Files = append(l.Files, File{Name: c})
				}
			}
			return l, nil
		},
		size:   func(file string) int64 { return sizeOf(filepath.Join(dir, file)) },
		open:   func(file string) (io.ReadCloser, error) { return OpenRegular(filepath.Join(dir, file)) },
		onDisk: func(file string) string { return filepath.Join(dir, file) },
	}
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}

// Within is the part of a tree in one of its folders, and the whole tree for "".
func Within(t Tree, folder string) Tree {
	if folder == "" {
		return t
	}
	return &within{t, folder + "/"}
}

type within struct {
	Tree
	prefix string
}

func (t *within) List(ctx context.Context, look func(string) bool) (*Listing, error) {
	all, err := t.Tree.List(ctx, func(name string) bool { return strings.HasPrefix(name, t.prefix) && look(name) })
	if err != nil {
		return nil, err
	}
	l := &Listing{Warnings: all.Warnings}
	for _, f := range all.Files {
		if name, ok := strings.CutPrefix(f.Name, t.prefix); ok {
			f.Name = name
			l.Files = append(l.Files, f)
		}
	}
	for _, f := range all.Folders {
		if name, ok := strings.CutPrefix(f, t.prefix); ok {
			l.Folders = append(l.Folders, name)
		}
	}
	for _, p := range all.Passed {
		if name, ok := strings.CutPrefix(p.Name, t.prefix); ok {
			l.Passed = append(l.Passed, Passed{name, p.Err})
		}
	}
	return l, nil
}

func (t *within) Visit(ctx context.Context, names []string, fn func(string, io.Reader, error) error) error {
	full := make([]string, len(names))
	for i, name := range names {
		full[i] = t.prefix + name
	}
	return t.Tree.Visit(ctx, full, func(name string, r io.Reader, err error) error {
		return fn(strings.TrimPrefix(name, t.prefix), r, err)
	})
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

// RandomAccess is a file that can be read anywhere.
type RandomAccess interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Path is where on the disk a file of a tree is, "" if it is in an archive.
func Path(t Tree, name string) string {
	if disk, ok := t.(interface{ path(name string) string }); ok {
		return disk.path(name)
	}
	return ""
}

// OpenAt opens a file of a tree to be read anywhere: from the disk where it is a file there, or else from memory, if it has at most
// limit bytes.
func OpenAt(ctx context.Context, t Tree, name string, limit int64) (RandomAccess, error) {
	if at := Path(t, name); at != "" {
		f, err := OpenRegular(at)
		if err != nil {
			return nil, err
		}
		return onDisk{f}, nil
	}
	var data []byte
	err := t.Visit(ctx, []string{name}, func(_ string, r io.Reader, err error) error {
		if err == nil {
			data, err = io.ReadAll(io.LimitReader(r, limit+1))
		}
		if err == nil && int64(len(data)) > limit {
			err = fmt.Errorf("larger than the %d MiB that are read from an archive: unpack it first", limit>>20)
		}
		return err
	})
	return inMemory{bytes.NewReader(data)}, err
}

type onDisk struct{ *os.File }

func (f onDisk) Size() int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// path is where on the disk a file of the tree is, "" if it is in an archive.
func (t *openable) path(name string) string {
	if t.onDisk == nil {
		return ""
	}
	return t.onDisk(name)
}

func (t *within) path(name string) string {
	return Path(t.Tree, t.prefix+name)
}
