package dataset

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Tables are read however they were exported, and wherever the labels are.
func TestTables(t *testing.T) {
	heading := make([]string, 16)
	for i := range heading {
		heading[i] = fmt.Sprintf("pixel%d", i)
	}
	// Of row i, the values are 16i, 16i+1, ..., and the class is i mod 3.
	text := func(sep, eol, name string, last, quoted bool) string {
		rows := []string{strings.Join(append([]string{name}, heading...), sep)}
		if last {
			rows[0] = strings.Join(append(slices.Clone(heading), name), sep)
		}
		for i := range 6 {
			var cells []string
			for k := range 16 {
				cells = append(cells, fmt.Sprint(16*i+k))
			}
			if class := fmt.Sprint(i % 3); last {
				cells = append(cells, class)
			} else {
				cells = append([]string{class}, cells...)
			}
			if quoted {
				for k := range cells {
					cells[k] = `"` + cells[k] + `"`
				}
			}
			rows = append(rows, strings.Join(cells, sep))
		}
		if name == "" {
			rows = rows[1:]
		}
		return strings.Join(rows, eol) + eol
	}
	for name, table := range map[string]string{
		"usual":                text(",", "\n", "label", false, false),
		"of Excel":             "\xef\xbb\xbf" + text(";", "\r\n", "Label", false, true),
		"in UTF-16":            utf16le(text("\t", "\r\n", "label", false, true)),
		"by tabs":              text("\t", "\n", "class", false, false),
		"with spaces":          text(", ", "\n", "target", false, false),
		"label last":           text(",", "\n", "y", true, false),
		"no heading":           text(",", "\n", "", false, false),
		"no heading, and last": text(";", "\n", "", true, false),
	} {
		set, err := readTable(strings.NewReader(table))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if set.Len() != 6 || set.Height != 4 || set.Pixels[0] != 0 || set.Pixels[95] != 95 || !slices.Equal(set.Labels, []int32{0, 1, 2, 0, 1, 2}) {
			t.Errorf("%s: %d images, %v, labels %v", name, set.Len(), set.Pixels, set.Labels)
		}
		if told := len(set.Contents.Warnings) > 0; told != (name == "no heading, and last") {
			t.Errorf("%s: warnings %q", name, set.Contents.Warnings)
		}
	}
	inUTF16 := utf16le(text(",", "\n", "label", false, false))
	if set, err := Open(t.Context(), asFolder(t, map[string][]byte{"train.csv": []byte(inUTF16)}), Size{}); err != nil || set.Len() != 6 {
		t.Errorf("a folder with a table in UTF-16: %v", err)
	}
	for table, want := range map[string]string{
		"label,a,b\n1,2,3\n":                             "a table of 3 columns",
		strings.Repeat("0.5,", 15) + "0.5\n":             `"0.5" is not a whole number`,
		strings.Repeat("300,", 15) + "300\n":             `"300" is not a whole number from 0 to 255`,
		text(",", "\n", "label", false, false) + "1,2\n": "wrong number of fields",
	} {
		if _, err := readTable(strings.NewReader(table)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", table, err, want)
		}
	}
}
