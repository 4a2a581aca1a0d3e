package dataset

// What a table says of pictures: a CSV of the names of pictures and of what is known of each,
//
//	file,shape,x
//	cube-01.png,cube,0.25
//
// at the top of a folder or archive of pictures or beside it, where photos.csv is that of photos and photos.zip; or the list of CelebA,
// list_attr_celeba.txt, in either place. Each column becomes an attribute, an [Attribute], if it has but few values, and a [Number] if they
// are numbers. They are no labels until [Set.LabelBy] makes one of them that: folders may be classes too.
//
// Source of the list's format: Liu et al., "Deep learning face attributes in the wild" (ICCV 2015), the README of CelebA.

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

const (
	celebaList     = "list_attr_celeba.txt"
	mostInColumns  = 1 << 30 // bytes of a table
	mostValues     = 1000    // different ones of an attribute
	mostColumns    = 1000
	mostColumnRows = 1 << 28
)

// ofPictures is how the heading of a table of pictures begins.
var ofPictures = regexp.MustCompile(`(?i)^(?:\x{feff})?"?(?:file|files|file_?names?|image|images|image_?(?:id|name|file|path)s?|picture|pictures|path|name)"?[,;\t]`)

// isColumns says whether a file is a table of what is known of pictures.
func isColumns(name string, head []byte) bool {
	return path.Base(name) == celebaList || isTable(name) && ofPictures.Match(head)
}

// columns are a table, by row and column.
type columns struct {
	from   string           // the file
	names  []string         // of the columns but the first
	rows   map[string][]int // by the picture's name in the table, indices into values of each column
	values [][]string       // of each column, the different ones
}

