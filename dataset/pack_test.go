package dataset

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// pack packs a source into a new folder.
func pack(t *testing.T, ref string, want Size) (file string, p *Packed) {
	t.Helper()
	src, err := Locate(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	file = filepath.Join(t.TempDir(), "set.npy")
	if p, err = src.Pack(t.Context(), file, want); err != nil {
		t.Fatal(err)
	}
	return file, p
}

// A packed set is the same, to the last value and label, read into memory or as it is used, whole and divided.
func TestPackedIsTheSame(t *testing.T) {
	defer func(before int64) { mapFrom = before }(mapFrom)
	bad := map[string][]byte{}
	for i := range 19 {
		bad["c"+string(rune('0'+i%3))+"/"+string(rune('a'+i))+".png"] = gray(uint8(10 * i))
	}
	bad["c1/bb.png"] = []byte("rubbish")
	told, table := map[string][]byte{"bb.png": []byte("rubbish")}, "file,shape,x\nbb.png,cube,7\n"
	for i := range 12 {
		name := string(rune('a'+i)) + ".png"
		told[name], table = gray(uint8(20*i)), table+fmt.Sprintf("%s,%s,%v\n", name, []string{"cube", "ball"}[i%2], float64(i)/7)
	}
	told["labels.csv"] = []byte(table)
	for ref, size := range map[string]Size{
		"testdata/arrays/hub": {}, "testdata/arrays/imagenet": {}, "testdata/arrays/svhn:test": {16, 16, 1},
		caseFile("label-with-comma", "parts"): {9, 12, 3}, caseFile("mvtec-category", "part"): {8, 8, 0}, asFolder(t, bad): {4, 4, 1}, "mnist:test": {},
		asFolder(t, told): {4, 4, 1}, "parts:test": {16, 16, 1},
	} {
		file, p := pack(t, ref, size)
		want, err := Open(t.Context(), ref, p.Size)
		if err != nil {
			t.Fatal(err)
		}
		for _, mapFrom = range []int64{1 << 40, 0} {
			got, err := Open(t.Context(), file, p.Size)
			if err != nil {
				t.Fatal(err)
			}
			if (got.file == nil) != (mapFrom > 0) {
				t.Skip("files are not mapped here")
			}
			if got.Fingerprint() != want.Fingerprint() || !slices.Equal(got.Classes, want.Classes) || p.Images != got.Len() || len(p.Names) != got.Len() ||
				len(p.Skipped) != len(want.Skipped) {
				t.Errorf("%s: %d images of %v and classes %q, packed %d of %v and %q", ref, want.Len(), want.Size(), want.Classes, got.Len(), got.Size(), got.Classes)
				continue
			}
			known := append(want.AttributeNames(), ByClass)
			for _, n := range want.Numbers {
				known = append(known, n.Name)
			}
			if got.Fingerprint(known...) != want.Fingerprint(known...) || !reflect.DeepEqual(got.Attributes, want.Attributes) ||
				!reflect.DeepEqual(got.Numbers, want.Numbers) || got.Subject != want.Subject {
				t.Errorf("%s: other attributes (%q, want %q), numbers (%d, want %d) or subject (%q, want %q)", ref, got.AttributeNames(), want.AttributeNames(),
					len(got.Numbers), len(want.Numbers), got.Subject, want.Subject)
			}
			again, _ := Open(t.Context(), ref, p.Size)
			n := 1 + got.Len()/4
			rest, held, err := got.Split(n, 3)
			wantRest, wantHeld, _ := again.Split(n, 3)
			if err != nil || rest.Fingerprint() != wantRest.Fingerprint() || held.Fingerprint() != wantHeld.Fingerprint() {
				t.Errorf("%s: divided otherwise, %v", ref, err)
			}
			if rest.InMemory().Fingerprint() != wantRest.Fingerprint() || len(rest.InMemory().Pixels) != len(wantRest.Pixels) {
				t.Errorf("%s: another copy in memory", ref)
			}
			images, labels := rest.Batch(1, 2, 5)
			wantImages, wantLabels := wantRest.Batch(1, 2, 5)
			if !slices.Equal(images, wantImages) || !slices.Equal(labels, wantLabels) {
				t.Errorf("%s: other batches", ref)
			}
		}
	}
}

// What a person should know of a source and its pictures is said as they are packed.
func TestPackWarns(t *testing.T) {
	for ref, want := range map[string]string{caseFile("sixteen-bit-of-twelve", ""): "4080 of 65535", "testdata/arrays/first.npy": "taken for N,C,H,W"} {
		src, err := Locate(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		var said []string
		_, err = src.Pack(t.Context(), filepath.Join(t.TempDir(), "set.npy"), Size{8, 8, 1}, WithWarnings(func(line string) { said = append(said, line) }))
		if err != nil || len(said) != 1 || !strings.Contains(said[0], want) {
			t.Errorf("%s: said %q, %v", ref, said, err)
		}
	}
}

func TestPackRefuses(t *testing.T) {
	folder := asFolder(t, map[string][]byte{"a.png": gray(1), "b.png": pngBytes(3, 5, color.NRGBA{9, 8, 7, 255})})
	src, err := Locate(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	there := write(t, "there.npy", nil)
	for file, message := range map[string]string{
		filepath.Join(t.TempDir(), "set.npz"): "ends in .npy", there: "there already", filepath.Join(t.TempDir(), "set.npy"): "differ in size",
		filepath.Join(t.TempDir(), "no", "set.npy"): "no such file",
	} {
		size := Size{}
		if strings.Contains(message, "no such") {
			size = Size{4, 4, 1}
		}
		if _, err := src.Pack(t.Context(), file, size); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v, want %q", file, err, message)
		}
	}
	// What is known of other images is not taken for what is known of these.
	for text, message := range map[string]string{
		`{"attributes":[{"name":"a","values":["x"],"labels":[0]}]}`:   `set.json: the attribute "a" is not that of 2 images`,
		`{"attributes":[{"name":"a","values":["x"],"labels":[0,1]}]}`: `set.json: the attribute "a" is not that of 2 images`,
		`{"numbers":[{"name":"n","values":[0]}]}`:                     `set.json: the number "n" is not that of 2 images`,
		`[]`: "set.json: not what joule data pack writes",
	} {
		dir := asFolder(t, map[string][]byte{"set.npy": append(numpyFile("|u1", []int{2, 8, 8}), make([]byte, 128)...), "set.json": []byte(text)})
		if _, err := Open(t.Context(), dir, Size{}); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v, want %q", text, err, message)
		}
	}
	// A file cut short is noticed before it is used.
	file, _ := pack(t, "testdata/arrays/hub", Size{})
	if err := os.Truncate(file, 200); err != nil {
		t.Fatal(err)
	}
	defer func(before int64) { mapFrom = before }(mapFrom)
	for _, mapFrom = range []int64{1 << 40, 0} {
		if _, err := Open(t.Context(), file, Size{}); err == nil || !strings.Contains(err.Error(), "header declares") {
			t.Errorf("cut short: %v", err)
		}
	}
}
