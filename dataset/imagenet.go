package dataset

// Downsampled ImageNet, 16x16 to 64x64: train_data_batch_1 to 10 and val_data, Python pickles of a dictionary, or .npz files, with the
// N x 3SS array "data" of images channel by channel and "labels" from 1 to 1000.
// Source: Chrabaszcz, Loshchilov, Hutter, "A Downsampled Variant of ImageNet as an Alternative to the CIFAR datasets", 2017.

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
	"github.com/joule-ebm/joule/dataset/internal/mapped"
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
	found.pictures = func(ctx context.Context, t files.Tree, split string) (*pictureSource, error) {
		return openImageNet(ctx, t, found.splits[split].files)
	}
	return []layout{found}
})

// openImageNet reads the batches twice: once to know how many images they have, of which classes, and once for the images, so that there is
// never more than one batch in memory.
func openImageNet(ctx context.Context, t files.Tree, names []string) (*pictureSource, error) {
	src := &pictureSource{}
	var size Size
	first, counts := map[string]int{}, map[string]int{}
	highest := int32(0)
	batches := func(ctx context.Context, fn func(name string, b cifarBatch, size Size) error) error {
		for _, name := range names {
			data, err := readBatch(ctx, t, name)
			if err == nil {
				var b cifarBatch
				var of Size
				if b, of, err = readImageNetBatch(data.bytes); err == nil {
					b.look = data.look
					err = fn(name, b, of)
				}
			}
			if err != nil && ctx.Err() == nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	err := batches(ctx, func(name string, b cifarBatch, of Size) error {
		if src.n > 0 && of != size {
			return fmt.Errorf("its images are %v, those of other batches %v", of, size)
		}
		size, first[name], counts[name] = of, src.n, len(b.labels)
		src.n += len(b.labels)
		highest = max(highest, slices.Max(b.labels))
		return nil
	})
	if err != nil {
		return nil, err
	}
	src.classes = numberedClasses(int(highest))
	src.visit = func(ctx context.Context, fn func(encoded) error) error {
		return batches(ctx, func(name string, b cifarBatch, of Size) error {
			if of != size || len(b.labels) != counts[name] {
				return errors.New("changed while it was read: open it again")
			}
			for i, label := range b.labels {
				one := encoded{at: first[name] + i, name: fmt.Sprintf("%s[%d]", name, i), label: label - 1, image: ofPlanes(b.planes[i*size.Len():][:size.Len()], size)}
				b.look(size.Len())
				if err := fn(one); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return src, nil
}

// content is that of a file, and who is to know what was looked at.
type content struct {
	bytes []byte
	look  func(bytes int)
}

// readBatch has the content of a file at hand: mapped, if it is on the disk, or in memory.
func readBatch(ctx context.Context, t files.Tree, name string) (content, error) {
	if at := files.Path(t, name); at != "" {
		f, err := files.OpenRegular(at)
		if err != nil {
			return content{}, err
		}
		defer f.Close()
		info, err := f.Stat()
		if err == nil && info.Size() > 0 && info.Size() <= maxImageNet {
			if m, err := mapped.Open(f, 0, info.Size()); err == nil {
				return content{m.Bytes(), m.Look}, nil
			}
		}
	}
	r, err := files.OpenAt(ctx, t, name, maxImageNet)
	if err != nil {
		return content{}, err
	}
	defer r.Close()
	if r.Size() > maxImageNet {
		return content{}, fmt.Errorf("larger than the %d MiB allowed for one such file", maxImageNet>>20)
	}
	data := make([]byte, r.Size())
	n, err := r.ReadAt(data, 0)
	if err == io.EOF {
		err = nil
	}
	return content{data[:n], func(int) {}}, err
}

// ofPlanes is a picture stored channel by channel.
func ofPlanes(planes []uint8, size Size) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, size.Width, size.Height))
	plane := size.Height * size.Width
	for p := range plane {
		copy(img.Pix[4*p:], []uint8{planes[p], planes[plane+p], planes[2*plane+p], 255})
	}
	return img
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
	if len(labels) == 0 {
		return b, size, errors.New("a batch without images: fetch the file again")
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
