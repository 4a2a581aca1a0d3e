package onnx

// This file says which function writes which operation, and writes those of single elements. A sample value of shape H×W×C is a tensor
// [N,C,H,W], since ONNX's operators want the channels first.

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// lowering is the writing of one program.
type lowering struct {
	graph
	shared map[*expr.Value][]float32   // the numbers of those shared values that sample values are made of
	first  map[*expr.Value]*expr.Value // of a shared value, the one that is written for it: they are equal
	known  map[*expr.Value]string      // of sample values
	image  string                      // the input, which knows how many images there are
}

// operation writes v, a sample value, and returns its name.
type operation func(l *lowering, v *expr.Value) string

// operations are those that an energy and its gradient by the image are made of. Not among them: random numbers, sums over the batch, and the
// nearest of some images, which belong to samplers and losses.
var operations = map[expr.Op]operation{
	expr.OpAdd:    pointwise(func(l *lowering, _ expr.Attr, x []string) string { return l.node("Add", nil, x...) }),
	expr.OpMul:    pointwise(func(l *lowering, _ expr.Attr, x []string) string { return l.node("Mul", nil, x...) }),
	expr.OpAffine: pointwise(affine),
	expr.OpPow:    pointwise(power),
	expr.OpExp:    pointwise(func(l *lowering, _ expr.Attr, x []string) string { return l.node("Exp", nil, x...) }),
	expr.OpLog:    pointwise(func(l *lowering, _ expr.Attr, x []string) string { return l.node("Log", nil, x...) }),
	expr.OpSwish:  pointwise(swish),
	expr.OpClamp:  pointwise(clamp),
	expr.OpWithin: pointwise(within),

	expr.OpSum:       sum,
	expr.OpBroadcast: broadcast,
	expr.OpGroupSum:  groupSum,
	expr.OpSlice:     slice,
	expr.OpEmbed:     embed,

	expr.OpConv:   conv,
	expr.OpPool:   pool,
	expr.OpUnpool: unpool,
	expr.OpMatMul: matMul,

	expr.OpSoftmax: func(l *lowering, v *expr.Value) string {
		return l.node("Softmax", attributes{"axis": int64(1)}, l.in(v, 0))
	},
	expr.OpNormalise: normalise,
	expr.OpInvStd:    invStd,

	expr.OpStop:   func(l *lowering, v *expr.Value) string { return l.in(v, 0) },
	expr.OpSpread: spread,
}

// value writes v, a sample value whose inputs are known.
func (l *lowering) value(v *expr.Value) error {
	write, ok := operations[v.Op()]
	if !ok {
		return fmt.Errorf("the energy has an operation that no ONNX file can hold here, %v", v.Op())
	}
	if v.Op() == expr.OpSwish && v.Attr().N[0] > 1 {
		return fmt.Errorf("the energy has a derivative of swish of order %d: want 0 or 1", v.Attr().N[0])
	}
	l.known[v] = write(l, v)
	return nil
}

// in is the i-th input of v, for operations on elements and such as repeat it: shared ones are [1,C,H,W].
func (l *lowering) in(v *expr.Value, i int) string {
	u := v.In()[i]
	if u.Kind() == expr.Sample {
		return l.known[u]
	}
	u = l.first[u]
	if u.Shape() == expr.Scalar {
		return l.number(float64(l.shared[u][0]))
	}
	return l.once(fmt.Sprintf("elements %p", u), func() string {
		s := u.Shape()
		values := make([]float32, 0, s.Size())
		for c := range s[2] {
			for p := range s[0] * s[1] {
				values = append(values, l.shared[u][p*s[2]+c])
			}
		}
		return l.constant(tensor(l.sharedName(u, "elements"), dims(1, s), values))
	})
}

// dims are those of n images of a shape.
func dims(n int64, s expr.Shape) []int64 { return []int64{n, int64(s[2]), int64(s[0]), int64(s[1])} }

// sharedName is the name of a parameter, or of what is made of parameters.
func (l *lowering) sharedName(u *expr.Value, kind string) string {
	if u.Op() == expr.OpParam {
		return u.Attr().Name
	}
	for _, v := range expr.Order(u) {
		if v.Op() == expr.OpParam {
			return l.newName(v.Attr().Name)
		}
	}
	return l.newName(kind)
}

