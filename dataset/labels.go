package dataset

// Tables of pictures (columns.go) among other files, and which of their columns is that of classes. A table is known by its heading, or by a
// column that has names of the pictures, with their suffixes or without; it may have no heading. As Kaggle and others publish them:
//
//	train.csv      id,breed            labels.csv   a.jpg,cat      train/metadata.csv   file_name,label
//	               000bec18,boston                  b.jpg,dog
//
// and as lists and lines (rows.go).
//
// Where folders are no classes, a column is taken for them if it can be no other: it is called as classes are, or is the only one, or the
// columns are classes with a 1 in one of each row.

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
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
	tablesRead  = 16      // of pictures, to find one that knows them all
	tablesBegin = 1 << 12 // bytes of a table beside a folder
)

// where the names of pictures are in a table.
type where struct {
	column   int
	headless bool
}

// pictureTable is a table of pictures that was found.
type pictureTable struct {
	name string // in the tree
	where
}

var (
	// ofPictures is how the heading of a table of pictures begins.
	ofPictures = regexp.MustCompile(`(?i)^"?(?:file|files|file_?names?|image|images|image_?(?:id|name|file|path)s?|picture|pictures|path|name)"?[,;\t]`)
	// namesOfPictures are headings of the column with their names, where another column could be it.
	namesOfPictures = regexp.MustCompile(`(?i)^(ids?|uid|id_?code|fns?|img|img_?(id|name|path)|files?|file_?(id|names?|paths?)|images?|image_?(ids?|names?|files?|paths?)|paths?|names?|pictures?)$`)
	// namesOfClasses are headings of the column of classes.
	namesOfClasses = regexp.MustCompile(`(?i)^(labels?|class(es)?|class_?(names?|ids?|labels?|index)|label_?(names?|ids?|text)|cats?|category|categories|category_?(names?|ids?)|` +
		`targets?|species|breeds?|diagnosis|dx|lbl|y|tags?)$`)
	submission = regexp.MustCompile(`(?i)submission`)
)

