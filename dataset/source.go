package dataset

// Finding out, by looking, what a path leads to.

import (
	"archive/zip"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// source is where a path leads: data files, read by load, or the pictures of a tree.
type source struct {
	load  func(ctx context.Context, split string) (*Set, error) // nil for pictures
	tree  tree
	album album
	file  bool // the tree is a single picture
	close func() error
}

// layout is a data set kept in one or a few data files of a tree.
type layout struct {
	splits map[string][]string // the files of each split, in order; "" if there are no splits
	read   func(ctx context.Context, t tree, files []string) (*Set, error)
}

// layouts finds the data sets among files, by the folder that holds each.
func layouts(files []string) map[string][]layout {
	folders := map[string][]string{}
	for _, name := range files {
		dir := path.Dir(name)
		folders[dir] = append(folders[dir], name)
	}
	found := map[string][]layout{}
	for dir, names := range folders {
		if l := slices.Concat(cifarLayouts(names), idxLayouts(names)); len(l) > 0 {
			found[dir] = l
		}
	}
	return found
}

// use makes a layout what the source loads.
func (src *source) use(name string, l layout) {
	src.load = func(ctx context.Context, split string) (*Set, error) {
		files, err := pickSplit(name, l.splits, split)
		if err != nil {
			return nil, err
		}
		return l.read(ctx, src.tree, files)
	}
}

// locate finds out what a name stands for. The caller closes the source.
func locate(ctx context.Context, name string) (*source, error) {
	src := &source{close: func() error { return nil }}
	if b := builtInNamed(name); b != nil {
		src.load = func(_ context.Context, split string) (*Set, error) { return b.open(split) }
		return src, nil
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no such file or folder, nor a built-in data set (%s)", name, builtInNames())
	case err != nil:
		return nil, err
	case info.IsDir():
		src.tree = folder(name)
	case info.Mode().IsRegular():
		err = src.openFile(ctx, name)
	default:
		err = errors.New("neither a file nor a folder")
	}
	if err == nil && src.load == nil && !src.file {
		err = src.survey(ctx, name)
	}
	if err != nil {
		src.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return src, nil
}

// survey sees what the tree of a folder or an archive holds.
func (src *source) survey(ctx context.Context, name string) error {
	files, err := src.tree.list(ctx)
	if err != nil {
		return err
	}
	found := layouts(files)
	dirs := slices.Sorted(maps.Keys(found))
	switch {
	case len(dirs) > 1:
		return fmt.Errorf("holds several data sets (in %s): name the folder of one", strings.Join(dirs, ", "))
	case len(dirs) == 0:
		src.album, err = sortAlbum(files)
		return err
	case len(found[dirs[0]]) > 1:
		return fmt.Errorf("holds several data sets in one folder (%s): name a file of one, or sort them into folders", dirs[0])
	}
	src.use(name, found[dirs[0]][0])
	return nil
}

// openFile decides by its first bytes what kind of file this is: an archive becomes a tree, a data file a layout with
// the files that belong to it beside it, anything else a picture.
func (src *source) openFile(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	outer := bufio.NewReaderSize(f, 1<<16)
	magic, err := outer.Peek(2)
	if len(magic) == 0 && err == io.EOF {
		return errors.New("the file is empty")
	}
	gzipped := string(magic) == gzipMagic
	in, err := gunzip(outer)
	if err != nil {
		return fmt.Errorf("damaged gzip file, fetch it again: %w", err)
	}
	head, _ := in.Peek(512)
	has := func(at int, magic string) bool {
		return len(head) >= at+len(magic) && string(head[at:at+len(magic)]) == magic
	}
	lower := strings.ToLower(name)
	switch {
	case !gzipped && (has(0, "PK\x03\x04") || has(0, "PK\x05\x06")):
		archive, err := zip.OpenReader(name)
		if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
			return fmt.Errorf("damaged zip archive, fetch it again: %w", err)
		}
		src.tree, src.close = zipped(&archive.Reader), archive.Close
		return nil
	case has(257, "ustar"), strings.HasSuffix(lower, ".tar"), strings.HasSuffix(lower, ".tar.gz"), strings.HasSuffix(lower, ".tgz"):
		src.tree = tarred{func() (io.ReadCloser, error) { return os.Open(name) }}
		return nil
	}

	base := filepath.Base(name)
	companions := append(labelFiles(base), cifarNameFiles...)
	src.tree = beside(name, companions)
	files, err := src.tree.list(ctx)
	if err != nil {
		return err
	}
	if isIDX(head) {
		src.use(name, idxLayout([]string{base}, files))
		return nil
	}
	if l := cifarLayouts(files); len(l) == 1 {
		src.use(name, l[0])
		return nil
	}
	if gzipped {
		return errors.New("the gzip file holds neither an IDX array nor a tar archive")
	}
	src.file, src.album.splits = true, map[string][]string{"": {base}}
	return nil
}

// beside is the tree of one file and those of its companions that are there.
func beside(name string, companions []string) tree {
	dir := filepath.Dir(name)
	return openable{
		names: func(context.Context) ([]string, error) {
			files := []string{filepath.Base(name)}
			for _, c := range companions {
				if info, err := os.Stat(filepath.Join(dir, c)); err == nil && info.Mode().IsRegular() {
					files = append(files, c)
				}
			}
			return files, nil
		},
		open: func(file string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, file)) },
	}
}
