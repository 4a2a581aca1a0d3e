package dataset

// Downsampled ImageNet, 16x16 to 64x64: train_data_batch_1 to 10 and val_data, Python pickles of a dictionary, or .npz files, with the
// N x 3SS array "data" of images channel by channel and "labels" from 1 to 1000.
// Source: Chrabaszcz, Loshchilov, Hutter, "A Downsampled Variant of ImageNet as an Alternative to the CIFAR datasets", 2017.

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
	"github.com/joule-ebm/joule/internal/pickle"
)

var (
	imagenetTrain = regexp.MustCompile(`^train_data_batch_\d+(\.npz)?$`)
	imagenetVal   = regexp.MustCompile(`^val_data(\.npz)?$`)
)

const (
	imagenetBatches = 10
	maxImageNet     = 1<<31 - 1 // bytes in one file; those of 64x64 have 1.57 GB
)

var findImageNet = inFolders(func(list []files.File, alone string) []layout {
	found := layout{splits: map[string]part{}}
	for _, f := range list {
		base := path.Base(f.Name)
		split := ""
		switch {
		case alone != "" && f.Name != alone:
			continue
		case imagenetTrain.MatchString(base):
			split = Train
		case imagenetVal.MatchString(base):
			split = Validation
		default:
			continue
		}
		found.splits[split] = part{files: append(found.splits[split].files, f.Name)}
	}
	if len(found.splits) == 0 {
		return nil
	}
	for _, p := range found.splits { // 10 comes after 9
		slices.SortFunc(p.files, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	}
	train := found.splits[Train].files
	if missing := missingBatches(train, imagenetBatches); alone == "" && len(missing) > 0 {
		found.warnings = append(found.warnings, fmt.Sprintf("%s is missing: only %d of %d batches are read; fetch the data again if there should be all",
			strings.Join(missing, ", "), len(train), len(train)+len(missing)))
	}
	found.read = readImageNet
	return []layout{found}
})

// readImageNet puts the batches together in the order of names, each as soon as it is its turn: there is seldom more than one that waits.
func readImageNet(ctx context.Context, t files.Tree, names []string) (*Set, error) {
	set := &Set{Channels: 3}
	waiting := map[string]cifarBatch{}
	var labels []int64
	next := 0
	err := readAll(ctx, t, names, func(name string, r io.Reader) error {
		data, err := readFile(r, maxImageNet)
		if err != nil {
			return err
		}
		b, size, err := readImageNetBatch(data)
		if err != nil {
			return err
		}
		if set.Height == 0 {
			set.Height, set.Width = size.Height, size.Width
			if err := affordable(len(names)*len(b.labels), size); err != nil {
				return err
			}
			set.Pixels = make([]uint8, 0, len(names)*len(b.planes)) // batches are of about the same size
		} else if size != set.Size() {
			return fmt.Errorf("its images are %v, those of other batches %v", size, set.Size())
		}
		for waiting[name] = b; next < len(names) && waiting[names[next]].labels != nil; next++ {
			b := waiting[names[next]]
			delete(waiting, names[next])
			channelsLast(b.planes, size)
			set.Pixels = append(set.Pixels, b.planes...)
			for _, l := range b.labels {
				labels = append(labels, int64(l)-1)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return set, set.label(set.Len(), labels)
}

// readImageNetBatch reads a batch in either form.
func readImageNetBatch(data []byte) (b cifarBatch, size Size, err error) {
	var shape []int
	var labels []int64
	if bytes.HasPrefix(data, []byte("PK")) {
		shape, b.planes, labels, err = readBatchArrays(data)
	} else {
		shape, b.planes, labels, err = readBatchPickle(data)
	}
	if err != nil {
		return b, size, err
	}
	if len(shape) != 2 || shape[0] != len(labels) || shape[1]%3 != 0 || root(shape[1]/3) < 4 || root(shape[1]/3) > maxSide {
		return b, size, fmt.Errorf("%d labels and images of shape %v: want N and N,3SS", len(labels), shape)
	}
	side := root(shape[1] / 3)
	for i, v := range labels {
		if v < 1 || v >= maxClasses {
			return b, size, fmt.Errorf("label %d is %d: want class numbers from 1", i, v)
		}
		b.labels = append(b.labels, int32(v))
	}
	return b, Size{side, side, 3}, nil
}

func readBatchPickle(data []byte) (shape []int, planes []uint8, labels []int64, err error) {
	batch, err := unpickle(data)
	if err != nil {
		return nil, nil, nil, err
	}
	fields, _ := batch.(*pickle.Dict)
	array, ok := fields.Get("data").(*pickleArray)
	if !ok {
		return nil, nil, nil, fmt.Errorf("not a batch of images: it lacks an array %q", "data")
	}
	if planes, err = array.bytes(); err != nil {
		return nil, nil, nil, err
	}
	labels, err = wholeNumbers(fields.Get("labels"))
	return array.shape, planes, labels, err
}

func readBatchArrays(data []byte) (shape []int, planes []uint8, labels []int64, err error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("damaged .npz file, fetch it again: %w", err)
	}
	t := files.Zip(archive)
	err = readAll(context.Background(), t, []string{"data.npy", "labels.npy"}, func(name string, r io.Reader) error {
		h, err := readNumPyHeader(r)
		switch {
		case err != nil:
			return err
		case name == "labels.npy" && !h.isLabels():
			return fmt.Errorf("labels of type %s and shape %v are not read", h.dtype, h.shape)
		case name == "labels.npy":
			labels, err = h.readIntegers(r)
			return err
		case strings.TrimLeft(h.dtype, "|<>=") != "u1" || h.fortran || len(h.shape) != 2 || int64(h.shape[0]) > maxImageNet/int64(max(1, h.shape[1])):
			return fmt.Errorf("images of type %s and shape %v are not read", h.dtype, h.shape)
		}
		shape = h.shape
		planes, err = readExactly(r, int64(h.shape[0])*int64(h.shape[1]))
		return err
	})
	return shape, planes, labels, err
}
