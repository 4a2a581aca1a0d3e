package dataset

// NumPy's .npy files, and .npz, which are zip archives of them: "\x93NUMPY", a version, the length of the header, the header - a Python
// dictionary of the type, the order and the shape - and the values. Images are unsigned bytes, N,H,W or N,H,W,C; labels are whole
// numbers, one an image. An archive or a folder may hold several arrays: x_train with y_train, train_images with train_labels, data
// with labels. Source: NumPy, "numpy.lib.format"; the archives of Keras, MedMNIST and CIFAR-10-C.

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
	"github.com/joule-ebm/joule/dataset/internal/mapped"
)

const (
	numpyMagic     = "\x93NUMPY"
	maxNumPyHeader = 1 << 16
)

// numpyHeader is what an array says about itself.
type numpyHeader struct {
	dtype   string // such as "|u1" or "<i8"
	fortran bool   // column-major
	shape   []int
	length  int64 // of the header, in bytes: where the values begin
}

var (
	numpyType    = regexp.MustCompile(`['"]descr['"]\s*:\s*['"]([^'"]{1,40})['"]`)
	numpyFortran = regexp.MustCompile(`['"]fortran_order['"]\s*:\s*(True|False)`)
	numpyShape   = regexp.MustCompile(`['"]shape['"]\s*:\s*\(([0-9, L]*)\)`)
)

