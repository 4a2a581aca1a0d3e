package dataset

// Parquet as Hugging Face stores images: a column of picture files, {bytes, path} or bytes alone, and one of class numbers, whose names
// are in the metadata under "huggingface". A split is one file or several, train-00000-of-00002.parquet and so on, in the order of
// their names. Source: Hugging Face, "datasets" documentation, "Create an image dataset".

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

const (
	parquetMagic = "PAR1"
	maxParquet   = 1<<31 - 1 // bytes of a file in an archive
)

var findParquet = inFolders(func(list []files.File, alone string) []layout {
	found := layout{splits: map[string]part{}}
	for _, f := range list {
		if strings.HasPrefix(string(f.Head), parquetMagic) && (alone == "" || f.Name == alone) {
			split := splitIn(f.Name)
			found.splits[split] = part{files: append(found.splits[split].files, f.Name)}
		}
	}
	if len(found.splits) == 0 {
		return nil
	}
	for split, p := range found.splits {
		if slices.Sort(p.files); split == "" && len(p.files) > 1 && !numberedAlike(p.files) {
			found.warnings = append(found.warnings, fmt.Sprintf("%d Parquet files are read as one data set: %s", len(p.files), strings.Join(p.files[:min(8, len(p.files))], ", ")))
		}
	}
	found.pictures = func(ctx context.Context, t files.Tree, split string) (*pictureSource, error) {
		return openParquet(ctx, t, found.splits[split].files)
	}
	return []layout{found}
})

// numberedAlike says whether names differ in their numbers only: the parts of one table.
func numberedAlike(names []string) bool {
	for _, name := range names {
		if number.ReplaceAllString(path.Base(name), "") != number.ReplaceAllString(path.Base(names[0]), "") {
			return false
		}
	}
	return true
}

