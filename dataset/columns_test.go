package dataset

import (
	"bytes"
	"context"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// threePictures are a gray, b white and c black, in folders or not, with other files beside them.
func threePictures(names [3]string, more map[string]string) map[string][]byte {
	tree := map[string][]byte{}
	for i, v := range []uint8{128, 255, 0} {
		tree[names[i]] = pngBytes(2, 2, color.Gray{v})
	}
	for name, text := range more {
		tree[name] = []byte(text)
	}
	return tree
}

const celeba = "3\nSmiling Young\na.png -1  1\nb.png  1  1\nc.png  1 -1\n"

// A table gives pictures attributes and numbers, wherever it lies and however it names them.
func TestColumns(t *testing.T) {
	flat, deep := [3]string{"a.png", "b.png", "c.png"}, [3]string{"img/x/a.png", "img/x/b.png", "img/y/c.png"}
	table := "file,shape,x,note\na.png,cube,0.5,one\nb.png,ball,-2,two\nc.png,cube,10,one\n"
	for name, place := range map[string]func(t *testing.T) string{
		"in the folder": func(t *testing.T) string {
			return asFolder(t, threePictures(flat, map[string]string{"labels.csv": table}))
		},
		"in a zip": func(t *testing.T) string {
			return write(t, "a.zip", zipBytes(t, threePictures(deep, map[string]string{"img/labels.csv": table})))
		},
		"in a tar": func(t *testing.T) string {
			return write(t, "a.tar", tarBytes(t, threePictures(deep, map[string]string{"labels.csv": table})))
		},
		"by semicolons and paths": func(t *testing.T) string {
			text := "\xef\xbb\xbfImage;shape;x;note\r\nimg/x/a.png;cube;0.5;one\r\nx\\b.png;ball;-2;two\r\n./img/y/c.png;cube;10;one\r\n"
			return asFolder(t, threePictures(deep, map[string]string{"all.csv": text}))
		},
		"beside the folder": func(t *testing.T) string {
			dir := asFolder(t, threePictures(flat, nil))
			if err := os.WriteFile(dir+".csv", []byte(table), 0o666); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"beside an archive": func(t *testing.T) string {
			zip := write(t, "photos.zip", zipBytes(t, threePictures(flat, nil)))
			if err := os.WriteFile(filepath.Join(filepath.Dir(zip), "photos.csv"), []byte(table), 0o666); err != nil {
				t.Fatal(err)
			}
			return zip
		},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Open(context.Background(), place(t), Size{})
			if err != nil {
				t.Fatal(err)
			}
			if len(set.Contents.Warnings) > 0 {
				t.Errorf("warnings %q", set.Contents.Warnings)
			}
			shape, err := set.AttributeNamed("shape")
			if err != nil || !slices.Equal(shape.Values, []string{"ball", "cube"}) || !slices.Equal(shape.Labels, []int32{1, 0, 1}) {
				t.Errorf("shape %+v, %v", shape, err)
			}
			if x := set.Numbers; len(x) != 1 || x[0].Name != "x" || x[0].Min != -2 || x[0].Max != 10 || !slices.Equal(x[0].Values, []float64{0.5, -2, 10}) {
				t.Errorf("numbers %+v", x)
			}
			if x, err := set.AttributeNamed("x"); err != nil || !slices.Equal(x.Values, []string{"-2", "0.5", "10"}) {
				t.Errorf("x by its values %+v, %v", x, err)
			}
		})
	}
}

