package dataset

// MATLAB files of version 5, as SVHN is published in: a header of 128 bytes, then elements - a type, a size, a body padded to 8 bytes -
// of which those of type 15 are compressed by zlib, and those of type 14 are arrays: flags, dimensions, a name and values, column by
// column. Images are the array of unsigned bytes with dimensions H,W,C,N (SVHN's X), labels the one with N numbers (its y).
// Sources: The MathWorks, "MAT-File Format"; Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning",
// NIPS 2011 workshop.

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

const (
	matlabMagic = "MATLAB 5.0 MAT-file"
	svhnZero    = 10 // SVHN's label of the digit 0
)

// Types of elements.
const (
	matlabUint8      = 2
	matlabMatrix     = 14
	matlabCompressed = 15
)

// matlabWidths are the bytes of a value of each type of numbers.
var matlabWidths = map[uint32]int{1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}

// matlabArray is an array of numbers.
type matlabArray struct {
	name   string
	shape  []int
	kind   uint32 // type of the values
	values []uint8
}

// matlabReader reads elements.
type matlabReader struct {
	in    io.Reader
	order binary.ByteOrder
}

// tag reads the type and size of an element; of a small one, packed into 8 bytes, also the body.
func (m matlabReader) tag() (kind, size uint32, small []byte, err error) {
	var b [8]byte
	if _, err := io.ReadFull(m.in, b[:]); err != nil {
		return 0, 0, nil, err
	}
	kind, size = m.order.Uint32(b[:]), m.order.Uint32(b[4:])
	if n := kind >> 16; n != 0 {
		if n > 4 {
			return 0, 0, nil, errors.New("damaged MATLAB file: a small element of more than 4 bytes")
		}
		return kind & 0xffff, n, b[4 : 4+n], nil
	}
	return kind, size, nil, nil
}

// element reads a whole element of at most limit bytes, and the padding behind it.
func (m matlabReader) element(limit int64) (kind uint32, body []byte, err error) {
	kind, size, small, err := m.tag()
	if err != nil || small != nil {
		return kind, small, err
	}
	if int64(size) > limit {
		return 0, nil, fmt.Errorf("damaged MATLAB file: an element of %d bytes", size)
	}
	var b bytes.Buffer // which grows with what is really there
	if _, err := io.CopyN(&b, m.in, int64(size)); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	if _, err := io.CopyN(io.Discard, m.in, int64(-size%8)); err != nil && err != io.EOF {
		return 0, nil, err
	}
	return kind, b.Bytes(), nil
}

const maxMatlab = 4 << 30 // bytes of the values of an array

// readMatlab reads the arrays of numbers.
func readMatlab(in io.Reader) (arrays []matlabArray, err error) {
	var head [128]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, damaged(err, "too short for a MATLAB file")
	}
	m := matlabReader{in: in, order: binary.LittleEndian}
	switch string(head[126:]) {
	case "IM":
	case "MI":
		m.order = binary.BigEndian
	default:
		return nil, errors.New("not a MATLAB file of version 5")
	}
	const most = 64 // arrays
	for range most {
		kind, size, _, err := m.tag()
		if err == io.EOF {
			return arrays, nil
		}
		if err != nil {
			return nil, damaged(err, "the file is cut short")
		}
		body := io.LimitReader(in, int64(size))
		inner := matlabReader{body, m.order}
		if kind == matlabCompressed {
			z, err := zlib.NewReader(body)
			if err != nil {
				return nil, damaged(err, "the file is cut short")
			}
			inner.in = z
			if kind, _, _, err = inner.tag(); err != nil {
				return nil, damaged(err, "the file is cut short")
			}
		}
		if kind == matlabMatrix {
			array, err := inner.array()
			if err != nil {
				return nil, damaged(err, "the file is cut short")
			}
			if array.values != nil {
				arrays = append(arrays, array)
			}
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return nil, damaged(err, "the file is cut short")
		}
	}
	return nil, fmt.Errorf("holds more than %d arrays", most)
}

// array reads what an element of arrays holds; those of other things than real numbers have no values.
func (m matlabReader) array() (a matlabArray, err error) {
	const small = 1 << 10
	var parts [3][]byte // flags, dimensions, name
	for i := range parts {
		if _, parts[i], err = m.element(small); err != nil {
			return a, err
		}
	}
	class := uint32(0)
	if len(parts[0]) >= 4 {
		class = m.order.Uint32(parts[0])
	}
	const complexNumbers, firstNumbers, lastNumbers = 1 << 11, 6, 15
	if c := class & 0xff; c < firstNumbers || c > lastNumbers || class&complexNumbers != 0 {
		return a, nil
	}
	total := int64(1)
	for b := parts[1]; len(b) >= 4; b = b[4:] {
		side := int64(int32(m.order.Uint32(b)))
		if side < 1 || total > maxMatlab/side {
			return a, nil
		}
		total *= side
		a.shape = append(a.shape, int(side))
	}
	a.name = string(parts[2])
	if a.kind, a.values, err = m.element(8 * maxMatlab); err != nil {
		return a, err
	}
	if width := matlabWidths[a.kind]; width == 0 || int64(len(a.values)) != total*int64(width) {
		return a, fmt.Errorf("damaged MATLAB file: array %.40q of shape %v has %d bytes of values", a.name, a.shape, len(a.values))
	}
	return a, nil
}

