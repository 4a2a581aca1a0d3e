package dataset

// CIFAR-10 and CIFAR-100, binary and Python versions: 32x32 RGB images stored plane by plane (all red, all green, all
// blue). A binary record is the label (CIFAR-100: the coarse label, then the fine one) and 3072 bytes of pixels. A
// Python batch is a pickled dictionary with an N x 3072 uint8 array "data" and a list of labels. Classes are the fine
// ones. Source: A. Krizhevsky, "The CIFAR-10 and CIFAR-100 datasets".

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/internal/pickle"
)

const (
	cifarSide   = 32
	cifarPlane  = cifarSide * cifarSide
	cifarPixels = 3 * cifarPlane
	maxCIFAR    = 512 << 20 // bytes in one file, three times CIFAR-100's largest
)

// cifarBatch is the content of one data file.
type cifarBatch struct {
	labels []int32
	planes []uint8 // len(labels) images, each three planes
}

// cifarFormats are the four ways these sets are published.
var cifarFormats = []struct {
	train, test *regexp.Regexp
	names       string // the file of class names
	telling     bool   // whether the data files' names are proof enough without it
	read        func(data []byte) (cifarBatch, error)
	readNames   func(data []byte) ([]string, error)
}{
	{
		regexp.MustCompile(`^data_batch_\d+\.bin$`), regexp.MustCompile(`^test_batch\.bin$`), "batches.meta.txt", true,
		func(data []byte) (cifarBatch, error) { return readCIFARBinary(data, 1) }, lines,
	},
	{
		regexp.MustCompile(`^train\.bin$`), regexp.MustCompile(`^test\.bin$`), "fine_label_names.txt", false,
		func(data []byte) (cifarBatch, error) { return readCIFARBinary(data, 2) }, lines,
	},
	{
		regexp.MustCompile(`^data_batch_\d+$`), regexp.MustCompile(`^test_batch$`), "batches.meta", true,
		func(data []byte) (cifarBatch, error) { return readCIFARPickle(data, "labels") },
		func(data []byte) ([]string, error) { return readPickledNames(data, "label_names") },
	},
	{
		regexp.MustCompile(`^train$`), regexp.MustCompile(`^test$`), "meta", false,
		func(data []byte) (cifarBatch, error) { return readCIFARPickle(data, "fine_labels") },
		func(data []byte) ([]string, error) { return readPickledNames(data, "fine_label_names") },
	},
}

// cifarNameFiles are the files of class names that may lie beside a data file.
var cifarNameFiles = func() (names []string) {
	for _, format := range cifarFormats {
		names = append(names, format.names)
	}
	return names
}()

