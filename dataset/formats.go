package dataset

// The formats that data sets are kept in, as a table. To read another one, write a file with a function that finds its data sets among
// the files of a folder or archive, such as findIDX, and add its line below. Nothing else, here or in other packages, knows formats by
// name. A data set that comes with the program is a line of the table in embedded.go.

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

// format is a way of keeping data sets in files.
type format struct {
	name string
	// find finds the data sets of this format. A file's content ([files.File.Head]) decides; a name may only suggest what reading then
	// confirms. If the user named a single file, it is alone, with the files that may belong to it.
	find func(l *files.Listing, alone string) []layout
	// companions are the files that may belong to a file that is named by itself, such as its labels.
	companions func(base string) []string
	// fallback says that it has no claim on files where another format has found a data set.
	fallback bool
}

// picturesFormat is what files that are pictures by themselves make, one file an image.
const picturesFormat = "pictures"

// BuiltIn is the [Contents.Format] of the data sets that come with the program.
const BuiltIn = "built in"

// formats come in the order of their claims: what an earlier one has found is not pictures of a later one.
func formats() []format {
	return []format{
		{"CIFAR", findCIFAR, func(string) []string { return cifarNameFiles }, false},
		{"IDX", findIDX, labelFiles, false},
		{"NumPy", findNumPy, numpyCompanions, false},
		{"MATLAB", findMatlab, nil, false},
		{"STL-10", findSTL10, stlCompanions, false},
		{"downsampled ImageNet", findImageNet, nil, false},
		{"table", findTables, nil, false},
		{"Parquet", findParquet, nil, false},
		{"Arrow", findArrow, nil, false},
		{picturesFormat, findPictures, nil, true},
	}
}

// layout is a data set that was found, before it is read.
type layout struct {
	format   string
	folder   string          // that holds it, "." at the top
	splits   map[string]part // by Train, Test, Validation and Defects; "" if there is but one part
	extra    []string        // files that belong to it beside those of the splits
	copies   []string        // of its files, that lie elsewhere
	warnings []string
	// ofClasses are warnings that matter where all pictures are opened together.
	ofClasses []string
	// within is the part of a set that a split is, where all splits are in one file; nil if they are not.
	within func(set *Set, split string) *Set
	// Either of:
	read     func(ctx context.Context, t files.Tree, names []string) (*Set, error)         // as a whole
	pictures func(ctx context.Context, t files.Tree, split string) (*pictureSource, error) // picture by picture
}

// part is one split.
type part struct {
	files   []string          // in order
	classes []string          // of pictures in folders; nil if they have none
	depth   int               // how many folders of a name come before that of its class
	called  map[string]string // classes by their folders, where those have other names
	left    []Part            // what of the pictures is left out where this split is taken
}

// all are the files of a layout.
func (l *layout) all() map[string]bool {
	used := map[string]bool{}
	for _, p := range l.splits {
		for _, name := range p.files {
			used[name] = true
		}
	}
	for _, name := range l.extra {
		used[name] = true
	}
	return used
}

// inFolders finds layouts folder by folder.
func inFolders(find func(list []files.File, alone string) []layout) func(*files.Listing, string) []layout {
	return func(l *files.Listing, alone string) (found []layout) {
		folders := map[string][]files.File{}
		for _, f := range l.Files {
			dir := path.Dir(f.Name)
			folders[dir] = append(folders[dir], f)
		}
		for _, dir := range slices.Sorted(maps.Keys(folders)) {
			for _, l := range find(folders[dir], alone) {
				l.folder = dir
				found = append(found, l)
			}
		}
		return found
	}
}

// choose picks the data set that a listing holds.
func choose(l *files.Listing, alone string) (layout, error) {
	var found []layout
	for _, f := range formats() {
		for _, one := range f.find(l, alone) {
			one.format = f.name
			if f.fallback && len(found) > 0 {
				continue // what is left out is told of
			}
			found = append(found, one)
		}
	}
	found = withoutCopies(found, l)
	switch len(found) {
	case 0:
		return layout{}, nothingIn(l)
	case 1:
		return found[0], nil
	}
	var where []string
	for _, one := range found {
		where = append(where, one.folder)
	}
	if slices.Sort(where); len(slices.Compact(slices.Clone(where))) < len(found) {
		var names []string
		for _, one := range found {
			names = append(names, fmt.Sprintf("%s in %s", one.format, path.Base(anyFile(one))))
		}
		return layout{}, fmt.Errorf("holds several data sets in one folder (%s): name a file of one, or sort them into folders", strings.Join(names, ", "))
	}
	return layout{}, fmt.Errorf("holds several data sets (in %s): name the folder of one, as in PATH/%s", strings.Join(where, ", "), where[len(where)-1])
}

func anyFile(l layout) string {
	var names []string
	for name := range l.all() {
		names = append(names, name)
	}
	return slices.Min(names)
}

// withoutCopies leaves out those data sets of which another one, nearer to the top, has every file under the like name and of the same
// size: archives that were unpacked beside their files.
func withoutCopies(found []layout, l *files.Listing) []layout {
	type like struct {
		name string
		size int64
	}
	sizes := map[string]int64{}
	for _, f := range l.Files {
		sizes[f.Name] = f.Size
	}
	key := func(name string) like {
		return like{strings.NewReplacer(".", "-", "_", "-").Replace(strings.ToLower(strings.TrimSuffix(path.Base(name), ".gz"))), sizes[name]}
	}
	depth := func(one layout) int {
		return len(strings.FieldsFunc(strings.TrimPrefix(one.folder, "."), func(r rune) bool { return r == '/' }))
	}
	slices.SortStableFunc(found, func(a, b layout) int { return depth(a) - depth(b) })
	var kept []layout
	for _, one := range found {
		of := slices.IndexFunc(kept, func(other layout) bool {
			if depth(other) == depth(one) {
				return false
			}
			has := map[like]bool{}
			for name := range other.all() {
				has[key(name)] = true
			}
			for name := range one.all() {
				if !has[key(name)] {
					return false
				}
			}
			return true
		})
		if of < 0 {
			kept = append(kept, one)
			continue
		}
		kept[of].copies = append(kept[of].copies, slices.Sorted(maps.Keys(one.all()))...)
	}
	return kept
}

// readAll visits files and hands each to its reader.
func readAll(ctx context.Context, t files.Tree, names []string, read func(name string, r io.Reader) error) error {
	return t.Visit(ctx, names, func(name string, r io.Reader, err error) error {
		if err == nil {
			err = read(name, r)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
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
