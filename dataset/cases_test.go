package dataset

// Situations from bug reports of neighbouring projects, each standing for its whole kind. Their inputs are in testdata/cases.

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func caseFile(parts ...string) string {
	return filepath.Join(append([]string{"testdata", "cases"}, parts...)...)
}

// readCase reads a picture of a case.
func readCase(t *testing.T, name string, want Size) (Image, error) {
	t.Helper()
	f, err := os.Open(caseFile(filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return ReadImage(f, want)
}

// meanDifference is between the values of two images.
func meanDifference(a, b []uint8) float64 {
	sum := 0
	for i, v := range a {
		sum += max(int(v)-int(b[i]), int(b[i])-int(v))
	}
	return float64(sum) / float64(len(a))
}

// Pictures that show the same are read alike, however they are stored.
func TestCasesReadAlike(t *testing.T) {
	for reference, c := range map[string]struct {
		files   []string
		allowed float64 // mean difference: of compression
	}{
		"exif-orientation/upright.png": {[]string{"stored-2.jpg", "stored-3.jpg", "stored-5.jpg", "stored-6.jpg", "stored-6.png", "stored-8.jpg"}, 4},
		"webp-lossy-range/halves.png":  {[]string{"halves.webp", "halves-lossless.webp"}, 1},
		"webp-lossy-range/stroke.png":  {[]string{"stroke.webp"}, 2},
		"jpeg-cut-short/whole.jpg":     {[]string{"no-end-mark.jpg"}, 0},
	} {
		for _, want := range []Size{{}, {16, 16, 3}, {16, 16, 1}, {9, 12, 3}} {
			ref, err := readCase(t, reference, want)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range c.files {
				img, err := readCase(t, filepath.Dir(reference)+"/"+name, want)
				if err != nil || img.Size.Height != ref.Height || img.Size.Width != ref.Width {
					t.Errorf("%s: %v of %v, %v", name, img.Size, ref.Size, err)
				} else if img.Channels == ref.Channels && meanDifference(img.Pixels, ref.Pixels) > c.allowed {
					t.Errorf("%s at %v differs from %s by %.1f", name, want, reference, meanDifference(img.Pixels, ref.Pixels))
				}
			}
		}
	}
}

// What a person should know of a picture that is read comes with it.
func TestCasesWarn(t *testing.T) {
	for name, message := range map[string]string{
		"sixteen-bit-of-twelve/twelve-of-16.png": "4080 of 65535", "sixteen-bit-of-twelve/full-16.png": "",
		"white-ink/drawing-0.png": "white", "white-ink/drawing-1.png": "white", "white-ink/drawing-2.png": "white",
		"jpeg-cut-short/no-end-mark.jpg": "no end mark", "jpeg-cut-short/whole.jpg": "",
		"rare-kinds-called-damaged/animated.webp": "",
	} {
		for _, want := range []Size{{}, {8, 8, 1}} {
			img, err := readCase(t, name, want)
			switch {
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case message == "" && len(img.Warnings) > 0, message != "" && (len(img.Warnings) != 1 || !strings.Contains(img.Warnings[0].Text, message)):
				t.Errorf("%s: warnings %q, want %q", name, img.Warnings, message)
			}
		}
	}
}

// What is not read is named for what it is.
func TestCasesRefuse(t *testing.T) {
	for name, message := range map[string]string{
		"jpeg-cut-short/half.jpg":              "ends too early",
		"rare-kinds-called-damaged/rle8.bmp":   "rare kind",
		"rare-kinds-called-damaged/16-bit.bmp": "rare kind",
		"lfs-pointers-and-web-pages/a.png":     "git lfs pull",
		"lfs-pointers-and-web-pages/b.jpg":     "web page",
		"kinds-passed-over/camera/7.heic":      "HEIC",
	} {
		_, err := readCase(t, name, Size{})
		if err == nil || !strings.Contains(err.Error(), message) || strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v, want %q", name, err, message)
		}
	}
	for name, message := range map[string]string{"set-images-idx3-ubyte.gz": "web page", "pics.zip": "web page"} {
		_, err := Open(context.Background(), caseFile("lfs-pointers-and-web-pages", name), Size{})
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v, want %q", name, err, message)
		}
	}
}

// A picture as large as telephones, scanners and cameras make them is read; a larger one is refused with the limit.
func TestPixelLimits(t *testing.T) {
	for _, c := range []struct {
		w, h    uint32
		message string
	}{{12000, 9000, "ends too early"}, {12000, 12000, "134 million"}} {
		_, err := ReadImage(bytes.NewReader(bigPNG(c.w, c.h)), Size{8, 8, 1})
		if err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%dx%d: %v, want %q", c.w, c.h, err, c.message)
		}
	}
}

