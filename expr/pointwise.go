package expr

import (
	"fmt"
	"math"
)

// pointwise builds an element-by-element operation. Spreads and broadcasts of its inputs are left out where the other input
// already makes the result a sample value of the full shape: pointwise operations broadcast by themselves.
func pointwise(op Op, attr Attr, in ...*Value) *Value {
	shape, kind, err := join(in)
	if err != nil {
		return bad(op, "%v", err)
	}
	bare := make([]*Value, len(in))
	for i, v := range in {
		bare[i] = v
		for bare[i].op == OpBroadcast || bare[i].op == OpSpread {
			trial := append([]*Value(nil), bare...)
			copy(trial[i+1:], in[i+1:])
			trial[i] = bare[i].in[0]
			if s, k, err := join(trial); err != nil || s != shape || k != kind {
				break
			}
			bare[i] = bare[i].in[0]
		}
	}
	return node(op, kind, shape, attr, bare...)
}

// join is the shape and kind of a pointwise combination.
func join(in []*Value) (shape Shape, kind Kind, err error) {
	shape = Scalar
	for _, v := range in {
		if v == nil {
			return shape, kind, fmt.Errorf("a nil input")
		}
		if v.err != nil {
			return shape, kind, v.err
		}
		kind = max(kind, v.kind)
		for axis, n := range v.shape {
			if n != 1 && shape[axis] != 1 && n != shape[axis] {
				return shape, kind, fmt.Errorf("shapes %v and %v do not fit", shape, v.shape)
			}
			shape[axis] = max(shape[axis], n)
		}
	}
	return shape, kind, nil
}

// withConst recognises the combination of a value v with a constant c that does not change v's shape and kind.
func withConst(a, b *Value) (v *Value, c float64, ok bool) {
	shape, kind, err := join([]*Value{a, b})
	if err != nil {
		return nil, 0, false
	}
	for range 2 {
		bare := b
		for bare.op == OpSpread || bare.op == OpBroadcast {
			bare = bare.in[0]
		}
		if bare.op == OpConst && a.shape == shape && a.kind == kind {
			return a, bare.attr.X[0], true
		}
		a, b = b, a
	}
	return nil, 0, false
}

// Add is a + b.
func Add(a, b *Value) *Value {
	if v, c, ok := withConst(a, b); ok {
		return Affine(v, 1, c)
	}
	return pointwise(OpAdd, Attr{}, a, b)
}

// Sub is a - b.
func Sub(a, b *Value) *Value { return Add(a, Affine(b, -1, 0)) }

// Mul is the elementwise product a·b.
func Mul(a, b *Value) *Value {
	if v, c, ok := withConst(a, b); ok {
		return Affine(v, c, 0)
	}
	return pointwise(OpMul, Attr{}, a, b)
}

// Affine is scale·a + shift with constant coefficients.
func Affine(a *Value, scale, shift float64) *Value {
	if a != nil && a.err == nil {
		switch {
		case scale == 1 && shift == 0:
			return a
		case a.op == OpConst:
			return Const(scale*a.attr.X[0] + shift)
		case a.op == OpAffine:
			return Affine(a.in[0], scale*a.attr.X[0], scale*a.attr.X[1]+shift)
		case shift == 0 && (a.op == OpSpread || a.op == OpBroadcast):
			return node(a.op, a.kind, a.shape, a.attr, Affine(a.in[0], scale, 0))
		}
	}
	return pointwise(OpAffine, Attr{X: [2]float64{scale, shift}}, a)
}

// Pow is a^p for a constant p.
func Pow(a *Value, p float64) *Value { return pointwise(OpPow, Attr{X: [2]float64{p}}, a) }

// Exp is e^a.
func Exp(a *Value) *Value { return pointwise(OpExp, Attr{}, a) }

// Log is the natural logarithm.
func Log(a *Value) *Value { return pointwise(OpLog, Attr{}, a) }

// Swish is the order-th derivative of the activation a·sigmoid(a); order 0 is the activation itself.
func Swish(a *Value, order int) *Value {
	if order < 0 {
		return bad(OpSwish, "negative order")
	}
	return pointwise(OpSwish, Attr{N: [2]int{order}}, a)
}

// Clamp is a limited to [lo, hi].
func Clamp(a *Value, lo, hi float64) *Value {
	return pointwise(OpClamp, Attr{X: [2]float64{lo, hi}}, a)
}

// Within is 1 where lo < a < hi and 0 elsewhere: the derivative of Clamp.
func Within(a *Value, lo, hi float64) *Value {
	return pointwise(OpWithin, Attr{X: [2]float64{lo, hi}}, a)
}

// Negative is 1 where a < 0 and 0 elsewhere.
func Negative(a *Value) *Value { return Within(a, math.Inf(-1), 0) }

// Sum adds the elements of v over the axes along which to has size 1; the other axes stay.
func Sum(v *Value, to Shape) *Value {
	if v != nil && v.err == nil {
		if v.shape == to {
			return v
		}
		for axis, n := range to {
			if n != 1 && n != v.shape[axis] {
				return bad(OpSum, "cannot sum %v to %v", v.shape, to)
			}
		}
		if v.op == OpBroadcast { // the sum of copies is a multiple
			inner := v.in[0]
			if s, _, err := join([]*Value{inner, {shape: to}}); err == nil && s == to {
				return Broadcast(Affine(inner, float64(v.shape.Size()/to.Size()), 0), to)
			}
		}
	}
	return unary(OpSum, v, to, Attr{})
}

// Total is the sum of all elements.
func Total(v *Value) *Value { return Sum(v, Scalar) }

// Broadcast repeats v along the axes where it has size 1.
func Broadcast(v *Value, to Shape) *Value {
	if v != nil && v.err == nil {
		if v.shape == to {
			return v
		}
		if s, _, err := join([]*Value{v, {shape: to}}); err != nil || s != to {
			return bad(OpBroadcast, "cannot broadcast %v to %v", v.shape, to)
		}
		if v.op == OpBroadcast {
			v = v.in[0]
		}
	}
	return unary(OpBroadcast, v, to, Attr{})
}

// unary builds an operation of one input that keeps its kind.
func unary(op Op, v *Value, shape Shape, attr Attr) *Value {
	kind := Shared
	if v != nil {
		kind = v.kind
	}
	return node(op, kind, shape, attr, v)
}

// BatchSum adds a sample value over the images of the batch: the one way, with ConvKernel, from sample to shared.
func BatchSum(v *Value) *Value {
	if v != nil && v.err == nil {
		if v.kind == Shared {
			return bad(OpBatchSum, "of a shared value")
		}
		if v.op == OpSpread {
			return Mul(v.in[0], BatchSize())
		}
		return node(OpBatchSum, Shared, v.shape, Attr{}, v)
	}
	return node(OpBatchSum, Shared, Scalar, Attr{}, v)
}

// BatchMean is the mean over the images of the batch.
func BatchMean(v *Value) *Value { return Mul(BatchSum(v), Pow(BatchSize(), -1)) }

// Spread gives every image a copy of a shared value.
func Spread(v *Value) *Value {
	if v != nil && v.err == nil && v.kind == Sample {
		return v
	}
	if v == nil {
		return bad(OpSpread, "a nil input")
	}
	return node(OpSpread, Sample, v.shape, Attr{}, v)
}

// Stop is v held fixed: its derivative is zero.
func Stop(v *Value) *Value {
	if v != nil && v.op == OpStop {
		return v
	}
	if v == nil {
		return bad(OpStop, "a nil input")
	}
	return unary(OpStop, v, v.shape, Attr{})
}