// withColumns has what tables at the top of a listing say of pictures.
func withColumns(l *files.Listing, found *layout) {
	var tables []string
	for _, f := range l.Files {
		if isColumns(f.Name, f.Head) {
			tables = append(tables, f.Name)
			found.extra = append(found.extra, f.Name)
		}
	}
	slices.SortFunc(tables, func(a, b string) int { // the topmost
		return cmp.Or(cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")), strings.Compare(a, b))
	})
	if len(tables) == 0 {
		return
	}
	if len(tables) > 1 {
		found.ofClasses = append(found.ofClasses, fmt.Sprintf("of %d tables of pictures %s is read alone", len(tables), tables[0]))
	}
	found.know(func(ctx context.Context, t files.Tree) (c *columns, err error) {
		err = readAll(ctx, t, tables[:1], func(name string, r io.Reader) (err error) {
			c, err = readColumns(name, r)
			return err
		})
		return c, err
	})
}

// columnsBeside has what a table beside a folder or archive says of its pictures.
func columnsBeside(source string, found *layout) {
	if slices.ContainsFunc(found.extra, func(name string) bool { return isColumns(name, nil) || isTable(name) }) {
		return // there is one within
	}
	whole := filepath.Clean(source)
	stem := whole
	for ext := filepath.Ext(stem); len(ext) > 1 && len(ext) < 6 && stem != ext; ext = filepath.Ext(stem) {
		stem = strings.TrimSuffix(stem, ext) // photos.tar.gz
	}
	for _, name := range []string{whole + ".csv", stem + ".csv", filepath.Join(filepath.Dir(whole), celebaList)} {
		f, err := files.OpenRegular(name)
		if err != nil {
			continue
		}
		head, _ := bufio.NewReader(f).Peek(64)
		f.Close()
		if !isColumns(filepath.ToSlash(name), head) {
			continue
		}
		found.know(func(context.Context, files.Tree) (*columns, error) {
			f, err := os.Open(name)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			c, err := readColumns(filepath.Base(name), f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return c, nil
		})
		return
	}
}

// know gives the pictures of a layout what a table says of them.
func (l *layout) know(read func(context.Context, files.Tree) (*columns, error)) {
	plain := l.pictures
	l.pictures = func(ctx context.Context, t files.Tree, split string) (*pictureSource, error) {
		src, err := plain(ctx, t, split)
		if err != nil {
			return nil, err
		}
		c, err := read(ctx, t)
		if err != nil {
			return nil, err
		}
		src.attributes, src.numbers, src.warnings = c.of(l.splits[split].files)
		return src, nil
	}
}

// readColumns reads a table: a CSV, or the list of CelebA.
func readColumns(name string, r io.Reader) (*columns, error) {
	in, _, err := files.Uncompressed(io.LimitReader(r, mostInColumns+1))
	if err != nil {
		return nil, err
	}
	c := &columns{from: name, rows: map[string][]int{}}
	seen := []map[string]int{} // of each column, where a value is among its values
	add := func(line int, row []string) error {
		file, cells := path.Clean(strings.ReplaceAll(strings.TrimSpace(row[0]), `\`, "/")), row[1:]
		switch _, twice := c.rows[file]; {
		case twice:
			return fmt.Errorf("line %d: %.60s is there twice", line, file)
		case len(cells) != len(c.names):
			return fmt.Errorf("line %d: %d values, but there are %d columns beside the names", line, len(cells), len(c.names))
		case len(c.rows) > mostColumnRows:
			return errors.New("too many rows")
		}
		indices := make([]int, len(cells))
		for k, cell := range cells {
			cell = strings.TrimSpace(cell)
			at, known := seen[k][cell]
			if !known {
				cell = strings.Clone(cell)
				at = len(c.values[k])
				c.values[k], seen[k][cell] = append(c.values[k], cell), at
			}
			indices[k] = at
		}
		c.rows[strings.Clone(file)] = indices
		return nil
	}
	heading := func(names []string) error {
		if len(names) == 0 || len(names) > mostColumns {
			return fmt.Errorf("%d columns beside the names of the pictures: want 1 to %d", len(names), mostColumns)
		}
		for _, n := range names {
			n = strings.TrimSpace(n)
			if n == "" || slices.Contains(c.names, n) {
				return fmt.Errorf("a column is called %.60q, which is empty or the name of another", n)
			}
			c.names, c.values, seen = append(c.names, strings.Clone(n)), append(c.values, nil), append(seen, map[string]int{})
		}
		return nil
	}
	if path.Base(name) == celebaList {
		err = readCelebA(in, heading, add)
	} else {
		err = readCSV(in, heading, add)
	}
	if err == nil && len(c.rows) == 0 {
		err = errors.New("a table without rows")
	}
	return c, err
}

func readCSV(in *bufio.Reader, heading func([]string) error, add func(int, []string) error) error {
	if bom, _ := in.Peek(3); string(bom) == "\xef\xbb\xbf" {
		in.Discard(3)
	}
	rows := csv.NewReader(in)
	rows.ReuseRecord = true
	line, _ := in.Peek(4096)
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	for _, comma := range ";\t" {
		if bytes.ContainsRune(line, comma) && !bytes.ContainsRune(line, ',') {
			rows.Comma = comma
		}
	}
	first, err := rows.Read()
	if err != nil {
		return badTable(err)
	}
	if err := heading(first[1:]); err != nil {
		return err
	}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return badTable(err)
		}
		at, _ := rows.FieldPos(0)
		if err := add(at, row); err != nil {
			return err
		}
	}
}

// readCelebA reads the number of pictures, the names of the attributes, and a line of 1 and -1 a picture.
func readCelebA(in *bufio.Reader, heading func([]string) error, add func(int, []string) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	want := -1
	for at := 1; lines.Scan(); at++ {
		words := strings.Fields(lines.Text())
		var err error
		switch {
		case at == 1:
			if len(words) == 1 {
				want, err = strconv.Atoi(words[0])
			}
			if err != nil || want < 0 {
				err = fmt.Errorf("line 1 is %.40q: want the number of pictures", lines.Text())
			}
		case at == 2:
			err = heading(words)
		case len(words) == 0:
		default:
			want--
			err = add(at, words)
		}
		if err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if want != 0 {
		return fmt.Errorf("%d rows fewer than the first line says: the file is cut short", want)
	}
	return nil
}

// of is what is known of pictures, if it is known of all of them.
func (c *columns) of(pictures []string) (attributes []Attribute, numbers []Number, warnings []string) {
	rows, missing, first := make([][]int, len(pictures)), 0, ""
	for i, name := range pictures {
		if rows[i] = c.row(name); rows[i] == nil {
			if missing++; first == "" {
				first = name
			}
		}
	}
	if missing > 0 {
		return nil, nil, []string{fmt.Sprintf("%s has no row for %d of %d pictures, such as %s: what it says of the others is not used", c.from, missing, len(pictures), first)}
	}
	for k, name := range c.names {
		used := map[int]bool{}
		for _, row := range rows {
			used[row[k]] = true
		}
		var values []string
		parsed, numeric := map[int]float64{}, true
		low, high := math.Inf(1), math.Inf(-1)
		for at := range used {
			values = append(values, c.values[k][at])
			v, err := strconv.ParseFloat(c.values[k][at], 64)
			numeric = numeric && err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
			parsed[at], low, high = v, min(low, v), max(high, v)
		}
		if numeric {
			n := Number{Name: name, Min: low, Max: high}
			for _, row := range rows {
				n.Values = append(n.Values, parsed[row[k]])
			}
			numbers = append(numbers, n)
		}
		if len(values) > mostValues {
			if !numeric {
				warnings = append(warnings, fmt.Sprintf("%s: the column %s has %d different values: too many for an attribute", c.from, name, len(values)))
			}
			continue
		}
		slices.SortFunc(values, func(a, b string) int {
			if numeric {
				x, _ := strconv.ParseFloat(a, 64)
				y, _ := strconv.ParseFloat(b, 64)
				return cmp.Or(cmp.Compare(x, y), strings.Compare(a, b))
			}
			return strings.Compare(a, b)
		})
		at := map[string]int32{}
		for i, v := range values {
			at[v] = int32(i)
		}
		a := Attribute{Name: name, Values: values}
		for _, row := range rows {
			a.Labels = append(a.Labels, at[c.values[k][row[k]]])
		}
		attributes = append(attributes, a)
	}
	return attributes, numbers, warnings
}

// row is that of a picture: by its path, or the end of it, at last by its name alone.
func (c *columns) row(picture string) []int {
	for name := picture; ; {
		if row, ok := c.rows[name]; ok {
			return row
		}
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return nil
		}
		name = rest
	}
}
