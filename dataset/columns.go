package dataset

// What a table says of pictures: a CSV of the names of pictures and of what is known of each,
//
//	file,shape,x
//	cube-01.png,cube,0.25
//
// or the same in another form (rows.go), at the top of a folder or archive of pictures or beside it, where photos.csv is that of photos and
// photos.zip; or the list of CelebA, list_attr_celeba.txt, in either place. Each column becomes an attribute, an [Attribute], if it has but
// few values, and a [Number] if they are numbers. They are no labels until [Set.LabelBy] makes one of them that: folders may be classes too.
//
// Source of the list's format: Liu et al., "Deep learning face attributes in the wild" (ICCV 2015), the README of CelebA.

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/joule-ebm/joule/dataset/internal/files"
	"github.com/joule-ebm/joule/dataset/internal/imagefile"
)

const (
	celebaList     = "list_attr_celeba.txt"
	mostValues     = 1000 // different ones of an attribute
	mostColumns    = 1000
	mostColumnRows = 1 << 28
)

// Bytes of the text of a table, and of a row of one.
var mostInColumns, mostInRow int64 = 1 << 30, 16 << 20

// absolute are paths that say nothing of where the pictures are here.
var absolute = regexp.MustCompile(`^(/|[A-Za-z]:|\.\./)`)

// columns are a table, by row and column.
type columns struct {
	from   string           // the file
	names  []string         // of the columns but the first
	rows   map[string][]int // by the picture's name in the table, indices into values of each column
	stems  map[string][]int // likewise by the name without its suffix; nil where several names have one
	left   string           // what of the table is left out, in words
	twice  string           // a picture that has several rows: then they say nothing of it
	values [][]string       // of each column, the different ones
}

// utf16or8 turns the text of a table into UTF-8 by the mark that it begins with, as spreadsheets write it; without one it is taken for that.
func utf16or8() transform.Transformer { return unicode.BOMOverride(transform.Nop) }

// headInUTF8 is how the text of a table begins, by its first bytes.
func headInUTF8(head []byte) []byte {
	if text, _, err := transform.Bytes(utf16or8(), head); err == nil {
		return text
	}
	return head
}

// tableText is the text of a table, which may be compressed, in UTF-8. That it is larger than it may be, in all or in a row, is an error, and
// not its end.
type tableText struct {
	in        io.Reader
	most      int64 // bytes
	read, row int64 // bytes so far, and those of the row being read
}

// tooLarge is such an error.
type tooLarge string

func (e tooLarge) Error() string { return string(e) }

func newTableText(r io.Reader, most int64) (*tableText, error) {
	text, _, err := files.Uncompressed(r)
	return &tableText{in: transform.NewReader(text, utf16or8()), most: most}, err
}

func (t *tableText) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	t.read, t.row = t.read+int64(n), t.row+int64(n)
	switch {
	case t.read > t.most:
		return 0, tooLarge(fmt.Sprintf("a table of more than %d MiB: leave out the columns that are not needed", t.most>>20))
	case t.row > mostInRow:
		return 0, tooLarge(fmt.Sprintf("a row of more than %d KiB: want one for each picture, and the quotes closed", mostInRow>>10))
	}
	return n, err
}

// newRow begins another row.
func (t *tableText) newRow() { t.row = 0 }

// boundedRows are rows of a text.
type boundedRows struct {
	rows
	text *tableText
}

func (r boundedRows) Read() ([]string, error) {
	r.text.newRow()
	return r.rows.Read()
}

