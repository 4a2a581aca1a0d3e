package dataset

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

// Arrays and tables of every format, as their own writers write them (testdata/make_arrays.py), hold what those put in.
func TestArrays(t *testing.T) {
	text, err := os.ReadFile("testdata/arrays.json")
	if err != nil {
		t.Fatal(err)
	}
	var sets map[string]struct {
		Shape         []int
		Pixels, First string
		Sum           int
		Labels        []int32
		Classes       []string
	}
	if err := json.Unmarshal(text, &sets); err != nil {
		t.Fatal(err)
	}
	for ref, want := range sets {
		set, err := Open(context.Background(), filepath.Join("testdata", "arrays", filepath.FromSlash(ref)), Size{})
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if got := []int{set.Len(), set.Height, set.Width, set.Channels}; !slices.Equal(got, want.Shape) {
			t.Errorf("%s: shape %v, want %v", ref, got, want.Shape)
			continue
		}
		sum := 0
		for _, v := range set.Pixels {
			sum += int(v)
		}
		first, _ := hex.DecodeString(want.First)
		pixels, _ := hex.DecodeString(want.Pixels)
		if sum != want.Sum || !bytes.HasPrefix(set.Pixels, first) || want.Pixels != "" && !bytes.Equal(set.Pixels, pixels) {
			t.Errorf("%s: other pixels", ref)
		}
		if !slices.Equal(set.Labels, want.Labels) || !slices.Equal(set.Classes, want.Classes) {
			t.Errorf("%s: labels %v of classes %q, want %v of %q", ref, set.Labels, set.Classes, want.Labels, want.Classes)
		}
	}
}

// What would have to be guessed is refused, with what to do; what was concluded is said.
func TestArraysRefused(t *testing.T) {
	for ref, message := range map[string]string{
		"float.npy":                    "(x * 255).round().astype('uint8') if they go from 0 to 1",
		"flat.npy":                     "x.reshape(-1, HEIGHT, WIDTH)",
		"one.npy":                      "x[None]",
		"which.npy":                    "leaves open which side is the channels",
		"column-major.npy":             "np.ascontiguousarray",
		"object.npy":                   "not that of images",
		"other.mat":                    "scipy.io.loadmat",
		"cifar-c":                      "name one, as in PATH/fog.npy",
		"by-path.parquet":              "embed them",
		"text.parquet":                 "holds no column of pictures (image, with bytes) but text, n",
		"by-path.arrow":                "embed them",
		"text.arrow":                   "holds no column of pictures (image, with bytes) but image, n",
		"kaggle/sample_submission.csv": "a table of 2 columns",
	} {
		_, err := Open(context.Background(), filepath.Join("testdata", "arrays", filepath.FromSlash(ref)), Size{})
		if err == nil || !strings.Contains(err.Error(), message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", ref, err, message)
		}
	}
	set, err := Open(context.Background(), "testdata/arrays/first.npy", Size{})
	if err != nil || len(set.Contents.Warnings) != 1 || !strings.Contains(set.Contents.Warnings[0], "taken for N,C,H,W") {
		t.Errorf("channels first: %q, %v", set.Contents.Warnings, err)
	}
	images := numpyFile("|u1", []int{2, 8, 8})
	for _, labels := range [][]byte{append(numpyFile("<f4", []int{2, 3}), make([]byte, 24)...), append(numpyFile("|i1", []int{3}), 0, 1, 0)} {
		dir := asFolder(t, map[string][]byte{"x.npy": append(slices.Clone(images), make([]byte, 128)...), "y.npy": labels})
		if set, err = Open(context.Background(), dir, Size{}); err != nil || set.Labels != nil || len(set.Contents.Warnings) != 1 ||
			!strings.Contains(set.Contents.Warnings[0], "is left out: labels are whole numbers, one an image") {
			t.Errorf("labels that are none: %q, %v", set.Contents.Warnings, err)
		}
	}
	if set, err = Open(context.Background(), "testdata/arrays/gone", Size{}); err != nil || len(set.Contents.Warnings) != 1 ||
		!strings.Contains(set.Contents.Warnings[0], "2 of 3 parts are missing, such as data-00001-of-00003.arrow") {
		t.Errorf("missing parts: %q, %v", set.Contents.Warnings, err)
	}
}

