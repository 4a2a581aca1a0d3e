package dataset

import (
	"strings"
	"testing"
)

// A look tells what is there before it is used, with some of the images, evenly taken.
func TestLook(t *testing.T) {
	for _, c := range []struct {
		ref          string
		most, sheet  int
		shown        int
		lines        []string
		largest      [2]int
		images, seen int
	}{
		{caseFile("mvtec-category", "part"), 0, 4, 4, []string{"splits     train 10, test 3, defects 3", "classes    1: good 10", "left out   :test"}, [2]int{16, 16}, 10, 10},
		{caseFile("kinds-passed-over", "camera"), 0, 64, 8, []string{"7 of 8 in colour", "warning    1 file is left out: .heic"}, [2]int{16, 16}, 8, 8},
		{"mnist:test", 100, 9, 9, []string{"of which 100 were looked at", "28x28, gray", "splits     train, test"}, [2]int{28, 28}, 10000, 100},
		{"testdata/arrays/hub", 0, 2, 2, []string{"classes    3: ant 2, bee 2, cat 1", "format     Parquet"}, [2]int{8, 6}, 5, 5},
	} {
		src, err := Locate(t.Context(), c.ref)
		if err != nil {
			t.Fatal(err)
		}
		v, err := src.Look(t.Context(), c.most, c.sheet, 8)
		src.Close()
		if err != nil {
			t.Errorf("%s: %v", c.ref, err)
			continue
		}
		if v.Images != c.images || v.Looked != c.seen || len(v.Sheet) != c.shown || v.Largest != c.largest || v.Sheet[0].Height != 8 {
			t.Errorf("%s: %d of %d images, up to %v; %d shown", c.ref, v.Looked, v.Images, v.Largest, len(v.Sheet))
		}
		for _, line := range c.lines {
			if !strings.Contains(v.String(), line) {
				t.Errorf("%s: want %q in\n%s", c.ref, line, v)
			}
		}
	}
}
