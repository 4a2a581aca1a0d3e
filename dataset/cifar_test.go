package dataset

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"
)

func record(labels []byte, red byte) []byte { return append(slices.Clone(labels), cifarImage(red)...) }

// Every published form of CIFAR, as a folder and as the archive it is distributed in.
func TestCIFARForms(t *testing.T) {
	ten := slices.Concat([]string{"airplane", "cat"})
	for _, c := range []struct {
		name    string
		files   map[string][]byte
		classes []string
	}{
		{"CIFAR-10 binary", map[string][]byte{
			"cifar-10-batches-bin/data_batch_10.bin":   record([]byte{1}, 30),
			"cifar-10-batches-bin/data_batch_2.bin":    record([]byte{1}, 20),
			"cifar-10-batches-bin/data_batch_1.bin":    slices.Concat(record([]byte{0}, 10), record([]byte{1}, 11)),
			"cifar-10-batches-bin/test_batch.bin":      record([]byte{1}, 99),
			"cifar-10-batches-bin/batches.meta.txt":    []byte("airplane\ncat\n\n"),
			"cifar-10-batches-bin/readme.html":         []byte("<html>"),
			"cifar-10-batches-bin/._data_batch_10.bin": []byte("litter"),
		}, ten},
		{"CIFAR-10 Python", map[string][]byte{
			"cifar-10-batches-py/data_batch_10": pickled2("labels", []byte{1}, cifarImage(30)),
			"cifar-10-batches-py/data_batch_2":  pickled2("labels", []byte{1}, cifarImage(20)),
			"cifar-10-batches-py/data_batch_1":  pickled2("labels", []byte{0, 1}, slices.Concat(cifarImage(10), cifarImage(11))),
			"cifar-10-batches-py/test_batch":    pickled2("labels", []byte{1}, cifarImage(99)),
			"cifar-10-batches-py/batches.meta":  pickledNames2("label_names", ten...),
		}, ten},
		{"CIFAR-100 binary", map[string][]byte{
			"train.bin":            slices.Concat(record([]byte{9, 0}, 10), record([]byte{9, 1}, 11), record([]byte{9, 1}, 20), record([]byte{9, 1}, 30)),
			"test.bin":             record([]byte{9, 1}, 99),
			"fine_label_names.txt": []byte("airplane\ncat\n"),
		}, ten},
		{"CIFAR-100 Python", map[string][]byte{
			"train": pickled2("fine_labels", []byte{0, 1, 1, 1}, slices.Concat(cifarImage(10), cifarImage(11), cifarImage(20), cifarImage(30))),
			"test":  pickled2("fine_labels", []byte{1}, cifarImage(99)),
			"meta":  pickledNames2("fine_label_names", ten...),
		}, ten},
		{"no names", map[string][]byte{
			"data_batch_1.bin": slices.Concat(record([]byte{0}, 10), record([]byte{1}, 11), record([]byte{1}, 20), record([]byte{1}, 30)),
			"test_batch.bin":   record([]byte{1}, 99),
		}, []string{"0", "1"}},
	} {
		for _, ref := range []string{asFolder(t, c.files), write(t, "cifar.tar.gz", gzipBytes(tarBytes(t, c.files)))} {
			train, err := Open(context.Background(), ref, Size{})
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if train.Len() != 4 || train.Size() != (Size{32, 32, 3}) || !slices.Equal(train.Labels, []int32{0, 1, 1, 1}) || !slices.Equal(train.Classes, c.classes) {
				t.Errorf("%s: %d images of %v, labels %v, classes %v", c.name, train.Len(), train.Size(), train.Labels, train.Classes)
				continue
			}
			for i, red := range []byte{10, 11, 20, 30} {
				if !bytes.Equal(train.Image(i), bytes.Repeat([]byte{red, 7, 9}, 1024)) {
					t.Errorf("%s: image %d is not interleaved or out of order", c.name, i)
				}
			}
			test, err := Open(context.Background(), ref+":test", Size{16, 16, 1})
			if err != nil || test.Len() != 1 || test.Size() != (Size{16, 16, 1}) || !test.Resized {
				t.Errorf("%s, test: %v, %v", c.name, test, err)
			}
		}
	}
}

func TestCIFARSingleFile(t *testing.T) {
	root := asFolder(t, map[string][]byte{"test_batch.bin": record([]byte{1}, 5), "batches.meta.txt": []byte("airplane\ncat\n")})
	set, err := Open(context.Background(), root+"/test_batch.bin", Size{})
	if err != nil || set.Len() != 1 || set.Classes[set.Labels[0]] != "cat" {
		t.Errorf("%v, %v", set, err)
	}
}