// A stream that was cut short is an error, or where it was cut between two batches told of.
func TestArrowCutShort(t *testing.T) {
	whole, err := os.ReadFile("testdata/arrays/saved/train/data-00000-of-00002.arrow")
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, kept := range []int{len(whole), len(whole) - 8, len(whole) - 12, len(whole) / 2, 600, 100, 16} {
		file := write(t, "a.arrow", whole[:kept])
		set, err := Open(t.Context(), file, Size{})
		switch {
		case err != nil && (strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "damaged Arrow file")):
			t.Errorf("%d bytes: %v", kept, err)
		case err == nil && kept < len(whole):
			if told++; len(set.Contents.Warnings) != 1 || !strings.Contains(set.Contents.Warnings[0], "no end mark") {
				t.Errorf("%d bytes: warnings %q", kept, set.Contents.Warnings)
			}
		case err == nil && (set.Len() != 3 || set.Contents.Warnings != nil):
			t.Errorf("%d images, warnings %q", set.Len(), set.Contents.Warnings)
		}
	}
	if told != 1 {
		t.Errorf("%d cut files are read", told)
	}
}

// A file that is whole, and has no images or labels in it, is an error.
func TestArraysOfNothing(t *testing.T) {
	batch := zipBytes(t, map[string][]byte{"data.npy": npy("|u1", "0, 3072", nil), "labels.npy": npy("<i8", "0,", nil)})
	for what, c := range map[string]struct {
		files   map[string][]byte
		message string
	}{
		"ImageNet": {map[string][]byte{"val_data.npz": batch}, "val_data.npz: a batch without images"},
		"NumPy":    {map[string][]byte{"x.npy": npy("|u1", "0, 8, 8", nil), "y.npy": npy("|u1", "0,", nil)}, "its shape [0 8 8]"},
		"STL-10":   {map[string][]byte{"train_X.bin": make([]byte, stlPixels), "train_y.bin": nil}, "0 labels for 1 images"},
		"no STL":   {map[string][]byte{"train_X.bin": nil, "train_y.bin": nil}, "train_X.bin"},
		"table":    {map[string][]byte{"train.csv": []byte("label,pixel0,pixel1,pixel2,pixel3,pixel4,pixel5,pixel6,pixel7,pixel8,pixel9,pixel10,pixel11,pixel12,pixel13,pixel14,pixel15\n")}, "without rows"},
	} {
		if _, err := Open(t.Context(), asFolder(t, c.files), Size{}); err == nil || !strings.Contains(err.Error(), c.message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", what, err, c.message)
		}
	}
}