// readNumPyHeader reads up to the values.
func readNumPyHeader(in io.Reader) (h numpyHeader, err error) {
	var fixed [8]byte
	if _, err := io.ReadFull(in, fixed[:]); err != nil || string(fixed[:6]) != numpyMagic {
		return h, errors.New("not a NumPy array: its first bytes are not those of a .npy file")
	}
	width := 2
	if fixed[6] > 1 {
		width = 4
	}
	var length [4]byte
	if _, err := io.ReadFull(in, length[:width]); err != nil {
		return h, damaged(err, "the header is cut short")
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxNumPyHeader {
		return h, fmt.Errorf("a NumPy header of %d bytes: the file is damaged", n)
	}
	h.length = int64(len(fixed)+width) + int64(n)
	text := make([]byte, n)
	if _, err := io.ReadFull(in, text); err != nil {
		return h, damaged(err, "the header is cut short")
	}
	dtype, fortran, shape := numpyType.FindSubmatch(text), numpyFortran.FindSubmatch(text), numpyShape.FindSubmatch(text)
	if dtype == nil || fortran == nil || shape == nil {
		return h, fmt.Errorf("a NumPy array of a type that is not read (%.100q)", bytes.TrimSpace(text))
	}
	h.dtype, h.fortran = string(dtype[1]), string(fortran[1]) == "True"
	for part := range strings.SplitSeq(string(shape[1]), ",") {
		if part = strings.Trim(part, " L"); part == "" {
			continue
		}
		side, err := strconv.Atoi(part)
		if err != nil {
			return h, fmt.Errorf("a NumPy shape of %q: the file is damaged", shape[1])
		}
		h.shape = append(h.shape, side)
	}
	return h, nil
}

// kind of a type: 'u' and 'i' are whole numbers, 'f' floating-point, 'b' true or false.
func (h *numpyHeader) kind() byte { return (strings.TrimLeft(h.dtype, "|<>=") + "?")[0] }

func (h *numpyHeader) isLabels() bool {
	flat := len(h.shape) == 1 || len(h.shape) == 2 && h.shape[1] == 1
	return flat && (h.kind() == 'u' || h.kind() == 'i')
}

// images says what images an array holds, or what to do so that it holds some.
func (h *numpyHeader) images() (sizes, error) {
	s, err := imageSizes(h.shape)
	switch {
	case err != nil:
		return s, err
	case h.kind() == 'f':
		return s, fmt.Errorf("its values are floating-point (%s), of a range that only you know: save (x * 255).round().astype('uint8') if they go from 0 to 1, "+
			"((x + 1) * 127.5).round().astype('uint8') if from -1 to 1, x.round().astype('uint8') if from 0 to 255", h.dtype)
	case h.kind() == 'b':
		return s, errors.New("its values are true or false: save (x * 255).astype('uint8')")
	case strings.TrimLeft(h.dtype, "|<>=") != "u1":
		return s, fmt.Errorf("its values are of type %s: save x.astype('uint8') if they go from 0 to 255", h.dtype)
	case h.fortran:
		return s, errors.New("it is column-major: save np.ascontiguousarray(x)")
	}
	return s, nil
}

// findNumPy finds arrays of images, and of labels as many, in a folder or an .npz.
var findNumPy = inFolders(func(list []files.File, alone string) []layout {
	headers := map[string]numpyHeader{}
	found := layout{splits: map[string]part{}}
	for _, f := range list {
		h, err := readNumPyHeader(bytes.NewReader(f.Head))
		if err != nil {
			if f.Name != alone || !strings.HasPrefix(string(f.Head), numpyMagic) {
				continue
			}
		}
		headers[f.Name] = h
	}
	add := func(images func(numpyHeader) bool) {
		for _, f := range list {
			if h, ok := headers[f.Name]; ok && (f.Name == alone || alone == "" && images(h)) {
				split := splitIn(f.Name)
				found.splits[split] = part{files: append(found.splits[split].files, f.Name)}
			}
		}
	}
	if add(func(h numpyHeader) bool { return len(h.shape) >= 3 }); len(found.splits) == 0 {
		add(func(h numpyHeader) bool { return len(h.shape) == 2 && h.shape[1] >= 16 }) // to say how they become images
	}
	if len(found.splits) == 0 {
		return nil
	}
	labels, classes := map[string]string{}, map[string]string{}
	for split, p := range found.splits {
		for _, name := range p.files {
			if names := stemOf(name) + packedNames; slices.ContainsFunc(list, func(f files.File) bool { return f.Name == names }) {
				classes[name] = names
				found.extra = append(found.extra, names)
			}
			candidates := labelArrays(name, split, headers)
			switch len(candidates) {
			case 0:
			case 1:
				labels[name] = candidates[0]
				found.extra = append(found.extra, candidates[0])
			default:
				found.ofClasses = append(found.ofClasses, fmt.Sprintf("%s: which of %s are its labels is not clear: it is read without", name, strings.Join(candidates, ", ")))
			}
		}
	}
	used, told := found.all(), 0
	for _, f := range list {
		h, ok := headers[f.Name]
		const few = 4 // of which it is said here why
		if !ok || alone != "" || used[f.Name] || h.isLabels() && fitsAny(h, used, headers) || told == few {
			continue
		}
		told++
		found.extra = append(found.extra, f.Name)
		found.ofClasses = append(found.ofClasses, fmt.Sprintf("%s of shape %v and type %s is left out: labels are whole numbers, one an image "+
			"(of rows with a 1 each, save y.argmax(1), of others y.astype('int64'))", f.Name, h.shape, h.dtype))
	}
	corrupted(&found, labels, headers)
	found.read = func(ctx context.Context, t files.Tree, images []string) (*Set, error) {
		if len(images) > 1 {
			return nil, fmt.Errorf("holds several arrays of images (%s): name one, as in PATH/%s", strings.Join(images[:min(len(images), 20)], ", "), images[0])
		}
		return readNumPySet(ctx, t, images[0], labels[images[0]], classes[images[0]])
	}
	return []layout{found}
})

// fitsAny says whether a flat array has as many values as one of others has images.
func fitsAny(h numpyHeader, others map[string]bool, headers map[string]numpyHeader) bool {
	for name := range others {
		if shape := headers[name].shape; len(shape) > 1 && shape[0] == h.shape[0] {
			return true
		}
	}
	return false
}

var wordOfName = regexp.MustCompile(`[A-Za-z]+`)

// splitIn is the split that the name of a data file tells of, "" if none.
func splitIn(name string) string {
	for _, word := range wordOfName.FindAllString(strings.TrimSuffix(path.Base(name), path.Ext(name)), -1) {
		if split := splitNamed(word); split != "" {
			return split
		}
	}
	return ""
}

// labelWords turn the name of an array of images into that of its labels.
var labelWords = []struct{ images, labels string }{
	{"images", "labels"}, {"image", "label"}, {"imgs", "labels"}, {"data", "labels"}, {"data", "targets"}, {"data", "label"},
	{"x", "y"}, {"X", "Y"}, {"X", "y"}, {"arr_0", "arr_1"},
}

// labelArrays are the arrays that may hold the labels of an array of images: one of a corresponding name, or all of as many numbers.
func labelArrays(images, split string, headers map[string]numpyHeader) (names []string) {
	dir, base := path.Split(images)
	n := headers[images].shape
	fits := func(name string) bool {
		h, ok := headers[name]
		return ok && name != images && h.isLabels() && len(n) > 0 && h.shape[0] == n[0]
	}
	stem, _, _ := strings.Cut(base, ".")
	if name := dir + stem + packedLabels; fits(name) {
		return []string{name}
	}
	for _, w := range labelWords {
		if name := dir + strings.Replace(base, w.images, w.labels, 1); name != images && fits(name) {
			return []string{name}
		}
	}
	for name := range headers {
		if fits(name) && (splitIn(name) == split || splitIn(name) == "") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// numpyCompanions are the files that may hold the labels of a .npy file that is named by itself.
func numpyCompanions(base string) []string {
	if !strings.HasSuffix(strings.ToLower(base), ".npy") {
		return nil
	}
	stem := strings.TrimSuffix(base, path.Ext(base))
	names := []string{stem + packedLabels, stem + packedNames, "labels.npy", "y.npy", "targets.npy"}
	for _, w := range labelWords {
		if name := strings.Replace(base, w.images, w.labels, 1); name != base {
			names = append(names, name)
		}
	}
	return names
}

// readNumPySet reads an array of images, one of labels and a file of the names of classes, if they are named.
func readNumPySet(ctx context.Context, t files.Tree, images, labels, names string) (*Set, error) {
	set := &Set{}
	var numbers []int64
	var packed Packed
	wanted := []string{images}
	for _, more := range []string{labels, names} {
		if more != "" {
			wanted = append(wanted, more)
		}
	}
	err := readAll(ctx, t, wanted, func(name string, r io.Reader) error {
		if name == names {
			var err error
			packed, err = readPacked(r)
			return err
		}
		in, compression, err := files.Uncompressed(r)
		if err != nil {
			return err
		}
		h, err := readNumPyHeader(in)
		if err != nil {
			return err
		}
		if name == labels {
			numbers, err = h.readIntegers(in)
			return err
		}
		s, err := h.images()
		if err != nil {
			return err
		}
		set.Height, set.Width, set.Channels = s.size.Height, s.size.Width, s.size.Channels
		total := int64(s.n) * int64(s.size.Len())
		if at := files.Path(t, name); at != "" && compression == "" && !s.channelsFirst && total >= mapFrom {
			if set.file, err = mapArray(at, h.length, total); !errors.Is(err, errors.ErrUnsupported) {
				if err == nil {
					set.Pixels = set.file.Bytes()
				}
				return err
			}
		}
		if err := affordable(s.n, s.size); err != nil {
			return err
		}
		if set.Pixels, err = readExactly(in, total); err == nil && s.channelsFirst {
			channelsLast(set.Pixels, s.size)
			set.Contents.Warnings = append(set.Contents.Warnings, fmt.Sprintf("%s of shape %v is taken for N,C,H,W: images of %v", name, h.shape, s.size))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := packed.tell(set); err != nil {
		return nil, fmt.Errorf("%s: %w", names, err)
	}
	if labels == "" {
		return set, nil
	}
	if err := set.label(set.Len(), numbers, packed.Classes...); err != nil {
		return nil, fmt.Errorf("%s: %w", labels, err)
	}
	return set, nil
}

// mapFrom is the size, in bytes, from which an array on the disk is read as it is used instead of at once.
var mapFrom int64 = 256 << 20

// mapArray has the values of an array at hand.
func mapArray(path string, offset, size int64) (*mapped.File, error) {
	f, err := files.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if have := info.Size() - offset; have != size {
		return nil, fmt.Errorf("the file has %d bytes of values, its header declares %d: fetch it again", have, size)
	}
	return mapped.Open(f, offset, size)
}

// readIntegers reads the values of a flat array of whole numbers.
func (h *numpyHeader) readIntegers(in io.Reader) ([]int64, error) {
	array := &pickleArray{dtype: pickleDtype{strings.TrimLeft(h.dtype, "|<>="), strings.HasPrefix(h.dtype, ">")}}
	width, err := strconv.Atoi(array.dtype.name[1:])
	const most = 1 << 28 // labels
	if err != nil || width < 1 || width > 8 || h.shape[0] > most {
		return nil, fmt.Errorf("labels of type %s and shape %v are not read", h.dtype, h.shape)
	}
	if array.data, err = readExactly(in, int64(h.shape[0])*int64(width)); err != nil {
		return nil, err
	}
	return array.integers()
}
