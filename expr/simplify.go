package expr

import (
	"fmt"
	"slices"
)

// Simplify gives values equal to the given ones that take less to compute:
//
//	2·(3·x + 1) + 4                    6·x + 6                    constants are folded
//	Sum(Broadcast(c, H×W×1), 1×1×1)    (H·W)·c                    a sum of copies is a multiple
//	x·Broadcast(c, H×W×C)              x·c                        pointwise operations repeat by themselves
//
// Engines do this first. The constructors do none of it: what they build holds every value that it was built from, so that Grad may be
// taken with respect to any of them. Simplified values are to be computed, not differentiated: Stop is gone from them.
func Simplify(values ...*Value) []*Value {
	simple := map[*Value]*Value{}
	for _, v := range Order(values...) {
		in := make([]*Value, len(v.in))
		for i, u := range v.in {
			in[i] = simple[u]
		}
		simple[v] = simplified(v, in)
	}
	results := make([]*Value, len(values))
	for i, v := range values {
		results[i] = simple[v]
	}
	return results
}

// simplified is v computed from inputs that have been simplified. The result has v's shape and kind.
func simplified(v *Value, in []*Value) *Value {
	if v.err != nil {
		return v
	}
	switch v.op {
	case OpAdd:
		if a, c, ok := constOperand(v, in); ok {
			return affine(a, 1, c)
		}
	case OpMul:
		if a, c, ok := constOperand(v, in); ok {
			return affine(a, c, 0)
		}
	case OpAffine:
		return affine(in[0], v.attr.X[0], v.attr.X[1])
	case OpPow:
		if v.attr.X[0] == 1 {
			return in[0]
		}
	case OpSum: // of copies
		if in[0].op == OpBroadcast {
			inner := in[0].in[0]
			if s, _, err := join(inner, v); err == nil && s == v.shape {
				return Broadcast(affine(inner, float64(in[0].shape.Size()/v.shape.Size()), 0), v.shape)
			}
		}
	case OpBatchSum: // of copies
		if in[0].op == OpSpread {
			return Mul(in[0].in[0], BatchSize())
		}
	case OpBroadcast:
		if in[0].op == OpBroadcast {
			return Broadcast(in[0].in[0], v.shape)
		}
	case OpFlip:
		if in[0].op == OpFlip {
			return in[0].in[0]
		}
	case OpStop:
		return in[0]
	}
	if v.op.Pointwise() {
		in = dropBroadcasts(v, in)
	}
	if slices.Equal(in, v.in) {
		return v
	}
	return node(v.op, v.kind, v.shape, v.attr, in...)
}

// constOperand finds a constant among the two inputs of a pointwise v, repeated or not, where the other input has v's shape and kind by
// itself.
func constOperand(v *Value, in []*Value) (other *Value, c float64, ok bool) {
	for i, u := range in {
		for u.op == OpSpread || u.op == OpBroadcast {
			u = u.in[0]
		}
		if other := in[1-i]; u.op == OpConst && other.shape == v.shape && other.kind == v.kind {
			return other, u.attr.X[0], true
		}
	}
	return nil, 0, false
}

// affine is scale·a + shift, taken before a is repeated.
func affine(a *Value, scale, shift float64) *Value {
	switch {
	case scale == 1 && shift == 0:
		return a
	case a.op == OpConst:
		return Const(scale*a.attr.X[0] + shift)
	case a.op == OpAffine:
		return affine(a.in[0], scale*a.attr.X[0], scale*a.attr.X[1]+shift)
	case a.op == OpSpread || a.op == OpBroadcast:
		return node(a.op, a.kind, a.shape, a.attr, affine(a.in[0], scale, shift))
	}
	return Affine(a, scale, shift)
}

// dropBroadcasts leaves out spreads and broadcasts of the inputs of a pointwise v where the other inputs give it its shape and kind.
func dropBroadcasts(v *Value, in []*Value) []*Value {
	in = slices.Clone(in)
	for i := range in {
		for in[i].op == OpBroadcast || in[i].op == OpSpread {
			trial := slices.Clone(in)
			trial[i] = in[i].in[0]
			if s, k, err := join(trial...); err != nil || s != v.shape || k != v.kind {
				break
			}
			in = trial
		}
	}
	return in
}

// Replace gives values as they are with others in the place of some that they are computed from, or are: with[v] in that of v, of the same
// kind and shape. Replaced values are to be computed, as simplified ones are.
func Replace(with map[*Value]*Value, values ...*Value) []*Value {
	replaced := map[*Value]*Value{}
	for _, v := range Order(values...) {
		if other, ok := with[v]; ok {
			if err := Err(other); err != nil {
				other = Invalid(err)
			} else if other.kind != v.kind || other.shape != v.shape {
				other = Invalid(fmt.Errorf("expr: %v in the place of %v", other, v))
			}
			replaced[v] = other
			continue
		}
		in := make([]*Value, len(v.in))
		for i, u := range v.in {
			in[i] = replaced[u]
		}
		replaced[v] = v
		if err := Err(in...); v.err == nil && err != nil {
			replaced[v] = Invalid(err)
		} else if !slices.Equal(in, v.in) {
			replaced[v] = node(v.op, v.kind, v.shape, v.attr, in...)
		}
	}
	results := make([]*Value, len(values))
	for i, v := range values {
		results[i] = replaced[v]
	}
	return results
}