// An array in an archive can be named, with or without its suffix.
func TestFileInArchive(t *testing.T) {
	for _, name := range []string{"x_test", "x_test.npy"} {
		set, err := Open(context.Background(), "testdata/arrays/keras.npz/"+name, Size{})
		if err != nil || set.Len() != 3 || len(set.Labels) != 3 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(context.Background(), "testdata/arrays/keras.npz/nothing", Size{}); err == nil || !strings.Contains(err.Error(), "neither a file nor a folder nothing") {
		t.Errorf("%v", err)
	}
}

// fuzzFormat feeds single files of a format to its reader.
func fuzzFormat(f *testing.F, name string, find func(*files.Listing, string) []layout, seeds ...string) {
	for _, seed := range seeds {
		f.Add(arrayFile(f, seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { readFound(t, find, map[string][]byte{name: data}, name) })
}

func arrayFile(f *testing.F, name string) []byte {
	data, err := os.ReadFile(filepath.Join("testdata", "arrays", filepath.FromSlash(name)))
	if err != nil {
		f.Fatal(err)
	}
	return data
}

// readFound reads what a format finds among files, of which one is named, or none. What is read must be sound.
func readFound(t *testing.T, find func(*files.Listing, string) []layout, content map[string][]byte, alone string) {
	dir := t.TempDir()
	for name, data := range content {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tree := files.Tree(files.Folder(dir))
	if alone != "" {
		tree = files.Beside(filepath.Join(dir, alone), nil)
	}
	l, err := tree.List(t.Context(), func(string) bool { return true })
	if err != nil {
		return
	}
	for _, found := range find(l, alone) {
		for split, p := range found.splits {
			var set *Set
			if found.read != nil {
				if set, err = found.read(t.Context(), tree, p.files); err == nil && found.within != nil {
					set = found.within(set, split)
				}
			} else if src, openErr := found.pictures(t.Context(), tree, split); openErr == nil && src.n < 1<<16 {
				set, err = openPictures(t.Context(), src, Size{4, 4, 1}, func(int, int) {})
			} else {
				return
			}
			if err != nil {
				continue
			}
			if len(set.Pixels) != set.Len()*set.Size().Len() || set.Labels != nil && len(set.Labels) != set.Len() {
				t.Errorf("%d images of %v with %d values and %d labels", set.Len(), set.Size(), len(set.Pixels), len(set.Labels))
			}
			for _, l := range set.Labels {
				if l < 0 || int(l) >= len(set.Classes) {
					t.Errorf("label %d of %d classes", l, len(set.Classes))
				}
			}
		}
	}
}

func FuzzNumPy(f *testing.F) {
	fuzzFormat(f, "a.npy", findNumPy, "grey.npy", "first.npy", "float.npy", "object.npy", "pair/y.npy")
}

// The images of a kind of corruption and their labels are two files, each with a header of its own.
func FuzzCorrupted(f *testing.F) {
	const sides = "4, 4, 3"
	for _, n := range []int{0, 1, 2} {
		images, labels := make([]byte, 5*n*4*4*3), make([]byte, 5*n)
		f.Add(npy("|u1", fmt.Sprintf("%d, %s", 5*n, sides), images), npy("|u1", fmt.Sprintf("%d,", 5*n), labels))
	}
	f.Add(arrayFile(f, "cifar-c/fog.npy"), arrayFile(f, "cifar-c/labels.npy"))
	f.Add(npy("|u1", "7, "+sides, make([]byte, 7*4*4*3)), npy("<i8", "7,", make([]byte, 7*8)))
	f.Fuzz(func(t *testing.T, images, labels []byte) {
		readFound(t, findNumPy, map[string][]byte{"fog.npy": images, "labels.npy": labels}, "")
	})
}

func FuzzMatlab(f *testing.F) {
	fuzzFormat(f, "a.mat", findMatlab, "svhn/train_32x32.mat", "svhn/test_32x32.mat", "other.mat")
}

func FuzzParquet(f *testing.F) {
	fuzzFormat(f, "a.parquet", findParquet, "hub/data/train-00000-of-00002.parquet", "plain.parquet", "unlabelled.parquet", "text.parquet")
}

func FuzzArrow(f *testing.F) {
	fuzzFormat(f, "a.arrow", findArrow, "saved/train/data-00000-of-00002.arrow", "file-lz4.arrow", "file-zstd.arrow", "file-None.arrow", "text.arrow")
}

func FuzzTable(f *testing.F) {
	fuzzFormat(f, "a.csv", findTables, "kaggle/train.csv", "kaggle/test.csv", "kaggle/sample_submission.csv")
}

func FuzzImageNet(f *testing.F) {
	fuzzFormat(f, "val_data", findImageNet, "imagenet/train_data_batch_1", "imagenet/train_data_batch_4", "imagenet-npz/train_data_batch_1.npz")
}