// placeOfNames finds the names of pictures in a table, by how it begins.
func placeOfNames(name string, head []byte, known map[string]bool, whole bool) (place where, ok bool) {
	if end := bytes.LastIndexByte(head, '\n'); !whole {
		head = head[:end+1]
	}
	var rows [][]string
	for in := rowsOf(name, bufio.NewReader(bytes.NewReader(head)), true); ; {
		row, err := in.Read()
		if err != nil {
			break
		}
		if isList(name) && len(rows) > 0 && len(row) != len(rows[0]) {
			return place, false // prose
		}
		rows = append(rows, row)
	}
	best := 0
	for column := 0; len(rows) > 0 && column < len(rows[0]); column++ {
		found := 0
		for _, row := range rows[1:] {
			if column < len(row) && known[stemOfPicture(path.Base(strings.ReplaceAll(strings.TrimSpace(row[column]), `\`, "/")))] {
				found++
			}
		}
		if customary := namesOfPictures.MatchString(rows[0][column]); found > best || found == best && found > 0 && customary {
			best = found
			place = where{column, known[stemOfPicture(path.Base(rows[0][column]))]}
		}
	}
	return place, best > 0 && 2*best >= len(rows)-1 && len(rows[0]) > 1
}

// stemsOf are the names of pictures without folders and suffixes.
func stemsOf(names []string) map[string]bool {
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[stemOfPicture(path.Base(name))] = true
	}
	return known
}

// tableOfPictures says whether a file is a table of what is known of pictures, and where it has their names.
func tableOfPictures(name string, head []byte, whole bool, known func() map[string]bool) (where, bool) {
	if path.Base(name) == celebaList {
		return where{}, true
	}
	if !mayBeRows(name) || len(head) == 0 {
		return where{}, false
	}
	head = headInUTF8(head)
	if place, ok := placeOfNames(name, head, known(), whole); ok {
		return place, true
	}
	return where{}, isTable(name) && ofPictures.Match(head) || isLines(name) && linesOfPictures.Match(head)
}

// withColumns has what tables of a listing say of pictures.
func withColumns(l *files.Listing, found *layout) {
	known := stemsOfLayout(found)
	var tables []pictureTable
	for _, f := range l.Files {
		if place, ok := tableOfPictures(f.Name, f.Head, len(f.Head) < 512, known); ok {
			tables = append(tables, pictureTable{f.Name, place})
			found.extra = append(found.extra, f.Name)
		}
	}
	if len(tables) == 0 {
		return
	}
	found.know(func(ctx context.Context, t files.Tree, split string) (*columns, string, error) {
		some := tablesOf(tables, split, found.splits[split].files)
		var first *columns
		for i, table := range some {
			var c *columns
			err := readAll(ctx, t, []string{table.name}, func(name string, r io.Reader) (err error) {
				c, err = readColumns(name, table.where, r)
				return err
			})
			if err != nil {
				return nil, "", err
			}
			if first = cmp.Or(first, c); c.knowsAll(found.splits[split].files) {
				rest := 0
				for _, other := range some {
					if path.Dir(other.name) == path.Dir(table.name) {
						rest++
					}
				}
				if rest > 1 {
					return c, fmt.Sprintf("of %d tables of pictures %s is read alone", rest, table.name), nil
				}
				return c, "", nil
			}
			if i == tablesRead {
				break
			}
		}
		return first, "", nil
	})
}

// stemsOfLayout gives the names of all pictures of a layout, once they are asked for.
func stemsOfLayout(found *layout) func() map[string]bool {
	var known map[string]bool
	return func() map[string]bool {
		if known == nil {
			var names []string
			for _, p := range found.splits {
				names = append(names, p.files...)
			}
			known = stemsOf(names)
		}
		return known
	}
}

// tablesOf are the tables that may be of the pictures of a split, the likeliest first: those in a folder that the pictures lie in, the nearest
// first, and then the topmost; not those that are named after another split, nor those to be filled in.
func tablesOf(tables []pictureTable, split string, pictures []string) []pictureTable {
	above := map[string]bool{} // by the name of a table, whether its folder holds all pictures
	for _, table := range tables {
		dir := path.Dir(table.name)
		above[table.name] = dir == "." || !slices.ContainsFunc(pictures, func(p string) bool { return !strings.HasPrefix(p, dir+"/") })
	}
	depth := func(table pictureTable) int { return strings.Count(table.name, "/") }
	some := slices.Clone(tables)
	for _, unfit := range []func(pictureTable) bool{
		func(t pictureTable) bool { return submission.MatchString(path.Base(t.name)) },
		func(t pictureTable) bool {
			named := splitIn(t.name)
			return split != "" && named != "" && named != split
		},
	} {
		if kept := slices.DeleteFunc(slices.Clone(some), unfit); len(kept) > 0 {
			some = kept
		}
	}
	slices.SortStableFunc(some, func(a, b pictureTable) int {
		aboveA, aboveB := above[a.name], above[b.name]
		switch {
		case aboveA && aboveB:
			return cmp.Or(cmp.Compare(depth(b), depth(a)), strings.Compare(a.name, b.name))
		case aboveA != aboveB:
			if aboveA {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(depth(a), depth(b)), strings.Compare(a.name, b.name))
	})
	return some
}

// columnsBeside has what a table beside a folder or archive says of its pictures.
func columnsBeside(source string, found *layout) {
	if slices.ContainsFunc(found.extra, mayBeRows) {
		return // there is one within
	}
	known := stemsOfLayout(found)
	whole := filepath.Clean(source)
	stem := whole
	for ext := filepath.Ext(stem); len(ext) > 1 && len(ext) < 6 && stem != ext; ext = filepath.Ext(stem) {
		stem = strings.TrimSuffix(stem, ext) // photos.tar.gz
	}
	dir := filepath.Dir(whole)
	for _, name := range []string{whole + ".csv", stem + ".csv", stem + "_labels.csv", filepath.Join(dir, "labels.csv"), filepath.Join(dir, celebaList)} {
		f, err := files.OpenRegular(name)
		if err != nil {
			continue
		}
		head, _ := bufio.NewReaderSize(f, tablesBegin).Peek(tablesBegin)
		f.Close()
		place, ok := tableOfPictures(filepath.ToSlash(name), head, len(head) < tablesBegin, known)
		if !ok {
			continue
		}
		found.know(func(context.Context, files.Tree, string) (*columns, string, error) {
			f, err := os.Open(name)
			if err != nil {
				return nil, "", err
			}
			defer f.Close()
			c, err := readColumns(filepath.Base(name), place, f)
			if err != nil {
				return nil, "", fmt.Errorf("%s: %w", name, err)
			}
			return c, "", nil
		})
		return
	}
}

// know gives the pictures of a layout what a table says of them, and a warning.
func (l *layout) know(read func(ctx context.Context, t files.Tree, split string) (*columns, string, error)) {
	plain := l.pictures
	l.pictures = func(ctx context.Context, t files.Tree, split string) (*pictureSource, error) {
		src, err := plain(ctx, t, split)
		if err != nil {
			return nil, err
		}
		c, warning, err := read(ctx, t, split)
		if err != nil || c == nil {
			return src, err
		}
		if len(c.names) == 0 { // JSON Lines of names, and of what is no column
			if c.left != "" {
				src.warnings = append(src.warnings, c.left)
			}
			return src, nil
		}
		if train := l.splits[Train]; split != Train && split != Defects {
			if name := c.shared(l.splits[split].files, train.files); name != "" {
				src.warnings = append(src.warnings, fmt.Sprintf("%s does not say whether it means %s or a picture of :train: what it says is used for "+
					"those of :train alone", c.from, name))
				return src, nil
			}
		}
		src.attributes, src.numbers, src.warnings = c.of(l.splits[split].files)
		if warning != "" {
			src.warnings = append(src.warnings, warning)
		}
		if src.classes != nil && (len(src.classes) > 1 || !images.MatchString(src.classes[0])) || len(src.attributes) == 0 {
			return src, nil
		}
		by, text := c.classes(src.attributes, src.n)
		if src.labelled = text; by == nil {
			return src, nil
		}
		src.classes, src.byTable = by.Values, true
		visit := src.visit
		src.visit = func(ctx context.Context, fn func(encoded) error) error {
			return visit(ctx, func(p encoded) error {
				p.label = by.Labels[p.at]
				return fn(p)
			})
		}
		return src, nil
	}
}

// shared is a picture that has the same row as one of others, "" if none has.
func (c *columns) shared(pictures, others []string) string {
	of := map[*int]bool{}
	for _, name := range others {
		if row := c.row(name); row != nil {
			of[&row[0]] = true
		}
	}
	for _, name := range pictures {
		if row := c.row(name); row != nil && of[&row[0]] {
			return name
		}
	}
	return ""
}

// knowsAll says whether the table has a row for each picture.
func (c *columns) knowsAll(pictures []string) bool {
	return !slices.ContainsFunc(pictures, func(name string) bool { return c.row(name) == nil })
}

// classes are those of n pictures, by one of the columns or by all of them together, nil if that is not clear; and a few words that say so.
func (c *columns) classes(attributes []Attribute, n int) (*Attribute, string) {
	if a := oneHot(attributes); a != nil && len(attributes) == len(c.names) {
		return a, fmt.Sprintf("classes by the columns of %s, of which one is 1", c.from)
	}
	var likely []Attribute
	for _, a := range attributes {
		if namesOfClasses.MatchString(a.Name) && len(a.Values) < n {
			likely = append(likely, a)
		}
	}
	if len(likely) == 2 && alike(likely[0], likely[1]) { // numbers and names of the same
		likely = slices.DeleteFunc(likely, func(a Attribute) bool { return areNumbers(a.Values) })
		likely = likely[:min(1, len(likely))]
	}
	if only := attributes[0]; len(likely) == 0 && len(c.names) == 1 && 2*len(only.Values) <= n && (!areNumbers(only.Values) || areClassNumbers(only.Values)) {
		likely = attributes
	}
	if len(likely) == 1 && !slices.Contains(likely[0].Values, "") {
		return &likely[0], fmt.Sprintf("classes by the column %s of %s", likely[0].Name, c.from)
	}
	names := namesOf(attributes)
	few := names[:min(8, len(names))]
	if len(few) < len(names) {
		few = append(slices.Clone(few), "...")
	}
	text := fmt.Sprintf("no column of %s (%s) is taken for classes", c.from, strings.Join(few, ", "))
	if len(likely) == 1 {
		text += fmt.Sprintf(", as %s is empty for some pictures", likely[0].Name)
	}
	return nil, text + ": --attribute names one"
}

// alike says whether two attributes divide the pictures alike.
func alike(a, b Attribute) bool {
	of, back := map[int32]int32{}, map[int32]int32{}
	for i, label := range a.Labels {
		other, ok := of[label]
		if of[label] = b.Labels[i]; ok && other != b.Labels[i] {
			return false
		}
		other, ok = back[b.Labels[i]]
		if back[b.Labels[i]] = label; ok && other != label {
			return false
		}
	}
	return true
}

func areNumbers(values []string) bool {
	return !slices.ContainsFunc(values, func(v string) bool { _, err := strconv.ParseFloat(v, 64); return err != nil })
}

// areClassNumbers says whether values are whole numbers that look like those of classes.
func areClassNumbers(values []string) bool {
	var numbers []int64
	for _, v := range values {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return false
		}
		numbers = append(numbers, n)
	}
	return areClasses(numbers)
}

// oneHot is the attribute that others are together of which each picture has one that is 1, and 0 for the others; else nil.
func oneHot(attributes []Attribute) *Attribute {
	if len(attributes) < 2 {
		return nil
	}
	one := Attribute{Name: "class", Labels: make([]int32, len(attributes[0].Labels))}
	for i := range one.Labels {
		one.Labels[i] = -1
	}
	for k, a := range attributes {
		one.Values = append(one.Values, a.Name)
		set := make([]bool, len(a.Values))
		for j, v := range a.Values {
			number, err := strconv.ParseFloat(v, 64)
			if set[j] = number == 1; err != nil || number != 0 && number != 1 {
				return nil
			}
		}
		for i, label := range a.Labels {
			if set[label] {
				if one.Labels[i] >= 0 {
					return nil
				}
				one.Labels[i] = int32(k)
			}
		}
	}
	if slices.Contains(one.Labels, -1) {
		return nil
	}
	return &one
}
