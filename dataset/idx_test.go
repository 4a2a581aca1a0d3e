package dataset

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestIDXFiles(t *testing.T) {
	images := idxBytes([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 2, 2, 3)
	colour := idxBytes([]byte{1, 2, 3, 4, 5, 6}, 2, 1, 1, 3)
	labels := idxBytes([]byte{0, 2}, 2)
	for _, c := range []struct {
		name   string
		files  map[string][]byte
		ref    string // within the folder
		size   Size
		labels []int32
	}{
		{"file", map[string][]byte{"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels}, "/train-images-idx3-ubyte", Size{2, 3, 1}, []int32{0, 2}},
		{"gzipped labels", map[string][]byte{"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte.gz": gzipBytes(labels)}, "/train-images-idx3-ubyte", Size{2, 3, 1}, []int32{0, 2}},
		{"dots", map[string][]byte{"t10k-images.idx3-ubyte": images, "t10k-labels.idx1-ubyte": labels}, "/t10k-images.idx3-ubyte", Size{2, 3, 1}, []int32{0, 2}},
		{"no labels", map[string][]byte{"x": images}, "/x", Size{2, 3, 1}, nil},
		{"colour", map[string][]byte{"images-idx4-ubyte": colour}, "", Size{1, 1, 3}, nil},
		{"folder, default split", map[string][]byte{
			"raw/train-images-idx3-ubyte.gz": gzipBytes(images), "raw/train-labels-idx1-ubyte.gz": gzipBytes(labels),
			"raw/train-images-idx3-ubyte": images, "raw/t10k-images-idx3-ubyte": colour}, "", Size{2, 3, 1}, []int32{0, 2}},
		{"folder, test", map[string][]byte{
			"train-images-idx3-ubyte": images, "t10k-images-idx3-ubyte.gz": gzipBytes(colour)}, ":test", Size{1, 1, 3}, nil},
	} {
		set, err := Open(context.Background(), asFolder(t, c.files)+c.ref, Size{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if set.Size() != c.size || set.Len() != 2 || !slices.Equal(set.Labels, c.labels) || set.Image(1)[0] != uint8(c.size.Len()+1) {
			t.Errorf("%s: %d images of %v, labels %v", c.name, set.Len(), set.Size(), set.Labels)
		}
	}
}

func TestIDXRefuses(t *testing.T) {
	good := idxBytes(make([]byte, 12), 3, 2, 2)
	for _, c := range []struct {
		name, message string
		data          []byte
	}{
		{"header only in part", "cut short", good[:9]},
		{"too short", "ends after 11 of the 12", good[:len(good)-1]},
		{"too long", "more than the 12", append(slices.Clone(good), 0)},
		{"no images", "empty array", idxBytes(nil, 0, 28, 28)},
		{"absurd count", "declares more than", idxBytes(nil, 1<<32-1, 1<<32-1, 1<<32-1)},
		{"absurd count that could be", "ends after 0", idxBytes(nil, 2_000_000, 28, 28)},
		{"absurd shape", "not those of images", idxBytes(make([]byte, 20000), 1, 1, 20000)},
		{"labels", "not those of images", idxBytes(make([]byte, 10), 10)},
		{"floats", "only unsigned bytes", append([]byte{0, 0, 0x0d, 1}, good[4:]...)},
		{"truncated gzip", "fetch the file again", gzipBytes(good)[:20]},
		{"damaged gzip", "checksum", flip(gzipBytes(good), -6)},
		{"bomb", "more than the 12", gzipBytes(append(slices.Clone(good), make([]byte, 100<<20)...))},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open(context.Background(), write(t, "images-idx3-ubyte", c.data), Size{})
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.message) || !strings.Contains(err.Error(), "images-idx3-ubyte") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line naming the file with %q", c.name, err, c.message)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%s: allocated %d MiB", c.name, used>>20)
		}
	}
	mismatched := asFolder(t, map[string][]byte{"images-idx3-ubyte": good, "labels-idx1-ubyte": idxBytes([]byte{1}, 1)})
	if _, err := Open(context.Background(), mismatched, Size{}); err == nil || !strings.Contains(err.Error(), "do not belong together") {
		t.Errorf("mismatched labels: %v", err)
	}
	two := asFolder(t, map[string][]byte{"a-images-idx3-ubyte": good, "b-images-idx3-ubyte": good})
	if _, err := Open(context.Background(), two, Size{}); err == nil || !strings.Contains(err.Error(), "name the file of one") {
		t.Errorf("two sets in a folder: %v", err)
	}
}

// flip damages one byte, counted from the end.
func flip(data []byte, at int) []byte {
	data[len(data)+at] ^= 0xff
	return data
}

func FuzzIDX(f *testing.F) {
	good := idxBytes(make([]byte, 12), 3, 2, 2)
	f.Add(good)
	f.Add(gzipBytes(good))
	f.Add(idxBytes(nil, 1<<32-1, 1<<32-1))
	f.Add(idxBytes([]byte{1, 2, 3}, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		array, err := readIDX(bytes.NewReader(data))
		if err != nil {
			return
		}
		n := 1
		for _, d := range array.dims {
			n *= d
		}
		if n != len(array.data) {
			t.Errorf("dimensions %v with %d values", array.dims, len(array.data))
		}
		if set, err := idxSet(array, nil); err == nil && set.Len() != array.dims[0] {
			t.Errorf("%d images of %v", set.Len(), array.dims)
		}
	})
}
