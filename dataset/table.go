package dataset

// Tables of digits, as Kaggle publishes MNIST and its relatives: values from 0 to 255 separated by commas, semicolons or tabs, an image a
// line, row by row and gray, and the number of the class: in the column "label" or another one that is not called as the pixels are. Where
// there is no heading and one value too many it is the first, or the last if that alone has the numbers of classes.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

// tableBegins is how such a table does: by a heading of pixels, or by small numbers only.
var tableBegins = regexp.MustCompile(`(?i)^"?(?:(?:label|class|target|digit|y)"?[,;\t] ?"?(?:pixel_?[01]|1x1)|pixel_?[01]"?[,;\t] ?"?pixel_?[12]|` +
	`[0-9]{1,3}[,;\t] ?[0-9]{1,3}[,;\t] ?[0-9]{1,3}[,;\t][0-9,; \t]{250,}$)`)

// pixelNamed are the headings of pixels: pixel0, px_12, 28x28, or a number.
var pixelNamed = regexp.MustCompile(`(?i)^(?:pixel|px|p|x|v)?[-_ ]?\d+(?:x\d+)?$`)

// tableSuffix is that of a table, which may be compressed.
var tableSuffix = regexp.MustCompile(`(?i)\.(csv|tsv)(\.gz|\.bz2|\.xz|\.zst)?$`)

func isTable(name string) bool { return tableSuffix.MatchString(name) }

var findTables = inFolders(func(list []files.File, alone string) []layout {
	found := layout{splits: map[string]part{}}
	for _, f := range list {
		if !isTable(f.Name) || alone != "" && f.Name != alone || alone == "" && !tableBegins.Match(bytes.ReplaceAll(headInUTF8(f.Head), []byte("\n"), nil)) {
			continue
		}
		split := splitIn(strings.TrimSuffix(f.Name, path.Ext(f.Name)) + ".csv")
		found.splits[split] = part{files: append(found.splits[split].files, f.Name)}
	}
	if len(found.splits) == 0 {
		return nil
	}
	found.read = func(ctx context.Context, t files.Tree, names []string) (set *Set, err error) {
		if len(names) > 1 {
			return nil, fmt.Errorf("holds several tables of images (%s): name one", strings.Join(names, ", "))
		}
		err = readAll(ctx, t, names, func(_ string, r io.Reader) (err error) {
			set, err = readTable(r)
			return err
		})
		return set, err
	}
	return []layout{found}
})

func readTable(r io.Reader) (*Set, error) {
	text, err := newTableText(r, math.MaxInt64) // what bounds it is the set
	if err != nil {
		return nil, err
	}
	in := bufio.NewReader(text)
	records := csv.NewReader(in)
	records.ReuseRecord = true
	head, _ := in.Peek(1 << 10)
	records.Comma = separator(head)
	rows := boundedRows{records, text}
	first, err := rows.Read()
	if err != nil {
		return nil, badTable(err)
	}
	columns := len(first)
	label := -1 // its column
	heading := slices.IndexFunc(first, func(cell string) bool { _, err := strconv.ParseFloat(cell, 64); return err != nil }) >= 0
	if heading {
		label = slices.IndexFunc(first, func(cell string) bool { return strings.EqualFold(strings.TrimSpace(cell), "label") })
		others := slices.DeleteFunc(slices.Clone(first), func(cell string) bool { return pixelNamed.MatchString(strings.TrimSpace(cell)) })
		if label < 0 && len(others) == 1 && root(columns-1) > 0 {
			label = slices.Index(first, others[0])
		}
	} else if root(columns) == 0 && root(columns-1) > 0 {
		label = 0
	}
	open := label == 0 && !heading // whether it is the first or the last
	pixels := columns
	if label >= 0 {
		pixels--
	}
	side := root(pixels)
	if side < 4 || side > maxSide {
		return nil, fmt.Errorf("a table of %d columns: want the pixels of square gray images, such as 784, and at most one column more named label", columns)
	}
	set := &Set{Height: side, Width: side, Channels: 1}
	var labels, firsts []int64
	add := func(line int, row []string) error {
		for i, cell := range row {
			v, err := strconv.Atoi(strings.TrimSpace(cell))
			if open && i == 0 {
				firsts = append(firsts, int64(v))
			}
			if i == label && !open {
				if err != nil {
					return fmt.Errorf("line %d: the label %.20q is not the number of a class", line, cell)
				}
				labels = append(labels, int64(v))
				continue
			}
			if err != nil || v < 0 || v > 255 {
				return fmt.Errorf("line %d: the value %.20q is not a whole number from 0 to 255", line, cell)
			}
			if set.Pixels = append(set.Pixels, uint8(v)); open && i == len(row)-1 {
				labels = append(labels, int64(v))
			}
		}
		if int64(len(set.Pixels)) > maxSet {
			return fmt.Errorf("more than %d GiB of images", int64(maxSet)>>30)
		}
		return nil
	}
	if !heading {
		if err := add(1, first); err != nil {
			return nil, err
		}
	}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, badTable(err)
		}
		line, _ := rows.FieldPos(0)
		if err := add(line, row); err != nil {
			return nil, err
		}
	}
	if len(set.Pixels) == 0 {
		return nil, errors.New("a table without rows")
	}
	if open { // all values have been read as pixels
		last := areClasses(labels) && !areClasses(firsts)
		if !last {
			labels = firsts
		} else {
			set.Contents.Warnings = append(set.Contents.Warnings, "the last column is taken for the labels: the first has no numbers of classes, and there is no heading")
		}
		kept := set.Pixels[:0]
		for row := range slices.Chunk(set.Pixels, columns) {
			if last {
				kept = append(kept, row[:columns-1]...)
			} else {
				kept = append(kept, row[1:]...)
			}
		}
		set.Pixels = kept
	}
	if label < 0 {
		return set, nil
	}
	return set, set.label(set.Len(), labels)
}

// areClasses says whether numbers look like those of classes: two or more, and none in between is missing.
func areClasses(numbers []int64) bool {
	seen := map[int64]bool{}
	for _, n := range numbers {
		seen[n] = true
	}
	return len(seen) > 1 && (seen[0] && slices.Max(numbers) == int64(len(seen))-1 || !seen[0] && slices.Max(numbers) == int64(len(seen)))
}

func badTable(err error) error {
	if err == io.EOF {
		return errors.New("an empty table")
	}
	if large := tooLarge(""); errors.As(err, &large) {
		return large
	}
	return fmt.Errorf("a damaged table: %w", err)
}

// root is the square root of a square number, 0 of others.
func root(n int) int {
	if r := int(math.Round(math.Sqrt(float64(max(0, n))))); r*r == n {
		return r
	}
	return 0
}