// What a source holds is understood, and what is left out or doubtful is said.
func TestCasesOpen(t *testing.T) {
	pets := []string{"cat", "dog"}
	for _, c := range []struct {
		ref     string
		images  int
		classes []string // nil: not looked at
		says    string   // part of the line that tells what is taken, or of a warning
	}{
		{"mvtec-category/part", 10, []string{"good"}, "10 of train/good; left out: :test (3: another split), :defects (3: defects: the split defects), ground_truth (3: masks)"},
		{"mvtec-category/part:train", 10, []string{"good"}, ""},
		{"mvtec-category/part:test", 3, []string{"good"}, "test/good"},
		{"mvtec-category/part:defects", 3, []string{"scratch"}, "test/scratch"},
		{"split-folder-names/export", 5, nil, "5 of train/cup; left out: :test (3: another split), :val (2: another split)"},
		{"split-folder-names/export:val", 2, nil, ""},
		{"split-folder-names/export:valid", 2, nil, ""},
		{"split-folder-names/upper", 5, nil, ""},
		{"split-folder-names/upper:test", 3, nil, ""},
		{"split-folder-names/longer", 5, nil, ""},
		{"split-folder-names/longer:val", 2, nil, ""},
		{"split-folder-names/with-notes", 5, nil, "1 pictures of notes are left out"},
		{"flat-test-split/pets", 12, pets, ":test (3: another split)"},
		{"flat-test-split/pets:train", 12, pets, ""},
		{"flat-test-split/pets:test", 3, []string{}, ""},
		{"empty-class-folder/insects", 8, []string{"ant", "wasp"}, "bee holds no pictures"},
		{"idx-file-hides-pictures/mixed", 4, nil, "8 pictures, such as 0.png, are left out"},
		{"idx-file-hides-pictures/with-zips", 2, nil, "1 file is left out: .zip"},
		{"kaggle-mnist-layout/archive.zip", 30, numberedClasses(10), "train-images-idx3-ubyte/train-images-idx3-ubyte (a copy)"},
		{"kaggle-mnist-layout/archive.zip/train-images-idx3-ubyte", 30, nil, ""},
		{"kaggle-mnist-layout/archive.zip:test", 12, nil, ""},
		{"kinds-passed-over/camera", 8, nil, "1 file is left out: .heic (HEIC picture"},
		{"network-disk-litter/share", 3, nil, "pictures: 3"},
		{"lost-and-found/disk", 3, nil, ""},
		{"cifar-batch-missing/part.tar.gz", 16, nil, "data_batch_3.bin is missing"},
		{"cifar-pickled-anew/protocol-5.tar.gz", 20, nil, ""},
		{"cifar-pickled-anew/labels-as-array.tar.gz", 20, nil, ""},
		{"letters-numbered-from-1/emnist-letters-train-images-idx3-ubyte.gz", 0, nil, "1 of 27 classes have no images (0)"},
		{"letters-numbered-from-1/emnist-letters-train-images-idx3-ubyte.gz", 0, nil, "lying on their side"},
		{"stl10-and-webdataset/shard-000000.tar.gz", 4, nil, ""},
		{"tar-cut-at-a-boundary/cut.tar", 4, nil, "no end mark"},
		{"tar-hard-links/pets.tar.gz", 8, []string{"cat", "fox"}, ""},
		{"tar-xz/pics.tar.xz", 4, nil, ""},
		{"tar-xz/pics.tar.bz2", 4, nil, ""},
		{"label-with-comma/parts", 9, []string{"1", "blue", "red, big"}, `3 of "red, big"`},
		{"parquet/hub", 12, nil, "Parquet: data/train-00000-of-00001.parquet"},
		{"parquet/hub/data/train-00000-of-00001.parquet", 12, nil, ""},
		{"stl10-and-webdataset/stl10_binary.tar.gz", 2, nil, "STL-10: stl10_binary/train_X.bin"},
		{"lfs-pointers-and-web-pages/a.png", -1, nil, "git lfs pull"},
	} {
		want := Size{16, 16, 3}
		set, err := Open(context.Background(), caseFile(filepath.FromSlash(c.ref)), want)
		if c.images < 0 {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %q", c.ref, err, c.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.ref, err)
			continue
		}
		if c.images > 0 && set.Len() != c.images || len(set.Skipped) > 0 {
			t.Errorf("%s: %d images, want %d; %v", c.ref, set.Len(), c.images, set.Skipped)
		}
		if c.classes != nil && (!slices.Equal(set.Classes, c.classes) || len(c.classes) > 0 && len(set.Labels) != set.Len()) {
			t.Errorf("%s: classes %q, want %q", c.ref, set.Classes, c.classes)
		}
		said := append([]string{set.Contents.String()}, set.Contents.Warnings...)
		if !slices.ContainsFunc(said, func(line string) bool { return strings.Contains(line, c.says) }) {
			t.Errorf("%s: said %q, want %q", c.ref, said, c.says)
		}
	}
}

// The built-in set wins over a folder of the same name, and one line says so.
func TestCaseFolderNamedMNIST(t *testing.T) {
	t.Chdir(caseFile("folder-named-mnist"))
	for ref, want := range map[string]string{"mnist": "./mnist", "./mnist": ""} {
		src, err := Locate(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(src.Warnings, "\n"); (want == "") != (said == "") || !strings.Contains(said, want) {
			t.Errorf("%s: warnings %q", ref, said)
		}
		src.Close()
	}
}

// Colours that are lost are told of, and that the images are larger.
func TestCaseColourToGrey(t *testing.T) {
	lamps := caseFile("colour-to-grey", "lamps")
	for want, lost := range map[Size]string{{28, 28, 1}: "images in colour of up to 36x48 were scaled or cropped to 28x28 and turned gray", {36, 48, 3}: ""} {
		set, err := Open(t.Context(), lamps, want)
		if err != nil {
			t.Fatal(err)
		}
		if changed, less := set.Changed(); changed != lost || less != (lost != "") {
			t.Errorf("%v: %q, want %q", want, changed, lost)
		}
	}
}
