package dataset

// What the few Python pickles that hold data sets may name: numpy arrays.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/joule-ebm/joule/internal/pickle"
)

type (
	pickleDtype struct {
		name      string // such as "u1"
		bigEndian bool
	}
	pickleArray struct { // a numpy array, row-major
		dtype pickleDtype
		shape []int
		data  []uint8
	}
)

// bytes are the values of an array of uint8.
func (a *pickleArray) bytes() ([]uint8, error) {
	if a.dtype.name != "u1" {
		return nil, fmt.Errorf("the pickle holds pixels of type %s: only unsigned bytes are read; save them by .astype('uint8')", a.dtype.name)
	}
	return a.data, nil
}

// integers are the values of a flat array of whole numbers.
func (a *pickleArray) integers() ([]int64, error) {
	var width int
	if _, err := fmt.Sscanf(strings.TrimLeft(a.dtype.name, "iu"), "%d", &width); err != nil || strings.Trim(a.dtype.name, "iu1248") != "" ||
		len(a.data)%width != 0 || width > 8 {
		return nil, fmt.Errorf("the pickle holds labels of type %s: want whole numbers", a.dtype.name)
	}
	var values []int64
	for rest := a.data; len(rest) > 0; rest = rest[width:] {
		var eight [8]byte
		for i := range width {
			if eight[i] = rest[i]; a.dtype.bigEndian {
				eight[i] = rest[width-1-i]
			}
		}
		v := int64(binary.LittleEndian.Uint64(eight[:]))
		if shift := 64 - 8*width; a.dtype.name[0] == 'i' {
			v = v << shift >> shift
		} else if v < 0 {
			v = math.MaxInt64
		}
		values = append(values, v)
	}
	return values, nil
}

// What a pickle may refer to over and over is short where each use makes a copy.
const (
	mostInType = 40 // bytes of the name of a type
	mostSides  = 64 // dimensions of an array, NumPy's own bound
)

// unpickle reads one pickled object.
func unpickle(data []byte) (any, error) {
	object, _, err := pickle.Read(data, pickle.Vocabulary{Knows: knows, Call: call, Build: build})
	return object, err
}

// knows says which names they may have.
func knows(name pickle.Name) bool {
	switch name {
	case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype",
		"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer":
		return true
	}
	return false
}

// call gives the meaning of calling one of the known names.
func call(name pickle.Name, args pickle.Tuple) (any, error) {
	switch name {
	case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct": // (ndarray, (0,), b'b')
		if len(args) == 3 && args[0] == pickle.Name("numpy.ndarray") {
			return &pickleArray{}, nil
		}
	case "numpy.dtype": // ('u1', ...)
		if len(args) >= 1 {
			if kind, ok := args[0].(pickle.Text); ok && len(kind) <= mostInType {
				return &pickleDtype{name: string(kind)}, nil
			}
		}
	case "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer": // (bytes, dtype, shape, order), of protocol 5
		if len(args) == 4 {
			array := &pickleArray{}
			order, _ := args[3].(pickle.Text)
			return array, array.fill(args[2], args[1], args[0], string(order) == "C")
		}
	}
	return nil, pickle.ErrObject
}

// build gives an array its shape and data, a type its byte order.
func build(object, state any) error {
	parts, _ := state.(pickle.Tuple)
	if dtype, ok := object.(*pickleDtype); ok { // (version, byte order, ...)
		if len(parts) > 1 {
			order, _ := parts[1].(pickle.Text)
			dtype.bigEndian = string(order) == ">"
		}
		return nil
	}
	array, ok := object.(*pickleArray)
	if !ok || len(parts) != 5 { // (version, shape, dtype, is_fortran, data)
		return pickle.ErrObject
	}
	return array.fill(parts[1], parts[2], parts[4], parts[3] == false)
}

func (a *pickleArray) fill(sides, kind, content any, rowMajor bool) error {
	shape, ok := sides.(pickle.Tuple)
	dtype, ok2 := kind.(*pickleDtype)
	data, ok3 := content.(pickle.Text)
	if !ok || !ok2 || !ok3 || !rowMajor {
		return errors.New("the pickle holds an array that is not row-major numbers")
	}
	if len(shape) > mostSides {
		return fmt.Errorf("damaged pickle: an array of %d dimensions", len(shape))
	}
	var width int64
	if _, err := fmt.Sscanf(strings.TrimLeft(dtype.name, "iufb"), "%d", &width); err != nil || width < 1 || width > 8 {
		return fmt.Errorf("the pickle holds an array of type %.20q, which is not read", dtype.name)
	}
	size := width
	a.shape, a.dtype = nil, *dtype
	for _, side := range shape {
		n, ok := side.(int64)
		if !ok || n < 1 || size > int64(len(data))/n {
			return errors.New("damaged pickle: the shape of an array does not fit its data")
		}
		size *= n
		a.shape = append(a.shape, int(n))
	}
	if size != int64(len(data)) {
		return errors.New("damaged pickle: the shape of an array does not fit its data")
	}
	a.data = data
	return nil
}