// numbers are whole numbers.
func (a *matlabArray) numbers(order binary.ByteOrder) ([]int64, error) {
	width := matlabWidths[a.kind]
	var n []int64
	for b := a.values; len(b) >= width; b = b[width:] {
		var v float64
		switch a.kind {
		case 1:
			v = float64(int8(b[0]))
		case matlabUint8:
			v = float64(b[0])
		case 3:
			v = float64(int16(order.Uint16(b)))
		case 4:
			v = float64(order.Uint16(b))
		case 5:
			v = float64(int32(order.Uint32(b)))
		case 6:
			v = float64(order.Uint32(b))
		case 7:
			v = float64(math.Float32frombits(order.Uint32(b)))
		case 9:
			v = math.Float64frombits(order.Uint64(b))
		default:
			v = float64(int64(order.Uint64(b)))
		}
		if v != math.Trunc(v) || math.Abs(v) > 1<<31 {
			return nil, fmt.Errorf("array %.40q holds %v: no label", a.name, v)
		}
		n = append(n, int64(v))
	}
	return n, nil
}

// findMatlab finds MATLAB files, by their first words.
var findMatlab = inFolders(func(list []files.File, alone string) []layout {
	found := layout{splits: map[string]part{}}
	for _, f := range list {
		if strings.HasPrefix(string(f.Head), matlabMagic) && (alone == "" || f.Name == alone) {
			split := splitIn(f.Name)
			if regexp.MustCompile(`(?i)extra`).MatchString(f.Name) && alone == "" {
				continue // of SVHN: named by itself only
			}
			found.splits[split] = part{files: append(found.splits[split].files, f.Name)}
		}
	}
	if len(found.splits) == 0 {
		return nil
	}
	found.read = func(ctx context.Context, t files.Tree, names []string) (*Set, error) {
		if len(names) > 1 {
			return nil, fmt.Errorf("holds several MATLAB files (%s): name one", strings.Join(names, ", "))
		}
		var set *Set
		err := readAll(ctx, t, names, func(_ string, r io.Reader) error {
			in, _, err := files.Uncompressed(r)
			if err != nil {
				return err
			}
			order := binary.ByteOrder(binary.LittleEndian)
			if head, err := in.Peek(128); err == nil && string(head[126:]) == "MI" {
				order = binary.BigEndian
			}
			arrays, err := readMatlab(in)
			if err == nil {
				set, err = matlabSet(arrays, order)
			}
			return err
		})
		return set, err
	}
	return []layout{found}
})

// matlabSet makes a set of the array of images and, if there is one, that of labels.
func matlabSet(arrays []matlabArray, order binary.ByteOrder) (*Set, error) {
	var images *matlabArray
	var have []string
	for i, a := range arrays {
		have = append(have, fmt.Sprintf("%s %v", a.name, a.shape))
		if a.kind == matlabUint8 && len(a.shape) == 4 && (a.shape[2] == 1 || a.shape[2] == 3) {
			if images != nil {
				return nil, fmt.Errorf("holds several arrays of images (%s and %s): save one of them as .npy", images.name, a.name)
			}
			images = &arrays[i]
		}
	}
	if images == nil {
		return nil, fmt.Errorf("holds no array of unsigned bytes with dimensions H,W,C,N, but %s: save the images as .npy, such as by "+
			"np.save('set.npy', scipy.io.loadmat('FILE')['X'])", strings.Join(have, ", "))
	}
	h, w, c, n := images.shape[0], images.shape[1], images.shape[2], images.shape[3]
	if h > maxSide || w > maxSide {
		return nil, fmt.Errorf("images of %dx%d: want sides up to %d", h, w, maxSide)
	}
	size := Size{h, w, c}
	if err := affordable(n, size); err != nil {
		return nil, err
	}
	set := &Set{Height: h, Width: w, Channels: c, Pixels: make([]uint8, len(images.values))}
	for i := range n {
		from, to := images.values[i*size.Len():], set.Image(i)
		for y := range h {
			for x := range w {
				for k := range c {
					to[(y*w+x)*c+k] = from[y+h*(x+w*k)]
				}
			}
		}
	}
	for _, a := range arrays {
		if len(a.shape) != 2 || a.shape[0]*a.shape[1] != n || a.shape[0] != 1 && a.shape[1] != 1 {
			continue
		}
		labels, err := a.numbers(order)
		if err != nil {
			return nil, err
		}
		if isSVHN(size, labels) {
			for i := range labels {
				labels[i] %= svhnZero
			}
		}
		return set, set.label(n, labels)
	}
	return set, nil
}

// isSVHN knows the digits of house numbers by their size and labels, 1 to 9 and 10 for 0.
func isSVHN(size Size, labels []int64) bool {
	if size != (Size{32, 32, 3}) {
		return false
	}
	for _, v := range labels {
		if v < 1 || v > svhnZero {
			return false
		}
	}
	return true
}
