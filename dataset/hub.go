package dataset

// Tables as Hugging Face stores images, whatever their format: a column of picture files, {bytes, path} or bytes alone, and one of class
// numbers, whose names are in the metadata under "huggingface". A split is one file or several, train-00000-of-00002 and so on, in the
// order of their names, or the files of a folder train. Source: Hugging Face, "datasets" documentation, "Create an image dataset".

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

// hubTable is an open file of such a table. Its columns are known by indices of its own.
type hubTable interface {
	// columns are those that may hold pictures or labels, and the names of all.
	columns() (some []hubColumn, all []string)
	metadata() string
	warning() string // what is doubtful about the file; empty if nothing is
	rows(ctx context.Context) (int64, error)
	// labels calls fn for the number in each row, noLabel where there is none.
	labels(ctx context.Context, column int, fn func(label int64) error) error
	// pictures calls fn for each row. The picture is valid until it returns; it is nil where there is none. Without labels (column -1) they are noLabel.
	pictures(ctx context.Context, column, label int, fn func(row int, picture []byte, label int64) error) error
}

// noLabel is what stands in a column of class numbers where the class is not known.
const noLabel = -1

// hubColumn is a column that may matter.
type hubColumn struct {
	path    []string
	index   int
	numbers bool // whole ones; if not, bytes
}

// openHub opens a file of a table for as long as fn takes.
type openHub func(ctx context.Context, t files.Tree, name string, fn func(hubTable) error) error

// findHub finds the tables of a format among files.
func findHub(format string, is func(f files.File) bool, open openHub) func(l *files.Listing, alone string) []layout {
	return func(l *files.Listing, alone string) (all []layout) {
		folders := map[string]map[string]part{}
		for _, f := range l.Files {
			if alone != "" && f.Name != alone || !is(f) {
				continue
			}
			folder, split := path.Dir(f.Name), splitIn(f.Name)
			if named := splitNamed(path.Base(folder)); split == "" && named != "" {
				folder, split = path.Dir(folder), named
			}
			if folders[folder] == nil {
				folders[folder] = map[string]part{}
			}
			folders[folder][split] = part{files: append(folders[folder][split].files, f.Name)}
		}
		for _, folder := range slices.Sorted(maps.Keys(folders)) {
			found := layout{folder: folder, splits: folders[folder]}
			for split, p := range found.splits {
				if slices.Sort(p.files); split == "" && len(p.files) > 1 && !numberedAlike(p.files) {
					found.warnings = append(found.warnings, fmt.Sprintf("%d %s files are read as one data set: %s", len(p.files), format,
						strings.Join(p.files[:min(8, len(p.files))], ", ")))
				}
				if gone, of := missingParts(p.files); alone == "" && len(gone) > 0 {
					found.warnings = append(found.warnings, fmt.Sprintf("%d of %d parts are missing, such as %s: fetch the data again if there should be all",
						len(gone), of, gone[0]))
				}
			}
			found.pictures = func(ctx context.Context, t files.Tree, split string) (*pictureSource, error) {
				return openTables(ctx, t, found.splits[split].files, open)
			}
			all = append(all, found)
		}
		return all
	}
}

// numberedAlike says whether names differ in their numbers only: the parts of one table.
func numberedAlike(names []string) bool {
	for _, name := range names {
		if number.ReplaceAllString(path.Base(name), "") != number.ReplaceAllString(path.Base(names[0]), "") {
			return false
		}
	}
	return true
}

var partOf = regexp.MustCompile(`^(.*-)(\d{1,6})-of-(\d{1,6})(\..*)$`)

// missingParts are the parts of a table that are not there, of so many that there should be, as the names of the others tell.
func missingParts(names []string) (gone []string, of int) {
	if m := partOf.FindStringSubmatch(names[0]); m != nil {
		of, _ = strconv.Atoi(m[3])
		for i := range of {
			if name := fmt.Sprintf("%s%0*d-of-%s%s", m[1], len(m[2]), i, m[3], m[4]); !slices.Contains(names, name) {
				gone = append(gone, name)
			}
		}
	}
	return gone, of
}

// hubFile is a table of which it is known which columns matter.
type hubFile struct {
	hubTable
	image, label int // columns; no label is -1
	classes      []string
}