// readColumns reads a table: a CSV, or the list of CelebA.
func readColumns(name string, at where, r io.Reader) (*columns, error) {
	text, err := newTableText(r, mostInColumns)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReader(text)
	c := &columns{from: name, rows: map[string][]int{}, stems: map[string][]int{}}
	seen := []map[string]int{} // of each column, where a value is among its values
	add := func(line int, row []string) error {
		file, cells := path.Clean(strings.ReplaceAll(strings.TrimSpace(row[0]), `\`, "/")), row[1:]
		switch {
		case len(cells) != len(c.names):
			return fmt.Errorf("line %d: %d values, but there are %d columns beside the names", line, len(cells), len(c.names))
		case len(c.rows) > mostColumnRows:
			return errors.New("too many rows")
		}
		if absolute.MatchString(file) { // on another machine
			file = path.Base(file)
		}
		indices := make([]int, len(cells))
		for k, cell := range cells {
			if !utf8.ValidString(cell) {
				return fmt.Errorf("line %d: %.40q is no UTF-8: save the table as that", line, cell)
			}
			cell = strings.TrimSpace(cell)
			at, known := seen[k][cell]
			if !known {
				cell = strings.Clone(cell)
				at = len(c.values[k])
				c.values[k], seen[k][cell] = append(c.values[k], cell), at
			}
			indices[k] = at
		}
		if before, twice := c.rows[file]; twice && !slices.Equal(before, indices) && c.twice == "" {
			c.twice = fmt.Sprintf("line %d: %.60s is there twice", line, file)
		}
		file = strings.Clone(file)
		c.rows[file] = indices
		if stem := stemOfPicture(file); c.stems[stem] == nil {
			c.stems[stem] = indices
		} else if !slices.Equal(c.stems[stem], indices) {
			c.stems[stem] = []int{} // of several
		}
		return nil
	}
	heading := func(names []string) error {
		if len(names) == 0 && !isLines(name) || len(names) > mostColumns {
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
		err = readCelebA(text, heading, add)
	} else {
		table := rowsOf(name, in, false)
		err = readRows(boundedRows{table, text}, at, heading, add)
		if lines, ok := table.(*jsonRows); ok && len(lines.left) > 0 {
			c.left = fmt.Sprintf("%s: left out, as lists, objects or not in the first line: %s", name, strings.Join(slices.Sorted(maps.Keys(lines.left)), ", "))
		}
	}
	if err == nil && len(c.rows) == 0 {
		err = errors.New("a table without rows")
	}
	return c, err
}

// readRows reads the heading, or makes one, and the rows, with the name of the picture before all else.
func readRows(rows rows, at where, heading func([]string) error, add func(int, []string) error) error {
	first, err := rows.Read()
	if err != nil {
		return badTable(err)
	}
	if at.column >= len(first) {
		return errors.New("a damaged table")
	}
	index := -1 // of the rows, which pandas writes first and calls nothing
	if first[0] == "" && at.column > 0 {
		index = 0
	}
	nameFirst := func(row []string) []string {
		ordered := []string{row[at.column]}
		for k, cell := range row {
			if k != at.column && k != index {
				ordered = append(ordered, cell)
			}
		}
		return ordered
	}
	if at.headless {
		var names []string
		for k := range first {
			if k != at.column {
				names = append(names, fmt.Sprintf("column%d", k+1))
			}
		}
		if err := heading(names); err != nil {
			return err
		}
		if err := add(1, nameFirst(first)); err != nil {
			return err
		}
	} else if err := heading(nameFirst(first)[1:]); err != nil {
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
		line, _ := rows.FieldPos(0)
		if err := add(line, nameFirst(row)); err != nil {
			return err
		}
	}
}

// separator is what divides the values of a line: commas, or semicolons or tabs where there is no comma.
func separator(line []byte) rune {
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	for _, mark := range ";\t" {
		if bytes.ContainsRune(line, mark) && !bytes.ContainsRune(line, ',') {
			return mark
		}
	}
	return ','
}

// readCelebA reads the number of pictures, the names of the attributes, and a line of 1 and -1 a picture.
func readCelebA(text *tableText, heading func([]string) error, add func(int, []string) error) error {
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, int(2*mostInRow)) // so that it is the text that bounds them
	want := -1
	for at := 1; lines.Scan(); at++ {
		text.newRow()
		words := strings.Fields(lines.Text())
		var err error
		switch {
		case lines.Err() != nil: // the line is a part of one
			err = lines.Err()
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

// of is what is known of pictures, if it is known of all of them, and each has a row of its own.
func (c *columns) of(pictures []string) (attributes []Attribute, numbers []Number, warnings []string) {
	if c.twice != "" {
		return nil, nil, []string{fmt.Sprintf("%s: %s: what it says is not used", c.from, c.twice)}
	}
	rows, missing, first := make([][]int, len(pictures)), 0, ""
	of := map[*int]string{} // the picture that a row is of
	for i, name := range pictures {
		if rows[i] = c.row(name); rows[i] == nil {
			if missing++; first == "" {
				first = name
			}
			continue
		}
		if other := of[&rows[i][0]]; other != "" {
			return nil, nil, []string{fmt.Sprintf("%s: one row is of both %s and %s, so that what it says is not used: name them by their paths", c.from, other, name)}
		}
		of[&rows[i][0]] = name
	}
	if missing > 0 {
		return nil, nil, []string{fmt.Sprintf("%s has no row for %d of %d pictures, such as %s: what it says of the others is not used", c.from, missing, len(pictures), first)}
	}
	if c.left != "" {
		warnings = []string{c.left}
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

// row is that of a picture: by its path, or the end of it, at last by its name alone, with its suffix or without it.
func (c *columns) row(picture string) []int {
	for name := picture; ; {
		if row, ok := c.rows[name]; ok {
			return row
		}
		if row := c.stems[stemOfPicture(name)]; len(row) > 0 {
			return row
		}
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return nil
		}
		name = rest
	}
}

// stemOfPicture is the name of a picture without its suffix, if it has one of pictures.
func stemOfPicture(name string) string {
	if imagefile.Named(name) || imagefile.Raw(name) {
		return strings.TrimSuffix(name, path.Ext(name))
	}
	return name
}
