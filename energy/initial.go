package energy

// This file gives parameters their first values, as PyTorch does by default: weights and biases of convolutions and linear maps
// are uniform,
//
//	U(-1/√fan_in, 1/√fan_in)        fan_in = taps × inputs,
//
// (for weights PyTorch calls that kaiming_uniform with a = √5), norms start as the identity. Source: torch.nn, reset_parameters
// of _ConvNd, Linear, _NormBase.

import (
	"hash/fnv"
	"math"

	"github.com/joule-ebm/joule/engine/rng"
)

// Init says how a parameter starts, and how files lay it out. The zero value is zeros in three axes.
type Init struct {
	centre, width float64 // uniform in centre ± width
	layout        Layout
}

// Uniform starts a weight, or the bias, of a linear map of fanIn inputs: uniform in ±1/√fanIn.
func Uniform(fanIn int, layout Layout) Init {
	return Init{width: 1 / math.Sqrt(float64(max(fanIn, 1))), layout: layout}
}

// Constant starts a parameter at c.
func Constant(c float64, layout Layout) Init { return Init{centre: c, layout: layout} }

// Initialise fills dst, the parameter's values, drawing from the stream.
func (s Spec) Initialise(dst []float32, stream *rng.Stream) {
	for i := range dst {
		dst[i] = float32(s.Init.centre)
	}
	if s.Init.width == 0 {
		return
	}
	stream.FillUniform(dst)
	for i, u := range dst {
		dst[i] = float32(s.Init.centre + s.Init.width*(2*float64(u)-1))
	}
}

// InitialValues gives every parameter its first values, by name. A parameter's values depend on the seed, its name and its shape,
// not on which other parameters there are.
func InitialValues(specs []Spec, seed uint64) map[string][]float32 {
	values := make(map[string][]float32, len(specs))
	for _, s := range specs {
		name := fnv.New64a()
		name.Write([]byte(s.Name))
		stream := rng.New(seed, name.Sum64())
		v := make([]float32, s.Shape.Size())
		s.Initialise(v, &stream)
		values[s.Name] = v
	}
	return values
}
