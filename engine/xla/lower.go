//go:build xla

package xla

// This file says which function writes which operation, and what they have in common.

import (
	"fmt"
	"math"
	"slices"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/xla/stablehlo"
	"github.com/joule-ebm/joule/expr"
)

type tensor = stablehlo.Tensor

// lowering is the printing of one program.
type lowering struct {
	*stablehlo.Printer
	precision engine.Precision
	platform  string // of the plugin
	batch     int    // images on a device
	replicas  int    // devices that share a batch

	known    map[*expr.Value]tensor
	prepared map[string][]tensor // the factors of tensors, by their names, in the precision
	streams  map[string]stream   // of noises, a stream for each image
	call     callTensors
}

// callTensors are what a call says besides the values of the leaves. All numbers are 64 bits wide.
type callTensors struct {
	seed, chain, step tensor // the chain is that of the device's first image; step is the number of the present one
	images            tensor // that are there on this device; the rest of the batch is padding
	total             tensor // images on all devices
	zero              tensor // 0 of 32 bits, which no compiler knows to be 0
}

// operation writes v, given its inputs.
type operation func(l *lowering, v *expr.Value, in []tensor) tensor

var operations = map[expr.Op]operation{
	expr.OpConst:     func(l *lowering, v *expr.Value, _ []tensor) tensor { return l.Float(v.Attr().X[0], l.dims(v)...) },
	expr.OpBatchSize: batchSize,
	expr.OpGaussian:  noise,
	expr.OpUniform:   noise,

	expr.OpAdd:    pointwise(func(l *lowering, _ expr.Attr, x []tensor) tensor { return l.Same("add", x...) }),
	expr.OpMul:    pointwise(func(l *lowering, _ expr.Attr, x []tensor) tensor { return l.Same("multiply", x...) }),
	expr.OpAffine: pointwise(affine),
	expr.OpPow:    pointwise(power),
	expr.OpExp:    pointwise(func(l *lowering, _ expr.Attr, x []tensor) tensor { return l.Same("exponential", x...) }),
	expr.OpLog:    pointwise(func(l *lowering, _ expr.Attr, x []tensor) tensor { return l.Same("log", x...) }),
	expr.OpSwish:  pointwise(swish),
	expr.OpClamp:  pointwise(clamp),
	expr.OpWithin: pointwise(within),

	expr.OpSum:       sum,
	expr.OpBroadcast: repeat,
	expr.OpGroupSum:  groupSum,
	expr.OpSlice:     slice,
	expr.OpEmbed:     embed,

	expr.OpConv:       conv,
	expr.OpFlip:       flip,
	expr.OpConvKernel: convKernel,
	expr.OpPool:       pool,
	expr.OpUnpool:     unpool,
	expr.OpMatMul:     matMul,

	expr.OpSoftmax:   softmax,
	expr.OpNormalise: normalise,
	expr.OpInvStd:    invStd,

	expr.OpSingular: singular,
	expr.OpNearest:  nearest,

	expr.OpStop:     func(_ *lowering, _ *expr.Value, in []tensor) tensor { return in[0] },
	expr.OpBatchSum: batchSum,
	expr.OpSpread:   repeat,
}

// dims are those of v's tensor.
func (l *lowering) dims(v *expr.Value) []int {
	s := v.Shape()
	if v.Kind() == expr.Sample {
		return []int{l.batch, s[0], s[1], s[2]}
	}
	return s[:]
}

// value writes v, whose inputs are known.
func (l *lowering) value(v *expr.Value) error {
	write, ok := operations[v.Op()]
	if !ok {
		return fmt.Errorf("no operation %v", v.Op())
	}
	in := make([]tensor, len(v.In()))
	for i, u := range v.In() {
		in[i] = l.known[u]
	}
	t := write(l, v, in)
	if !slices.Equal(t.Dims, l.dims(v)) {
		return fmt.Errorf("%v was written with the shape %v, which is a mistake in package xla", v, t.Dims)
	}
	l.known[v] = t
	return nil
}