func TestCIFARRefuses(t *testing.T) {
	for _, c := range []struct {
		name, message string
		files         map[string][]byte
	}{
		{"truncated", "whole number", map[string][]byte{"data_batch_1.bin": record([]byte{1}, 5)[:3000]}},
		{"empty", "whole number", map[string][]byte{"data_batch_1.bin": nil}},
		{"label", "names no class", map[string][]byte{"data_batch_1.bin": record([]byte{7}, 5), "batches.meta.txt": []byte("a b")}},
		{"no pickle", "pickle", map[string][]byte{"data_batch_1": []byte("hello")}},
		{"shape", "shape", map[string][]byte{"data_batch_1": pickled2("labels", []byte{1, 2}, cifarImage(1))}},
		{"key", "lacks", map[string][]byte{"data_batch_1": pickled2("lables", []byte{1}, cifarImage(1))}},
	} {
		_, err := Open(context.Background(), asFolder(t, c.files), Size{})
		if err == nil || !strings.Contains(err.Error(), c.message) || !strings.Contains(err.Error(), "data_batch_1") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line naming the file with %q", c.name, err, c.message)
		}
	}
}

// Batches written by numpy 2 under Python 3:
//
//	pickle.dumps({'batch_label': b'training batch 1 of 5', 'labels': [3, 1], 'data': data, 'filenames': [...]}, protocol=p)
//
// where data is 2x3072, its first image red 0..255 repeating, green 7, blue 9, its second all 200.
func TestPickleProtocols(t *testing.T) {
	for _, file := range []string{"batch-protocol2.pickle", "batch-protocol3.pickle", "batch-protocol4.pickle"} {
		data, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		batch, err := readCIFARPickle(data, "labels")
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		ramp := true
		for i := range 1024 {
			ramp = ramp && batch.planes[i] == uint8(i)
		}
		if !slices.Equal(batch.labels, []int32{3, 1}) || !ramp || batch.planes[1024] != 7 || batch.planes[2048] != 9 || batch.planes[6143] != 200 {
			t.Errorf("%s: wrong contents, labels %v", file, batch.labels)
		}
	}
}

func TestPickleRunsNothing(t *testing.T) {
	array := string(pickled2("labels", []byte{1}, cifarImage(1)))
	for _, c := range []struct{ name, message, data string }{
		{"a command", "posix.system", "\x80\x02cposix\nsystem\nU\x04true\x85R."},
		{"by stack", "posix.system", "\x80\x04\x8c\x05posix\x8c\x06system\x93."},
		{"class instance", "refused", "\x80\x02c__builtin__\nobject\n)\x81."},
		{"protocol 0", "refused", "cos\nsystem\n(S'true'\ntR."},
		{"many objects", "objects", "\x80\x02](" + strings.Repeat("N", 1<<21) + "e."},
		{"endless text", "over and over", "\x80\x02](X\xc8\x00\x00\x00" + strings.Repeat("x", 200) + "q\x01" + strings.Repeat("c_codecs\nencode\n(h\x01U\x06latin1tR", 10) + "e."},
		{"huge string", "cut short", "\x80\x02T\xff\xff\xff\xffabc."},
		{"a list as an array", "refused", "\x80\x02]q\x00h\x00b."},
		{"no operands", "operands", "\x80\x02R."},
		{"no mark", "operands", "\x80\x02]e."},
		{"column-major", "row-major", strings.Replace(array, "tb\x89T", "tb\x88T", 1)},
		{"floats", "does not fit", strings.Replace(array, "U\x02u1", "U\x02f4", 1)},
		{"shape", "shape", strings.Replace(array, "M\x00\x0c\x86", "M\x00\x0d\x86", 1)},
	} {
		if _, err := unpickle([]byte(c.data)); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.message)
		}
	}
}

func FuzzCIFARBinary(f *testing.F) {
	f.Add(record([]byte{1}, 5), 1)
	f.Add(record([]byte{1, 2}, 5), 2)
	f.Fuzz(func(t *testing.T, data []byte, labelBytes int) {
		batch, err := readCIFARBinary(data, 1+labelBytes&1)
		if err != nil {
			return
		}
		set, err := cifarSet([]string{"f"}, map[string]cifarBatch{"f": batch}, nil)
		if err != nil || set.Len() != len(batch.labels) {
			t.Errorf("%v, %v", set, err)
		}
	})
}

func FuzzPickle(f *testing.F) {
	f.Add(pickled2("labels", []byte{1}, cifarImage(1)))
	f.Add(pickledNames2("label_names", "a", "b"))
	for _, file := range []string{"batch-protocol2.pickle", "batch-protocol4.pickle"} {
		data, err := os.ReadFile("testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if batch, err := readCIFARPickle(data, "labels"); err == nil && len(batch.planes) != len(batch.labels)*cifarPixels {
			t.Errorf("%d labels, %d values", len(batch.labels), len(batch.planes))
		}
		if names, err := readPickledNames(data, "label_names"); err == nil && len(names) == 0 {
			t.Error("no names and no error")
		}
	})
}