// The list of CelebA labels pictures by any of its attributes, and combinations of them can be left out.
func TestCelebA(t *testing.T) {
	flat := [3]string{"img_align_celeba/a.png", "img_align_celeba/b.png", "img_align_celeba/c.png"}
	root := asFolder(t, threePictures(flat, map[string]string{"list_attr_celeba.txt": celeba}))
	for _, ref := range []string{root, filepath.Join(root, "img_align_celeba")} {
		set, err := Open(context.Background(), ref, Size{}, WithLabel("Smiling"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(set.Classes, []string{"-1", "1"}) || !slices.Equal(set.Labels, []int32{0, 1, 1}) || len(set.Attributes) != 2 {
			t.Errorf("%s: classes %q, labels %d", ref, set.Classes, set.Labels)
		}
		without, err := ParseCombinations("Smiling=1&Young=1")
		if err != nil {
			t.Fatal(err)
		}
		set, err = Open(context.Background(), ref, Size{}, WithLabel("Young"), WithoutCombinations(without))
		if err != nil || !slices.Equal(set.Labels, []int32{1, 0}) || set.Len() != 2 || set.Pixels[0] != 128 || set.Image(1)[0] != 0 {
			t.Errorf("%s without the smiling young one: labels %v, %v", ref, set.Labels, err)
		}
	}
	if _, err := Open(context.Background(), root, Size{}, WithLabel("Bald")); err == nil || !strings.Contains(err.Error(), "the images have Smiling, Young") {
		t.Errorf("an attribute that is not there: %v", err)
	}
}

// A picture that cannot be read takes its row with it.
func TestColumnsOfUnreadablePictures(t *testing.T) {
	files, table := map[string][]byte{}, "file,k\n"
	for i := range 20 {
		name := string(rune('a'+i)) + ".png"
		files[name], table = pngBytes(2, 2, color.Gray{uint8(i)}), table+name+","+string(rune('a'+i))+"\n"
	}
	files["c.png"], files["k.csv"] = []byte("broken"), []byte(table)
	set, err := Open(context.Background(), asFolder(t, files), Size{}, WithLabel("k"))
	if err != nil || set.Len() != 19 || set.Classes[set.Labels[2]] != "d" || set.Image(2)[0] != 3 {
		t.Errorf("%+v, %v", set, err)
	}
}

// A set keeps what is known of its images when it is divided.
func TestSplitKeepsAttributes(t *testing.T) {
	set := numbered(50)
	a, n := Attribute{Name: "a", Values: []string{"x", "y"}}, Number{Name: "n"}
	for i := range 50 {
		a.Labels, n.Values = append(a.Labels, int32(set.Image(i)[0]%2)), append(n.Values, float64(set.Image(i)[0]))
	}
	set.Attributes, set.Numbers = []Attribute{a}, []Number{n}
	if err := set.LabelBy("a"); err != nil {
		t.Fatal(err)
	}
	rest, held, err := set.Split(20, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []*Set{rest, held} {
		for i := range part.Len() {
			v := part.Image(i)[0]
			if part.Labels[i] != int32(v%2) || part.Attributes[0].Labels[i] != int32(v%2) || part.Numbers[0].Values[i] != float64(v) {
				t.Fatalf("image %d, %d, has label %d, attribute %d, number %v", i, v, part.Labels[i], part.Attributes[0].Labels[i], part.Numbers[0].Values[i])
			}
		}
		if len(part.Attributes[0].Labels) != part.Len() || len(part.Numbers[0].Values) != part.Len() {
			t.Errorf("%d images, %d attributes, %d numbers", part.Len(), len(part.Attributes[0].Labels), len(part.Numbers[0].Values))
		}
	}
}

func TestColumnsMistakes(t *testing.T) {
	flat := [3]string{"a.png", "b.png", "c.png"}
	for text, words := range map[string]string{
		"file,k\na.png,1,2\n":   "damaged table",
		"file,k,k\na.png,1,2\n": `a column is called "k"`,
		"file,\na.png,1\n":      `a column is called ""`,
		"file,k\n":              "without rows",
		"file,k\na.png,\"1\n":   "damaged table",
	} {
		_, err := Open(context.Background(), asFolder(t, threePictures(flat, map[string]string{"k.csv": text})), Size{})
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "k.csv") {
			t.Errorf("%q: %v, want %q", text, err, words)
		}
	}
	for text, words := range map[string]string{
		`{"file_name": "a.png", "k": 1}` + "\n{":     "line 2: ",
		`{"file_name": "a.png", "k": 1}` + "\n7":     "line 2: ",
		`{"file_name": "a.png", "k": 1}` + "\n{} {}": "line 2: more than one value",
	} {
		_, err := Open(context.Background(), asFolder(t, threePictures(flat, map[string]string{"k.jsonl": text})), Size{})
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "k.jsonl") {
			t.Errorf("%q: %v, want %q", text, err, words)
		}
	}
	for text, words := range map[string]string{
		"x\nA\na.png 1\n":   "line 1",
		"2\nA\na.png 1\n":   "cut short",
		"1\nA B\na.png 1\n": "line 3: 1 values",
		"1\n\na.png\n":      "0 columns",
	} {
		_, err := Open(context.Background(), asFolder(t, threePictures(flat, map[string]string{celebaList: text})), Size{})
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want %q", text, err, words)
		}
	}
	set, err := Open(context.Background(), asFolder(t, threePictures(flat, map[string]string{"k.csv": "file,k\na.png,1\n"})), Size{})
	if err != nil || set.Attributes != nil || !slices.ContainsFunc(set.Contents.Warnings, func(w string) bool {
		return strings.Contains(w, "no row for 2 of 3 pictures, such as b.png")
	}) {
		t.Errorf("a table of some: %+v, %v", set, err)
	}
}

