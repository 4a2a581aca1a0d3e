package dataset

// Rows of tables of what is known of pictures, however they are written:
//
//	labels.csv  file,label     list.txt  a.jpg 0     metadata.jsonl  {"file_name": "a.jpg", "label": "cat"}
//	            a.jpg,cat                b.jpg 1                     {"file_name": "b.jpg", "label": "dog"}
//
// Lists by spaces have no heading and may have lines of comments, as those of ImageNet, CelebA's identities and the Oxford pets have. JSON Lines
// are what Hugging Face has beside pictures; the columns of the first line are the table's.
//
// Source: https://huggingface.co/docs/datasets/image_dataset, https://jsonlines.org.

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
)

var (
	isList  = regexp.MustCompile(`(?i)\.txt$`).MatchString
	isLines = regexp.MustCompile(`(?i)\.(jsonl|ndjson)(\.gz|\.bz2|\.xz|\.zst)?$`).MatchString
	// fileName is the key of the name of a picture, and linesOfPictures how lines begin that have one.
	fileName        = regexp.MustCompile(`(?i)^(\w+_)?file_?name$`)
	linesOfPictures = regexp.MustCompile(`(?i)^\s*\{.*"(\w+_)?file_?name"\s*:`)
)

// mayBeRows says whether a file is called as one of these.
func mayBeRows(name string) bool { return isTable(name) || isList(name) || isLines(name) }

// rows are those of a table, the heading first, if it has one.
type rows interface {
	// Read gives the next, which the one after that may overwrite; io.EOF at the end.
	Read() ([]string, error)
	// FieldPos is where a field of that row is.
	FieldPos(field int) (line, column int)
}

// rowsOf reads the table of that name. Rows of other lengths than the first are errors, unless they are allowed.
func rowsOf(name string, in *bufio.Reader, ragged bool) rows {
	if isLines(name) {
		return &jsonRows{in: in, left: map[string]bool{}}
	}
	r := csv.NewReader(in)
	r.ReuseRecord = !ragged
	if ragged {
		r.FieldsPerRecord = -1
	}
	line, _ := in.Peek(4096)
	if r.Comma = separator(line); isList(name) {
		r.Comment = '#'
		if !bytes.ContainsAny(line, ",;\t") {
			r.Comma, r.TrimLeadingSpace = ' ', true
		}
	}
	return r
}

// jsonRows are lines of JSON, an object a picture. The heading is the keys of the first, the name of the picture before the others.
type jsonRows struct {
	in    *bufio.Reader
	line  int
	keys  []string
	first []string        // the row of the first line, once the heading has been read
	left  map[string]bool // keys that are no columns: of lists and objects, or not in the first line
}

func (r *jsonRows) FieldPos(int) (line, column int) { return r.line, 1 }

func (r *jsonRows) Read() ([]string, error) {
	if row := r.first; row != nil {
		r.first = nil
		return row, nil
	}
	var text []byte
	for len(bytes.TrimSpace(text)) == 0 {
		var err error
		if text, err = r.in.ReadBytes('\n'); err != nil && (err != io.EOF || len(text) == 0) {
			return nil, err
		}
		r.line++
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	var object map[string]any
	err := in.Decode(&object)
	if err == nil && in.More() {
		err = errors.New("more than one value")
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", r.line, err)
	}
	cells := map[string]string{}
	for key, value := range object {
		switch value.(type) {
		case nil:
			cells[key] = ""
		case []any, map[string]any:
			r.left[key] = true
		default:
			cells[key] = fmt.Sprint(value)
		}
	}
	heading := r.keys == nil
	if heading {
		r.keys = slices.Sorted(maps.Keys(cells))
		if i := slices.IndexFunc(r.keys, fileName.MatchString); i > 0 {
			r.keys[0], r.keys[i] = r.keys[i], r.keys[0]
		}
	}
	row := make([]string, len(r.keys))
	for i, key := range r.keys {
		row[i] = cells[key]
		delete(cells, key)
	}
	for key := range cells {
		r.left[key] = true
	}
	if heading {
		r.first = row
		return slices.Clone(r.keys), nil
	}
	return row, nil
}