// pointwise is an operation on elements; ONNX's repeat their operands along axes of size 1, as package expr does.
func pointwise(f func(l *lowering, a expr.Attr, x []string) string) operation {
	return func(l *lowering, v *expr.Value) string {
		x := make([]string, len(v.In()))
		for i := range x {
			x[i] = l.in(v, i)
		}
		return f(l, v.Attr(), x)
	}
}

func affine(l *lowering, a expr.Attr, x []string) string {
	t := x[0]
	if a.X[0] != 1 {
		t = l.node("Mul", nil, t, l.number(a.X[0]))
	}
	if a.X[1] != 0 {
		t = l.node("Add", nil, t, l.number(a.X[1]))
	}
	return t
}

// power is by products, quotients and roots where that does: they are exact to a unit in the last place.
func power(l *lowering, a expr.Attr, x []string) string {
	t := x[0]
	switch a.X[0] {
	case 1:
		return t
	case 2:
		return l.node("Mul", nil, t, t)
	case -1:
		return l.node("Reciprocal", nil, t)
	case 0.5:
		return l.node("Sqrt", nil, t)
	case -0.5:
		return l.node("Reciprocal", nil, l.node("Sqrt", nil, t))
	}
	return l.node("Pow", nil, t, l.number(a.X[0]))
}

// swish is x·σ(x), or its derivative
//
//	σ(x) + x·σ(x)·σ(-x)
//
// in which nothing cancels, unlike in 1 - σ(x).
func swish(l *lowering, a expr.Attr, in []string) string {
	x := in[0]
	s := l.node("Sigmoid", nil, x)
	y := l.node("Mul", nil, x, s)
	if a.N[0] == 0 {
		return y
	}
	return l.node("Add", nil, s, l.node("Mul", nil, y, l.node("Sigmoid", nil, l.node("Neg", nil, x))))
}

func clamp(l *lowering, a expr.Attr, x []string) string {
	return l.node("Clip", nil, x[0], l.number(a.X[0]), l.number(a.X[1]))
}

// within compares with those bounds that are numbers.
func within(l *lowering, a expr.Attr, x []string) string {
	inside := ""
	for i, compare := range []string{"Greater", "Less"} {
		if math.IsInf(a.X[i], 0) {
			continue
		}
		side := l.node(compare, nil, x[0], l.number(a.X[i]))
		if inside != "" {
			side = l.node("And", nil, inside, side)
		}
		inside = side
	}
	if inside == "" {
		return l.node("Add", nil, l.node("Mul", nil, x[0], l.number(0)), l.number(1))
	}
	return l.node("Cast", attributes{"to": typeFloat}, inside)
}

// sum is over the axes along which the result has size 1.
func sum(l *lowering, v *expr.Value) string {
	from, to := v.In()[0].Shape(), v.Shape()
	var axes []int64
	for i, axis := range []int64{2, 3, 1} { // of H, W, C
		if from[i] != to[i] {
			axes = append(axes, axis)
		}
	}
	slices.Sort(axes)
	return l.node("ReduceSum", attributes{"keepdims": int64(1)}, l.in(v, 0), l.integers(axes...))
}

func broadcast(l *lowering, v *expr.Value) string {
	return l.node("Expand", nil, l.in(v, 0), l.integers(dims(1, v.Shape())...))
}

// spread repeats a shared value for each image.
func spread(l *lowering, v *expr.Value) string {
	images := l.node("Slice", nil, l.node("Shape", nil, l.image), l.integers(0), l.integers(1))
	return l.node("Expand", nil, l.in(v, 0), l.node("Concat", attributes{"axis": int64(0)}, images, l.integers(dims(1, v.Shape())[1:]...)))
}

func slice(l *lowering, v *expr.Value) string {
	lo, hi := v.Attr().N[0], v.Attr().N[1]
	return l.node("Slice", nil, l.in(v, 0), l.integers(int64(lo)), l.integers(int64(hi)), l.integers(1))
}

func embed(l *lowering, v *expr.Value) string {
	before := v.Attr().N[0]
	after := v.Shape()[2] - before - v.In()[0].Shape()[2]
	return l.node("Pad", nil, l.in(v, 0), l.integers(0, int64(before), 0, 0, 0, int64(after), 0, 0))
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
