// Package safetensors reads and writes named arrays in the safetensors format, the one PyTorch, JAX and most model hubs exchange:
//
//	8 bytes    n, the length of the header, little-endian
//	n bytes    the header, JSON: {"__metadata__": {"key": "value"},
//	           "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}, padded with spaces
//	the rest   the arrays one after another, row-major, little-endian; offsets count from here
//
// The format forbids gaps, overlaps and left-over bytes, so a file that reads without an error is whole, though the format has
// no checksum: a changed number goes unseen.
//
// Source: https://github.com/huggingface/safetensors, "Format".
package safetensors

import (
	"fmt"
	"math"
	"math/bits"
)

// Tensor is one named array.
type Tensor struct {
	Name  string
	DType string // as the format spells it: "F32", "BF16", "I64", ...
	Shape []int  // no dimensions: a scalar
	Data  []byte // the elements, row-major, little-endian
}

// File is the content of a safetensors file.
type File struct {
	Tensors  []Tensor          // in the order of their data
	Metadata map[string]string // nil if the file has none
}

// Lookup finds a tensor by name.
func (f *File) Lookup(name string) (Tensor, bool) {
	for _, t := range f.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return Tensor{}, false
}

// elementBits is the size of an element of each type the format knows.
var elementBits = map[string]uint64{
	"BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
	"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
	"F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}

// maxDimensions is NumPy's limit too.
const maxDimensions = 64

// span is the number of bytes that a tensor of this type and shape occupies.
func span(dtype string, shape []int) (uint64, error) {
	size, ok := elementBits[dtype]
	if !ok {
		return 0, fmt.Errorf("unknown dtype %.20q", dtype)
	}
	if len(shape) > maxDimensions {
		return 0, fmt.Errorf("%d dimensions, at most %d are supported", len(shape), maxDimensions)
	}
	for _, n := range shape {
		if n < 0 {
			return 0, fmt.Errorf("negative dimension %d", n)
		}
		over, product := bits.Mul64(size, uint64(n))
		if over != 0 {
			return 0, fmt.Errorf("too many elements: %s %v", dtype, shape)
		}
		size = product
	}
	if size%8 != 0 || size/8 > math.MaxInt {
		return 0, fmt.Errorf("%d bits are no number of bytes: %s %v", size, dtype, shape)
	}
	return size / 8, nil
}
