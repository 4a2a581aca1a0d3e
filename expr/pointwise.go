package expr

import (
	"fmt"
	"math"
)

// pointwise builds an element-by-element operation, which repeats its inputs along their axes of size 1.
func pointwise(op Op, attr Attr, in ...*Value) *Value {
	if err := Err(in...); err != nil {
		return Invalid(err)
	}
	shape, kind, err := join(in...)
	if err != nil {
		return mistake(op, "%v", err)
	}
	return node(op, kind, shape, attr, in...)
}

// join is the shape and kind of a pointwise combination.
func join(in ...*Value) (shape Shape, kind Kind, err error) {
	shape = Scalar
	for _, v := range in {
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

// Add is a + b.
func Add(a, b *Value) *Value { return pointwise(OpAdd, Attr{}, a, b) }

// Sub is a - b.
func Sub(a, b *Value) *Value { return Add(a, Affine(b, -1, 0)) }

// Mul is the elementwise product a·b.
func Mul(a, b *Value) *Value { return pointwise(OpMul, Attr{}, a, b) }

// Affine is scale·a + shift with constant coefficients.
func Affine(a *Value, scale, shift float64) *Value {
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
		return mistake(OpSwish, "negative order")
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

// Negative is 1 where -∞ < a < 0 and 0 elsewhere.
func Negative(a *Value) *Value { return Within(a, math.Inf(-1), 0) }

// Sum adds the elements of v over the axes along which to has size 1; the other axes stay.
func Sum(v *Value, to Shape) *Value {
	if err := Err(v); err != nil {
		return Invalid(err)
	}
	for axis, n := range to {
		if n != 1 && n != v.shape[axis] {
			return mistake(OpSum, "cannot sum %v to %v", v.shape, to)
		}
	}
	if v.shape == to {
		return v
	}
	return unary(OpSum, v, to, Attr{})
}

// Total is the sum of all elements.
func Total(v *Value) *Value { return Sum(v, Scalar) }

// Broadcast repeats v along the axes where it has size 1.
func Broadcast(v *Value, to Shape) *Value {
	if err := Err(v); err != nil {
		return Invalid(err)
	}
	for axis, n := range v.shape {
		if n != 1 && n != to[axis] {
			return mistake(OpBroadcast, "cannot broadcast %v to %v", v.shape, to)
		}
	}
	if v.shape == to {
		return v
	}
	return unary(OpBroadcast, v, to, Attr{})
}

// unary builds an operation of one valid input that keeps its kind.
func unary(op Op, v *Value, shape Shape, attr Attr) *Value { return node(op, v.kind, shape, attr, v) }

// BatchSum adds a sample value over the images of the batch: the one way, with ConvKernel, from sample to shared.
func BatchSum(v *Value) *Value {
	if err := Err(v); err != nil {
		return Invalid(err)
	}
	if v.kind == Shared {
		return mistake(OpBatchSum, "of a shared value")
	}
	return node(OpBatchSum, Shared, v.shape, Attr{}, v)
}

// BatchMean is the mean over the images of the batch.
func BatchMean(v *Value) *Value { return Mul(BatchSum(v), Pow(BatchSize(), -1)) }

// Spread gives every image a copy of a shared value; a sample value stays as it is.
func Spread(v *Value) *Value {
	if err := Err(v); err != nil {
		return Invalid(err)
	}
	if v.kind == Sample {
		return v
	}
	return node(OpSpread, Sample, v.shape, Attr{}, v)
}

// Stop is v held fixed: its derivative is zero.
func Stop(v *Value) *Value {
	if err := Err(v); err != nil {
		return Invalid(err)
	}
	return unary(OpStop, v, v.shape, Attr{})
}