// openFile opens a file of a table and finds its columns.
func openFile(ctx context.Context, t files.Tree, name string, open openHub, fn func(hubFile) error) error {
	err := open(ctx, t, name, func(table hubTable) error {
		f := hubFile{hubTable: table, label: -1}
		if err := f.findColumns(); err != nil {
			return err
		}
		return fn(f)
	})
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// openTables looks how many pictures there are in files, and of which classes.
func openTables(ctx context.Context, t files.Tree, names []string, open openHub) (*pictureSource, error) {
	src := &pictureSource{}
	highest, labelled, unknown := int32(-1), true, 0
	for _, name := range names {
		err := openFile(ctx, t, name, open, func(f hubFile) error {
			n, err := f.rows(ctx)
			if err != nil {
				return err
			}
			if n < 0 || n > maxSet-int64(src.n) {
				return fmt.Errorf("damaged: %d rows", n)
			}
			src.n += int(n)
			if w := f.warning(); w != "" {
				src.warnings = append(src.warnings, name+": "+w)
			}
			if labelled = labelled && f.label >= 0; !labelled {
				return nil
			}
			if src.classes != nil && f.classes != nil && !slices.Equal(src.classes, f.classes) {
				return errors.New("its classes are not those of the file before it")
			}
			src.classes = f.classes
			return f.labels(ctx, f.label, func(label int64) error {
				switch {
				case label == noLabel:
					unknown++
				case label < 0 || label >= maxClasses || f.classes != nil && label >= int64(len(f.classes)):
					return fmt.Errorf("label %d names no class: want one of %d", label, cmp.Or(len(f.classes), maxClasses))
				default:
					highest = max(highest, int32(label))
				}
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	if labelled && unknown > 0 {
		labelled = false
		src.warnings = append(src.warnings, fmt.Sprintf("%d of %d rows have no label (null or %d): no picture has a class", unknown, src.n, noLabel))
	}
	switch {
	case src.n == 0:
		return nil, errors.New("holds no rows")
	case !labelled:
		src.classes = nil
	case src.classes == nil:
		src.classes = numberedClasses(int(highest) + 1)
	}
	src.visit = func(ctx context.Context, fn func(encoded) error) error {
		at := 0
		for _, name := range names {
			first := at
			err := openFile(ctx, t, name, open, func(f hubFile) error {
				if !labelled {
					f.label = -1
				}
				return f.pictures(ctx, f.image, f.label, func(row int, picture []byte, label int64) error {
					one := encoded{at: at, name: fmt.Sprintf("%s[%d]", name, row), label: int32(label), r: bytes.NewReader(picture)}
					switch {
					case at >= src.n:
						return errors.New("it has changed while it was read: open it again")
					case picture == nil:
						one.err = errors.New("the row has no picture's bytes: embed them, such as by dataset.to_parquet, or give the folder of pictures")
					case labelled && (label < 0 || label >= int64(len(src.classes))):
						one.err = fmt.Errorf("label %d names no class", label)
					}
					at++
					return fn(one)
				})
			})
			if err != nil && ctx.Err() == nil {
				err = fmt.Errorf("%w (after %d rows)", err, at-first)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return src, nil
}

// pictureColumns are the names of columns that hold pictures as bytes, where the metadata do not say.
var pictureColumns = []string{"image", "img", "picture", "bytes", "image_bytes", "jpg", "jpeg", "png", "webp"}

// findColumns finds the columns of pictures and labels, by what the metadata say of them, or else by their names.
func (f *hubFile) findColumns() error {
	var hub struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	type feature struct {
		Type  string   `json:"_type"`
		Names []string `json:"names"`
	}
	features := map[string]feature{}
	if json.Unmarshal([]byte(f.metadata()), &hub) == nil {
		for name, raw := range hub.Info.Features {
			var one feature
			if json.Unmarshal(raw, &one) == nil { // lists of features are none of an image or a class
				features[name] = one
			}
		}
	}
	var images, labels []string
	indices := map[string]int{}
	some, all := f.columns()
	for _, c := range some {
		top, name := c.path[0], strings.Join(c.path, ".")
		switch indices[name] = c.index; {
		case c.numbers && len(c.path) == 1:
			labels = append(labels, name)
		case c.numbers:
		case len(c.path) == 2 && c.path[1] == "bytes",
			len(c.path) == 1 && (features[top].Type == "Image" || slices.Contains(pictureColumns, strings.ToLower(top))):
			images = append(images, name)
		}
	}
	if len(images) == 0 {
		return fmt.Errorf("holds no column of pictures (image, with bytes) but %s", strings.Join(all[:min(20, len(all))], ", "))
	}
	if len(images) > 1 {
		declared := slices.DeleteFunc(slices.Clone(images), func(name string) bool {
			top, _, _ := strings.Cut(name, ".")
			return features[top].Type != "Image"
		})
		if len(declared) != 1 {
			return fmt.Errorf("holds several columns of pictures (%s): keep one of them, such as by dataset.select_columns", strings.Join(images, ", "))
		}
		images = declared
	}
	f.image = indices[images[0]]
	label := ""
	for _, name := range []string{"label", "labels", "fine_label", "target", "class", "y"} {
		if label == "" && slices.Contains(labels, name) {
			label = name
		}
	}
	for _, name := range labels {
		if features[name].Type == "ClassLabel" && (label == "" || features[label].Type != "ClassLabel") {
			label = name
		}
	}
	if label != "" {
		f.label, f.classes = indices[label], features[label].Names
	}
	return nil
}
