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
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
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
	planes []uint8         // len(labels) images, each three planes
	look   func(bytes int) // is told of what is read of planes in a file; nil where they are in memory
}

// cifarFormat is one way of publishing such a set.
type cifarFormat struct {
	train, test *regexp.Regexp
	names       string // the file of class names
	telling     bool   // whether the data files' names are proof enough without it
	batches     int    // of the training split, if it has several
	read        func(data []byte) (cifarBatch, error)
	readNames   func(data []byte) ([]string, error)
}

// cifarFormats are the four ways these sets are published.
var cifarFormats = []cifarFormat{
	{
		regexp.MustCompile(`^data_batch_\d+\.bin$`), regexp.MustCompile(`^test_batch\.bin$`), "batches.meta.txt", true, 5,
		func(data []byte) (cifarBatch, error) { return readCIFARBinary(data, 1) }, lines,
	},
	{
		regexp.MustCompile(`^train\.bin$`), regexp.MustCompile(`^test\.bin$`), "fine_label_names.txt", false, 0,
		func(data []byte) (cifarBatch, error) { return readCIFARBinary(data, 2) }, lines,
	},
	{
		regexp.MustCompile(`^data_batch_\d+$`), regexp.MustCompile(`^test_batch$`), "batches.meta", true, 5,
		func(data []byte) (cifarBatch, error) { return readCIFARPickle(data, "labels") },
		func(data []byte) ([]string, error) { return readPickledNames(data, "label_names") },
	},
	{
		regexp.MustCompile(`^train$`), regexp.MustCompile(`^test$`), "meta", false, 0,
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

// findCIFAR finds the CIFAR sets of a folder. Their files begin with nothing to tell them by; reading finds out what the names promise.
var findCIFAR = inFolders(func(list []files.File, alone string) (found []layout) {
	for _, format := range cifarFormats {
		l := layout{splits: map[string]part{}}
		add := func(split, name string) {
			if alone == "" || name == alone {
				l.splits[split] = part{files: append(l.splits[split].files, name)}
			}
		}
		for _, f := range list {
			switch base := path.Base(f.Name); {
			case format.train.MatchString(base):
				add(Train, f.Name)
			case format.test.MatchString(base):
				add(Test, f.Name)
			case base == format.names:
				l.extra = []string{f.Name}
			}
		}
		if len(l.splits) == 0 || len(l.extra) == 0 && !format.telling {
			continue
		}
		for _, p := range l.splits { // data_batch_10 comes after data_batch_9
			slices.SortFunc(p.files, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
		}
		if missing := missingBatches(l.splits[Train].files, format.batches); alone == "" && len(missing) > 0 {
			l.warnings = append(l.warnings, fmt.Sprintf("%s is missing: only %d of %d batches are read; fetch the data again if there should be all",
				strings.Join(missing, ", "), len(l.splits[Train].files), len(l.splits[Train].files)+len(missing)))
		}
		names := l.extra
		l.read = func(ctx context.Context, t files.Tree, data []string) (*Set, error) {
			batches := map[string]cifarBatch{}
			var classes []string
			err := readAll(ctx, t, slices.Concat(data, names), func(name string, r io.Reader) error {
				content, err := readFile(r, maxCIFAR)
				switch {
				case err != nil:
				case path.Base(name) == format.names:
					classes, err = format.readNames(content)
				default:
					batches[name], err = format.read(content)
				}
				return err
			})
			if err != nil {
				return nil, err
			}
			return cifarSet(data, batches, classes)
		}
		found = append(found, l)
	}
	return found
})

// missingBatches names the batches that should be there: so many, and those that a higher number tells of.
func missingBatches(batches []string, want int) (names []string) {
	if want == 0 || len(batches) == 0 {
		return nil
	}
	have := map[int]bool{}
	base := path.Base(batches[0])
	for _, name := range batches {
		n, _ := strconv.Atoi(number.FindString(path.Base(name)))
		have[n] = true
		want = max(want, n)
	}
	const few = 20
	for n := 1; n <= want && len(names) < few; n++ {
		if !have[n] {
			names = append(names, number.ReplaceAllString(base, strconv.Itoa(n)))
		}
	}
	return names
}

var number = regexp.MustCompile(`\d+`)

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
	labels, err := wholeNumbers(fields.Get(labelsKey))
	if !ok || err != nil || labels == nil {
		if err == nil {
			err = fmt.Errorf("it lacks an array %q or a list %q", "data", labelsKey)
		}
		return cifarBatch{}, fmt.Errorf("not a CIFAR batch: %w", err)
	}
	n := len(labels)
	if n == 0 || len(planes.shape) != 2 || planes.shape[0] != n || planes.shape[1] != cifarPixels {
		return cifarBatch{}, fmt.Errorf("not a CIFAR batch: %d labels and an array of shape %v", n, planes.shape)
	}
	b := cifarBatch{}
	if b.planes, err = planes.bytes(); err != nil {
		return cifarBatch{}, err
	}
	for i, label := range labels {
		if label < 0 || label > 255 {
			return cifarBatch{}, fmt.Errorf("label %d of the batch is not a class number", i)
		}
		b.labels = append(b.labels, int32(label))
	}
	return b, nil
}

// wholeNumbers are those of a list, or of an array; nil if it is neither.
func wholeNumbers(object any) ([]int64, error) {
	switch object := object.(type) {
	case *pickleArray:
		return object.integers()
	case *pickle.List:
		numbers := make([]int64, 0, len(object.Items))
		for i, item := range object.Items {
			n, ok := item.(int64)
			if !ok {
				return nil, fmt.Errorf("item %d of a list of labels is no number", i)
			}
			numbers = append(numbers, n)
		}
		return numbers, nil
	}
	return nil, nil
}

// readPickledNames reads the class names under a key of a pickled dictionary.
func readPickledNames(data []byte, key string) ([]string, error) {
	meta, err := unpickle(data)
	if err != nil {
		return nil, err
	}
	fields, _ := meta.(*pickle.Dict)
	list, ok := fields.Get(key).(*pickle.List)
	if !ok || len(list.Items) == 0 || len(list.Items) > 256 {
		return nil, fmt.Errorf("not a CIFAR meta file: it lacks a list %q of 1 to 256 names", key)
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
