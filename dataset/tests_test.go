package dataset_test

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
)

// writeSquare writes a picture with a square, at a place that its number gives, and returns what a mask of it is.
func writeSquare(t *testing.T, path string, h, w, number int, on color.Color) []uint8 {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	img, mask := image.NewRGBA(image.Rect(0, 0, w, h)), make([]uint8, h*w)
	for y := range h {
		for x := range w {
			img.Set(x, y, color.Black)
			if x >= number && x < number+3 && y >= 2 && y < 5 {
				img.Set(x, y, on)
				mask[y*w+x] = 1
			}
		}
	}
	f, err := os.Create(path)
	if err == nil {
		err = png.Encode(f, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return mask
}

func TestTestPicturesOfFolders(t *testing.T) {
	for name, layout := range map[string][3]string{
		"MVTec AD":      {"%s/test/good/%03d.png", "%s/test/broken/%03d.png", "%s/ground_truth/broken/%03d_mask.png"},
		"BTAD":          {"%s/test/ok/%03d.png", "%s/test/broken/%03d.png", "%s/ground_truth/broken/%03d.png"},
		"MVTec LOCO AD": {"%s/test/good/%03d.png", "%s/test/broken/%03d.png", "%s/ground_truth/broken/%03d/000.png"},
	} {
		for _, categories := range [][]string{{"bottle"}, {"bottle", "cable"}} {
			t.Run(fmt.Sprintf("%s, %d", name, len(categories)), func(t *testing.T) {
				dir := t.TempDir()
				masks := map[string][]uint8{}
				for _, category := range categories {
					at := func(format string, n int) string {
						return filepath.Join(dir, "data", filepath.FromSlash(fmt.Sprintf(format, category, n)))
					}
					for n := range 3 {
						training := strings.ReplaceAll(layout[0], "/test/", "/train/")
						writeSquare(t, at(training, n), 10, 12, 0, color.Black)
						writeSquare(t, at(layout[0], n), 10, 12, 0, color.Gray{50})
						masks[category+fmt.Sprint(n)] = writeSquare(t, at(layout[1], n), 10, 12, n, color.Gray{200})
						writeSquare(t, at(layout[2], n), 10, 12, n, color.White)
						if name == "MVTec LOCO AD" && n != 1 { // one more mask of the same picture
							more := writeSquare(t, at(strings.Replace(layout[2], "000", "001", 1), n), 10, 12, n+3, color.Gray{7})
							for i, v := range more {
								masks[category+fmt.Sprint(n)][i] |= v
							}
						}
					}
					if err := os.Remove(at(layout[2], 1)); err != nil { // a defect whose mask nobody drew
						t.Fatal(err)
					}
				}
				source, err := dataset.Locate(t.Context(), filepath.Join(dir, "data"))
				if err != nil {
					t.Fatal(err)
				}
				defer source.Close()
				set, err := source.TestPictures(0)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(set.Defects, []string{"broken"}) || len(set.Categories) != len(categories) || set.Len() != 6*len(categories) {
					t.Fatalf("categories %q, defects %q, %d pictures", set.Categories, set.Defects, set.Len())
				}
				faulty := 0
				for p, err := range set.All(t.Context(), dataset.Size{}) {
					if err != nil {
						t.Fatal(err)
					}
					if len(categories) > 1 != slices.Contains(categories, p.Category) {
						t.Errorf("%s is of category %q", p.Name, p.Category)
					}
					if p.Defect == "" {
						if p.Mask != nil {
							t.Errorf("%s is good, and has a mask", p.Name)
						}
						continue
					}
					faulty++
					n := p.Name[len(p.Name)-len("0.png")]
					category := max(p.Category, categories[0])
					switch want := masks[category+string(n)]; {
					case n == '1' && p.Mask != nil:
						t.Errorf("%s has a mask that is not there", p.Name)
					case n != '1' && !sameMask(p.Mask, want):
						t.Errorf("%s has mask\n%v, want\n%v", p.Name, p.Mask, want)
					}
				}
				if faulty != 3*len(categories) {
					t.Errorf("%d have defects", faulty)
				}
				// Pictures and masks are brought to another size together.
				for p, err := range set.All(t.Context(), dataset.Size{Height: 20, Width: 24, Channels: 1}) {
					if err != nil {
						t.Fatal(err)
					}
					for i, v := range p.Mask {
						y, x := i/24, i%24
						if original := masks[max(p.Category, categories[0])+string(p.Name[len(p.Name)-len("0.png")])]; (v != 0) != (original[y/2*12+x/2] != 0) {
							t.Fatalf("%s: at twice the size the mask is %d at %d,%d", p.Name, v, x, y)
						}
					}
				}
				if few, err := source.TestPictures(2); err != nil || few.Len() != 4*len(categories) {
					t.Errorf("at most two of each kind: %d (%v)", few.Len(), err)
				}
			})
		}
	}
}

// Layouts without splits, VisA's and good ones beside defects and masks, have a tenth of the good ones to test with.
func TestTestPicturesWithoutSplits(t *testing.T) {
	for name, layout := range map[string][3]string{
		"VisA":              {"candle/Data/Images/Normal/%03d.png", "candle/Data/Images/Anomaly/%03d.png", "candle/Data/Masks/Anomaly/%03d.png"},
		"good beside masks": {"good/%03d.png", "Anomaly/%03d.png", "mask/Anomaly/%03d_mask.png"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			at := func(format string, n int) string {
				return filepath.Join(dir, "data", filepath.FromSlash(fmt.Sprintf(format, n)))
			}
			for n := range 20 {
				writeSquare(t, at(layout[0], n), 10, 12, 0, color.Gray{50})
			}
			var mask []uint8
			for n := range 3 {
				mask = writeSquare(t, at(layout[1], n), 10, 12, 2, color.Gray{200})
				writeSquare(t, at(layout[2], n), 10, 12, 2, color.White)
			}
			source, err := dataset.Locate(t.Context(), filepath.Join(dir, "data"))
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			if want := "left out: :test (2: every tenth good one), :defects (3: defects: the split defects), masks (3: masks)"; !strings.Contains(source.Contents.String(), want) {
				t.Errorf("%s, want %s", source.Contents, want)
			}
			set, err := source.TestPictures(0)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(set.Defects, []string{"Anomaly"}) || !slices.Equal(set.Categories, []string{""}) || set.Len() != 5 {
				t.Errorf("categories %q, defects %q, %d pictures", set.Categories, set.Defects, set.Len())
			}
			for p, err := range set.All(t.Context(), dataset.Size{}) {
				if err != nil || (p.Defect != "") != sameMask(p.Mask, mask) {
					t.Errorf("%s: defect %q, mask %v, %v", p.Name, p.Defect, p.Mask, err)
				}
			}
		})
	}
}

func sameMask(a, b []uint8) bool {
	return slices.EqualFunc(a, b, func(a, b uint8) bool { return (a != 0) == (b != 0) })
}

func TestTestPicturesOfParts(t *testing.T) {
	source, err := dataset.Locate(t.Context(), "parts:nut")
	if err != nil {
		t.Fatal(err)
	}
	set, err := source.TestPictures(2)
	if err != nil || set.Len() != 12 || len(set.Defects) != 5 {
		t.Fatalf("%+v (%v)", set, err)
	}
	kinds := map[string]int{}
	for p, err := range set.All(t.Context(), dataset.Size{Height: 48, Width: 48, Channels: 3}) {
		if err != nil || p.Height != 48 || len(p.Pixels) != 48*48*3 {
			t.Fatalf("%+v (%v)", p.Size, err)
		}
		if (p.Defect == "") != (p.Mask == nil) || p.Mask != nil && (len(p.Mask) != 48*48 || slices.Max(p.Mask) == 0) {
			t.Errorf("%s, %q: a mask of %d", p.Name, p.Defect, len(p.Mask))
		}
		kinds[p.Defect]++
	}
	if len(kinds) != 6 || kinds[""] != 2 || kinds["scratch"] != 2 {
		t.Errorf("%v", kinds)
	}
	for _, ref := range []string{"mnist", "parts:scratch", "parts:nut:scratch"} {
		source, err := dataset.Locate(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.TestPictures(0); err == nil {
			t.Errorf("%s: no error", ref)
		}
	}
}