// A table that is too large, compressed or not, is that, and not damaged or cut short; a row has a bound of its own.
func TestTablesTooLarge(t *testing.T) {
	defer func(all, row int64) { mostInColumns, mostInRow = all, row }(mostInColumns, mostInRow)
	const megabyte, row = 1 << 20, 200 << 10
	mostInRow = 100 << 10
	many := func(row string) string { return strings.Repeat(row, megabyte/len(row)+1) }
	flat := [3]string{"a.png", "b.png", "c.png"}
	digits := "label,pixel0,pixel1,pixel2,pixel3,pixel4,pixel5,pixel6,pixel7,pixel8,pixel9,pixel10,pixel11,pixel12,pixel13,pixel14,pixel15\n"
	for what, c := range map[string]struct {
		name, text string
		most       int64
		words      string
	}{
		"CSV":           {"k.csv", "file,k\na.png,1\n" + many("other.png,1\n"), megabyte, "k.csv: a table of more than 1 MiB"},
		"JSON Lines":    {"k.jsonl", many(`{"file_name":"a.png","k":1}` + "\n"), megabyte, "k.jsonl: a table of more than 1 MiB"},
		"CelebA":        {celebaList, "1\nA\n" + many("a.png 1\n"), megabyte, "a table of more than 1 MiB"},
		"a row of CSV":  {"k.csv", "file,k\na.png,1\nb.png" + strings.Repeat(",1", row/2) + "\n", 2 * megabyte, "k.csv: a row of more than 100 KiB"},
		"quotes":        {"k.csv", "file,k\na.png,\"1" + strings.Repeat("\n", row), 2 * megabyte, "k.csv: a row of more than 100 KiB"},
		"a row of JSON": {"k.jsonl", `{"file_name":"a.png","k":1}` + "\n" + strings.Repeat(" ", row), 2 * megabyte, "k.jsonl: a row of more than 100 KiB"},
		"a row of it":   {celebaList, "1\nA\n" + strings.Repeat(" ", row), 2 * megabyte, "a row of more than 100 KiB"},
		"digits":        {"digits.csv", digits + "1" + strings.Repeat(",1", row/2) + "\n", 0, "digits.csv: a row of more than 100 KiB"},
		"quoted digits": {"digits.csv", digits + "\"1" + strings.Repeat("\n", row), 0, "digits.csv: a row of more than 100 KiB"},
	} {
		mostInColumns = c.most
		for _, text := range []string{c.text, string(gzipBytes([]byte(c.text)))} {
			source := write(t, c.name, []byte(text))
			if c.most > 0 {
				source = asFolder(t, threePictures(flat, map[string]string{c.name: text}))
			}
			if _, err := Open(t.Context(), source, Size{}); err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "damaged") {
				t.Errorf("%s: %v, want %q", what, err, c.words)
			}
		}
	}
}

// A table of digits that begins with a byte order mark is one too.
func TestTableWithByteOrderMark(t *testing.T) {
	text := "\xef\xbb\xbflabel"
	for range 16 {
		text += ",pixel" + string(rune('0'+strings.Count(text, "pixel")%10))
	}
	set, err := Open(context.Background(), write(t, "digits.csv", []byte(text+"\n3"+strings.Repeat(",7", 16)+"\n")), Size{})
	if err != nil || set.Len() != 1 || set.Height != 4 || set.Labels[0] != 3 {
		t.Errorf("%+v, %v", set, err)
	}
}

// Tables of pictures, whatever is in them, give attributes and numbers of all pictures or none.
func FuzzColumns(f *testing.F) {
	for name, text := range map[string]string{"k.csv": "file,k\na.png,1\nb.png,2\nc.png,x\n", "k.txt": "# of\na.png  1\nb.png 2\nc.png 3\n",
		"k.jsonl": `{"file_name": "a.png", "k": [1]}` + "\n" + `{"file_name": "b.png", "k": null, "l": true}`, ".jsonl": `{"file_name": [0]}`, celebaList: celeba} {
		f.Add(name, []byte(text))
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		known := func() map[string]bool { return stemsOf([]string{"a.png", "b.png", "c.png"}) }
		place, ok := tableOfPictures(name, text[:min(len(text), 512)], len(text) < 512, known)
		if !ok {
			return
		}
		c, err := readColumns(name, place, bytes.NewReader(text))
		if err != nil || len(c.names) == 0 {
			return
		}
		attributes, numbers, _ := c.of([]string{"a.png", "b.png", "c.png"})
		for _, a := range attributes {
			if len(a.Labels) != 3 {
				t.Errorf("attribute %+v", a)
			}
		}
		for _, n := range numbers {
			if len(n.Values) != 3 {
				t.Errorf("number %+v", n)
			}
		}
	})
}