// openParquet looks at the footers of files, which say how many pictures there are, and of which classes.
func openParquet(ctx context.Context, t files.Tree, names []string) (*pictureSource, error) {
	src := &pictureSource{}
	highest, labelled := int32(-1), true
	for _, name := range names {
		err := withParquet(ctx, t, name, func(p *parquetFile) error {
			if n := p.file.NumRows(); n < 0 || n > maxSet-int64(src.n) {
				return fmt.Errorf("damaged Parquet file: %d rows", n)
			}
			src.n += int(p.file.NumRows())
			if labelled = labelled && p.label >= 0; !labelled {
				return nil
			}
			if len(p.classes) > 0 {
				if src.classes != nil && !slices.Equal(src.classes, p.classes) {
					return errors.New("its classes are not those of the file before it")
				}
				src.classes = p.classes
				return nil
			}
			return p.labels(func(_ int, label int64) error { // their numbers have to be seen
				if label < 0 || label >= maxClasses {
					return fmt.Errorf("label %d: want class numbers from 0 to %d", label, maxClasses-1)
				}
				highest = max(highest, int32(label))
				return nil
			})
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
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
			err := withParquet(ctx, t, name, func(p *parquetFile) error {
				return p.pictures(ctx, labelled, func(row int, picture []byte, label int64) error {
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
				err = fmt.Errorf("%s: after %d rows: %w", name, at-first, err)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return src, nil
}

// parquetFile is an open file, and which of its columns matter.
type parquetFile struct {
	file    *parquet.File
	image   int // column of the picture files
	label   int // of the class numbers, -1 if there are none
	classes []string
}

// withParquet opens a file for as long as fn takes. A fault of the decoder costs the file, not the run.
func withParquet(ctx context.Context, t files.Tree, name string, fn func(*parquetFile) error) (err error) {
	r, err := files.OpenAt(ctx, t, name, maxParquet)
	if err != nil {
		return err
	}
	defer r.Close()
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("damaged Parquet file: %v", fault)
		}
	}()
	file, err := parquet.OpenFile(r, r.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("damaged Parquet file, fetch it again: %w", err)
	}
	p := &parquetFile{file: file, label: -1}
	if err := p.findColumns(); err != nil {
		return err
	}
	return fn(p)
}

// findColumns finds the columns of pictures and labels, by what the metadata say of them, or else by their names.
func (p *parquetFile) findColumns() error {
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
	if text, ok := p.file.Lookup("huggingface"); ok && json.Unmarshal([]byte(text), &hub) == nil {
		for name, raw := range hub.Info.Features {
			var f feature
			if json.Unmarshal(raw, &f) == nil { // lists of features are none of an image or a class
				features[name] = f
			}
		}
	}
	var images, labels, all []string
	columns := map[string]int{}
	for _, path := range p.file.Schema().Columns() {
		leaf, ok := p.file.Schema().Lookup(path...)
		name := strings.Join(path, ".")
		if all = append(all, name); !ok || leaf.MaxRepetitionLevel > 0 || !leaf.Node.Leaf() {
			continue
		}
		columns[name] = leaf.ColumnIndex
		switch kind := leaf.Node.Type().Kind(); {
		case kind == parquet.ByteArray && (len(path) == 2 && path[1] == "bytes" || len(path) == 1 && features[path[0]].Type == "Image" ||
			len(path) == 1 && slices.Contains([]string{"image", "img", "picture", "bytes", "image_bytes", "jpg", "jpeg", "png", "webp"}, strings.ToLower(path[0]))):
			images = append(images, name)
		case len(path) == 1 && (kind == parquet.Int32 || kind == parquet.Int64):
			labels = append(labels, name)
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
	p.image = columns[images[0]]
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
		p.label, p.classes = columns[label], features[label].Names
	}
	return nil
}

// labels calls fn for each row.
func (p *parquetFile) labels(fn func(row int, label int64) error) error {
	row := 0
	for _, group := range p.file.RowGroups() {
		values := columnValues{pages: group.ColumnChunks()[p.label].Pages()}
		defer values.close()
		for range group.NumRows() {
			v, err := values.next()
			if err != nil {
				return err
			}
			if err := fn(row, labelValue(v)); err != nil {
				return err
			}
			row++
		}
	}
	return nil
}

// pictures calls fn for each row. The picture is valid until it returns; it is nil where there is none.
func (p *parquetFile) pictures(ctx context.Context, labelled bool, fn func(row int, picture []byte, label int64) error) error {
	row := 0
	for _, group := range p.file.RowGroups() {
		images := columnValues{pages: group.ColumnChunks()[p.image].Pages()}
		defer images.close()
		var labels columnValues
		if labelled {
			labels.pages = group.ColumnChunks()[p.label].Pages()
			defer labels.close()
		}
		for range group.NumRows() {
			if err := ctx.Err(); err != nil {
				return err
			}
			image, err := images.next()
			if err != nil {
				return err
			}
			label := int64(-1)
			if labelled {
				v, err := labels.next()
				if err != nil {
					return err
				}
				label = labelValue(v)
			}
			var picture []byte
			if !image.IsNull() {
				picture = image.ByteArray()
			}
			if err := fn(row, picture, label); err != nil {
				return err
			}
			row++
		}
	}
	return nil
}

func labelValue(v parquet.Value) int64 {
	switch {
	case v.IsNull():
		return -1
	case v.Kind() == parquet.Int32:
		return int64(v.Int32())
	}
	return v.Int64()
}

// columnValues reads the values of a column, which has one a row.
type columnValues struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buffer [1]parquet.Value
}

func (c *columnValues) close() {
	c.release()
	c.pages.Close()
}

func (c *columnValues) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
}

func (c *columnValues) next() (parquet.Value, error) {
	for {
		if c.page == nil {
			page, err := c.pages.ReadPage()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				return parquet.Value{}, fmt.Errorf("damaged Parquet file, fetch it again: %w", err)
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buffer[:])
		if n == 1 {
			return c.buffer[0], nil
		}
		if err != nil && err != io.EOF {
			return parquet.Value{}, fmt.Errorf("damaged Parquet file, fetch it again: %w", err)
		}
		c.release()
	}
}