// as repeats t along its axes of size 1, and for each image if it is shared and dims are those of a sample value.
func (l *lowering) as(t tensor, dims []int) tensor {
	at := []int{0, 1, 2, 3}
	return l.Broadcast(t, at[len(dims)-len(t.Dims):len(dims)], dims...)
}

func repeat(l *lowering, v *expr.Value, in []tensor) tensor { return l.as(in[0], l.dims(v)) }

// pointwise is an operation on elements, given operands of v's shape.
func pointwise(f func(l *lowering, a expr.Attr, x []tensor) tensor) operation {
	return func(l *lowering, v *expr.Value, in []tensor) tensor {
		x := make([]tensor, len(in))
		for i := range in {
			x[i] = l.as(in[i], l.dims(v))
		}
		return f(l, v.Attr(), x)
	}
}

func affine(l *lowering, a expr.Attr, x []tensor) tensor {
	t := x[0]
	if a.X[0] != 1 {
		t = l.Same("multiply", t, l.Like(t, a.X[0]))
	}
	if a.X[1] != 0 {
		t = l.Same("add", t, l.Like(t, a.X[1]))
	}
	return t
}

// power is by multiplication, division and roots where that does: these are exact to a unit in the last place, and pow is not.
func power(l *lowering, a expr.Attr, x []tensor) tensor {
	t := x[0]
	inverse := func(t tensor) tensor { return l.Same("divide", l.Like(t, 1), t) }
	switch a.X[0] {
	case 0:
		return l.Like(t, 1)
	case 1:
		return t
	case 2:
		return l.Same("multiply", t, t)
	case 3:
		return l.Same("multiply", l.Same("multiply", t, t), t)
	case -1:
		return inverse(t)
	case 0.5:
		return l.Same("sqrt", t)
	case -0.5:
		return inverse(l.Same("sqrt", t))
	}
	return l.Same("power", t, l.Like(t, a.X[0]))
}

func clamp(l *lowering, a expr.Attr, x []tensor) tensor {
	return l.Same("clamp", l.Like(x[0], a.X[0]), x[0], l.Like(x[0], a.X[1]))
}

func within(l *lowering, a expr.Attr, x []tensor) tensor {
	inside := l.Same("and", l.Compare("GT", x[0], l.Like(x[0], a.X[0])), l.Compare("LT", x[0], l.Like(x[0], a.X[1])))
	return l.Convert(inside, stablehlo.F32)
}

func sum(l *lowering, v *expr.Value, in []tensor) tensor {
	dims := l.dims(v)
	var axes []int
	for i, n := range dims {
		if n != in[0].Dims[i] {
			axes = append(axes, i)
		}
	}
	return l.Reshape(l.Reduce("add", 0, in[0], axes...), dims...)
}

func slice(l *lowering, v *expr.Value, in []tensor) tensor {
	return l.SliceAxis(in[0], len(in[0].Dims)-1, v.Attr().N[0], v.Attr().N[1], 1)
}

func embed(l *lowering, v *expr.Value, in []tensor) tensor {
	last := len(in[0].Dims) - 1
	lo, channels := v.Attr().N[0], v.Attr().N[1]
	return l.PadAxis(in[0], last, lo, channels-lo-in[0].Dims[last])
}

// softmax is taken after the highest number of each pixel, so that nothing overflows.
func softmax(l *lowering, v *expr.Value, in []tensor) tensor {
	x := in[0]
	perPixel := func(t tensor) tensor { return l.Broadcast(t, []int{0, 1, 2}, x.Dims...) }
	e := l.Same("exponential", l.Same("subtract", x, perPixel(l.Reduce("maximum", math.Inf(-1), x, 3))))
	return l.Same("divide", e, perPixel(l.Reduce("add", 0, e, 3)))
}