// cifarLayouts finds CIFAR sets among the files of one folder.
func cifarLayouts(files []string) (found []layout) {
	for _, format := range cifarFormats {
		l := layout{splits: map[string][]string{}}
		var names []string // of the file of class names: one or none
		for _, name := range files {
			switch base := path.Base(name); {
			case format.train.MatchString(base):
				l.splits["train"] = append(l.splits["train"], name)
			case format.test.MatchString(base):
				l.splits["test"] = append(l.splits["test"], name)
			case base == format.names:
				names = []string{name}
			}
		}
		if len(l.splits) == 0 || len(names) == 0 && !format.telling {
			continue
		}
		for _, batches := range l.splits { // data_batch_10 comes after data_batch_9
			slices.SortFunc(batches, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
		}
		l.read = func(ctx context.Context, t tree, files []string) (*Set, error) {
			batches := map[string]cifarBatch{}
			var classes []string
			err := t.visit(ctx, slices.Concat(files, names), func(name string, r io.Reader, err error) error {
				var data []byte
				if err == nil {
					data, err = readFile(r, maxCIFAR)
				}
				switch {
				case err != nil:
				case path.Base(name) == format.names:
					classes, err = format.readNames(data)
				default:
					batches[name], err = format.read(data)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
			return cifarSet(files, batches, classes)
		}
		found = append(found, l)
	}
	return found
}

// cifarSet joins batches, in the order of files, into a set. Without names classes are numbered.
func cifarSet(files []string, batches map[string]cifarBatch, classes []string) (*Set, error) {
	set := &Set{Height: cifarSide, Width: cifarSide, Channels: 3, Classes: classes}
	n := 0
	for _, b := range batches {
		n += len(b.labels)
	}
	set.Pixels = make([]uint8, 0, n*cifarPixels)
	for _, file := range files {
		b := batches[file]
		for i, label := range b.labels {
			if label < 0 || label > 255 || classes != nil && int(label) >= len(classes) {
				return nil, fmt.Errorf("%s: image %d has label %d, which names no class: the file is damaged", file, i, label)
			}
			planes := b.planes[i*cifarPixels : (i+1)*cifarPixels]
			for p := range cifarPlane {
				set.Pixels = append(set.Pixels, planes[p], planes[cifarPlane+p], planes[2*cifarPlane+p])
			}
		}
		set.Labels = append(set.Labels, b.labels...)
	}
	if classes == nil {
		set.Classes = numberedClasses(int(slices.Max(set.Labels)) + 1)
	}
	return set, nil
}

// readCIFARBinary reads records that begin with the given number of label bytes, the last of which counts.
func readCIFARBinary(data []byte, labelBytes int) (cifarBatch, error) {
	record := labelBytes + cifarPixels
	if len(data) == 0 || len(data)%record != 0 {
		return cifarBatch{}, fmt.Errorf("%d bytes are not a whole number of %d-byte CIFAR records: fetch the file again", len(data), record)
	}
	b := cifarBatch{planes: make([]uint8, 0, len(data))}
	for ; len(data) > 0; data = data[record:] {
		b.labels = append(b.labels, int32(data[labelBytes-1]))
		b.planes = append(b.planes, data[labelBytes:record]...)
	}
	return b, nil
}

// lines are the names in a text file, one a line.
func lines(data []byte) ([]string, error) {
	return strings.Fields(string(data)), nil
}

// readCIFARPickle reads a pickled batch, whose labels are under the given key.
func readCIFARPickle(data []byte, labelsKey string) (cifarBatch, error) {
	batch, err := unpickle(data)
	if err != nil {
		return cifarBatch{}, err
	}
	fields, _ := batch.(*pickle.Dict)
	planes, ok := fields.Get("data").(*pickleArray)
	labels, ok2 := fields.Get(labelsKey).(*pickle.List)
	if !ok || !ok2 {
		return cifarBatch{}, fmt.Errorf("not a CIFAR batch: it lacks an array %q or a list %q", "data", labelsKey)
	}
	n := len(labels.Items)
	if n == 0 || len(planes.shape) != 2 || planes.shape[0] != n || planes.shape[1] != cifarPixels {
		return cifarBatch{}, fmt.Errorf("not a CIFAR batch: %d labels and an array of shape %v", n, planes.shape)
	}
	b := cifarBatch{planes: planes.data}
	for i, item := range labels.Items {
		label, ok := item.(int64)
		if !ok || label < 0 || label > 255 {
			return cifarBatch{}, fmt.Errorf("label %d of the batch is not a class number", i)
		}
		b.labels = append(b.labels, int32(label))
	}
	return b, nil
}

// readPickledNames reads the class names under a key of a pickled dictionary.
func readPickledNames(data []byte, key string) ([]string, error) {
	meta, err := unpickle(data)
	if err != nil {
		return nil, err
	}
	fields, _ := meta.(*pickle.Dict)
	list, ok := fields.Get(key).(*pickle.List)
	if !ok || len(list.Items) == 0 {
		return nil, fmt.Errorf("not a CIFAR meta file: it lacks a list %q", key)
	}
	var names []string
	for _, item := range list.Items {
		name, ok := item.(pickle.Text)
		if !ok {
			return nil, fmt.Errorf("not a CIFAR meta file: %q holds something other than names", key)
		}
		names = append(names, string(name))
	}
	return names, nil
}
