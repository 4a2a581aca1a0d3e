package energy

// This file takes parameters between the order of their numbers here and PyTorch's:
//
//	                 here                      PyTorch
//	convolution      taps × inputs × outputs   [outputs, inputs, k, k], k² taps
//	linear map       1 × inputs × outputs      [outputs, inputs]
//	vector           1 × 1 × channels          [channels]
//	array            a × b × c                 [a, b, c]
//
// all row-major. Taps go row by row through the neighbourhood in both.

import (
	"math"

	"github.com/joule-ebm/joule/expr"
)

// Layout is how PyTorch, and so a model file, stores a parameter.
type Layout uint8

// The layouts.
const (
	Array Layout = iota
	Vector
	LinearMap
	ConvKernel
)

func (l Layout) String() string {
	switch l {
	case Vector:
		return "vector"
	case LinearMap:
		return "linear map"
	case ConvKernel:
		return "convolution kernel"
	}
	return "array"
}

// holds says whether a parameter of this shape can be stored so.
func (l Layout) holds(s expr.Shape) bool {
	switch l {
	case Vector:
		return s == s.Channels()
	case LinearMap:
		return s[0] == 1
	case ConvKernel:
		return s[0] == 1 || s[0] == 9
	}
	return true
}

// TorchShape is the shape of the parameter in PyTorch.
func (s Spec) TorchShape() []int {
	taps, in, out := s.Shape[0], s.Shape[1], s.Shape[2]
	switch s.Layout {
	case Vector:
		return []int{out}
	case LinearMap:
		return []int{out, in}
	case ConvKernel:
		k := int(math.Sqrt(float64(taps)))
		return []int{out, in, k, k}
	}
	return []int{taps, in, out}
}

// FromTorch puts a parameter stored as PyTorch does, src, into dst. Both hold Shape.Size() numbers and do not overlap.
func (s Spec) FromTorch(dst, src []float32) {
	s.pairs(func(here, torch int) { dst[here] = src[torch] })
}

// ToTorch is the inverse of FromTorch.
func (s Spec) ToTorch(dst, src []float32) {
	s.pairs(func(here, torch int) { dst[torch] = src[here] })
}

// pairs visits the places of each number in the two orders.
func (s Spec) pairs(visit func(here, torch int)) {
	taps, in, out := s.Shape[0], s.Shape[1], s.Shape[2]
	here := 0
	for t := range taps {
		for i := range in {
			for o := range out {
				torch := (o*in+i)*taps + t
				if s.Layout == Array {
					torch = here
				}
				visit(here, torch)
				here++
			}
		}
	}
}
