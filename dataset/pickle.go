package dataset

// What the few Python pickles that hold data sets may name: numpy arrays of bytes, and a text codec.

import (
	"errors"
	"unicode/utf8"

	"github.com/joule-ebm/joule/internal/pickle"
)

type (
	pickleDtype struct{ name string }
	pickleArray struct { // a numpy array of uint8, row-major
		shape []int
		data  []uint8
	}
)

// unpickle reads one pickled object.
func unpickle(data []byte) (any, error) {
	n := numpy{spare: len(data)}
	object, _, err := pickle.Read(data, pickle.Vocabulary{Knows: n.knows, Call: n.call, Build: build})
	return object, err
}

// numpy is the vocabulary.
type numpy struct {
	spare int // bytes that may still be made by decoding text, at most the length of the input
}

func (n *numpy) knows(name pickle.Name) bool {
	switch name {
	case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype", "_codecs.encode":
		return true
	}
	return false
}

// call gives the meaning of calling one of the known names.
func (n *numpy) call(name pickle.Name, args pickle.Tuple) (any, error) {
	switch name {
	case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct": // (ndarray, (0,), b'b')
		if len(args) == 3 && args[0] == pickle.Name("numpy.ndarray") {
			return &pickleArray{}, nil
		}
	case "numpy.dtype": // ('u1', ...)
		if len(args) >= 1 {
			if kind, ok := args[0].(pickle.Text); ok {
				return &pickleDtype{string(kind)}, nil
			}
		}
	case "_codecs.encode": // (text, 'latin1'): how protocol 2 of Python 3 writes bytes
		if len(args) == 2 {
			text, ok := args[0].(pickle.Text)
			codec, ok2 := args[1].(pickle.Text)
			if n.spare -= len(text); n.spare < 0 {
				return nil, errors.New("the pickle decodes the same text over and over: it is no data set")
			}
			if ok && ok2 && string(codec) == "latin1" {
				return latin1(text)
			}
		}
	}
	return nil, pickle.ErrObject
}

// latin1 gives the bytes whose values are the code points of a UTF-8 text.
func latin1(text []byte) (pickle.Text, error) {
	b := make(pickle.Text, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r > 255 {
			return nil, errors.New("damaged pickle: text that should be bytes")
		}
		b = append(b, byte(r))
		text = text[size:]
	}
	return b, nil
}

// build gives an array its shape and data, a type nothing.
func build(object, state any) error {
	if _, ok := object.(*pickleDtype); ok {
		return nil // byte order and the like, which bytes do not have
	}
	array, ok := object.(*pickleArray)
	parts, _ := state.(pickle.Tuple) // (version, shape, dtype, is_fortran, data)
	if !ok || len(parts) != 5 {
		return pickle.ErrObject
	}
	shape, ok := parts[1].(pickle.Tuple)
	dtype, ok2 := parts[2].(*pickleDtype)
	data, ok3 := parts[4].(pickle.Text)
	if !ok || !ok2 || !ok3 || dtype.name != "u1" || parts[3] != false {
		return errors.New("the pickle holds an array that is not row-major uint8")
	}
	size := int64(1)
	array.shape = nil
	for _, side := range shape {
		n, ok := side.(int64)
		if !ok || n < 1 || size > int64(len(data))/n {
			return errors.New("damaged pickle: the shape of an array does not fit its data")
		}
		size *= n
		array.shape = append(array.shape, int(n))
	}
	if size != int64(len(data)) {
		return errors.New("damaged pickle: the shape of an array does not fit its data")
	}
	array.data = data
	return nil
}
