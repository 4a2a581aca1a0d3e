package expr

import "slices"

// This file differentiates, by reverse accumulation: from the scalar back to the leaves, each value's cotangent, the derivative of the
// scalar with respect to it, is the sum of what its users' rules give.

// rules are the derivatives of the operations. For y = op(a, b, ...) and a cotangent g, of y's shape and kind, a rule gives the cotangents
// of the inputs, in operations of the same set: that closes it under differentiation. A rule may return a value of a larger shape than its
// input, or per image where the input is shared, as Add does for x + μ with one μ for all images: the sum that is then due, the transpose
// of broadcasting, is taken by unbroadcast. nil means zero.
//
// Operations without a rule are leaves or locally constant.
var rules = map[Op]func(y, g *Value) []*Value{
	OpAdd:    func(y, g *Value) []*Value { return []*Value{g, g} },
	OpMul:    func(y, g *Value) []*Value { return []*Value{Mul(g, y.in[1]), Mul(g, y.in[0])} },
	OpAffine: func(y, g *Value) []*Value { return only(Affine(g, y.attr.X[0], 0)) },
	OpPow: func(y, g *Value) []*Value {
		p := y.attr.X[0]
		if p == 0 { // 0·a^-1 is not 0 where a is
			return only(nil)
		}
		return only(Affine(Mul(g, Pow(y.in[0], p-1)), p, 0))
	},
	OpExp:   func(y, g *Value) []*Value { return only(Mul(g, y)) },
	OpLog:   func(y, g *Value) []*Value { return only(Mul(g, Pow(y.in[0], -1))) },
	OpSwish: func(y, g *Value) []*Value { return only(Mul(g, Swish(y.in[0], y.attr.N[0]+1))) },
	OpClamp: func(y, g *Value) []*Value { return only(Mul(g, Within(y.in[0], y.attr.X[0], y.attr.X[1]))) },

	OpSum:       func(y, g *Value) []*Value { return only(Broadcast(g, y.in[0].shape)) },
	OpBroadcast: func(y, g *Value) []*Value { return only(g) },
	OpGroupSum:  func(y, g *Value) []*Value { return only(GroupSum(g, y.attr.N[0])) },
	OpSlice:     func(y, g *Value) []*Value { return only(Embed(g, y.attr.N[0], y.in[0].shape[2])) },
	OpEmbed:     func(y, g *Value) []*Value { return only(Slice(g, y.attr.N[0], y.attr.N[0]+y.in[0].shape[2])) },

	OpConv: func(y, g *Value) []*Value {
		x, w := y.in[0], y.in[1]
		return []*Value{Conv(g, Flip(w)), ConvKernel(x, g, w.shape[0])}
	},
	OpFlip: func(y, g *Value) []*Value { return only(Flip(g)) },
	OpConvKernel: func(y, g *Value) []*Value {
		x, dy := y.in[0], y.in[1]
		return []*Value{Conv(dy, Flip(g)), Conv(x, g)}
	},
	OpPool:   func(y, g *Value) []*Value { return only(Unpool(g, y.in[0].shape)) },
	OpUnpool: func(y, g *Value) []*Value { return only(Pool(g)) },
	OpMatMul: func(y, g *Value) []*Value {
		a, b, ta, tb := y.in[0], y.in[1], y.attr.TA, y.attr.TB
		da, db := matMul(g, b, false, !tb, a.shape), matMul(a, g, !ta, false, b.shape)
		if ta {
			da = matMul(b, g, tb, true, a.shape)
		}
		if tb {
			db = matMul(g, a, true, ta, b.shape)
		}
		return []*Value{da, db}
	},

	OpSoftmax: func(y, g *Value) []*Value {
		perPixel := Shape{y.shape[0], y.shape[1], 1}
		return only(Mul(y, Sub(g, Sum(Mul(g, y), perPixel))))
	},
	OpNormalise: func(y, g *Value) []*Value { // dx = r·(g - mean(g) - x̂·mean(g·x̂))
		groups, eps := y.attr.N[0], y.attr.X[0]
		r := InvStd(y.in[0], groups, eps)
		centred := Sub(Sub(g, groupMean(g, groups)), Mul(y, groupMean(Mul(g, y), groups)))
		return only(Mul(r, centred))
	},
	OpInvStd: func(y, g *Value) []*Value { // dr/dx = -r²·x̂/n
		groups, eps, x := y.attr.N[0], y.attr.X[0], y.in[0]
		n := float64(x.shape.Size() / groups)
		slope := Affine(Mul(Mul(y, y), GroupSum(g, groups)), -1/n, 0)
		return only(Mul(Normalise(x, groups, eps), slope))
	},

	OpBatchSum: func(y, g *Value) []*Value { return only(Spread(g)) },
	OpSpread:   func(y, g *Value) []*Value { return only(g) },
}

// only is the cotangent of an operation's one input.
func only(v *Value) []*Value { return []*Value{v} }

// unbroadcast sums a cotangent over the axes, and the batch, along which v was repeated, and repeats it where v was not. For v a shared
// 1×1×C and a cotangent per image of H×W×C that is the sum over pixels and images.
func unbroadcast(cotangent, v *Value) *Value {
	if Err(cotangent) != nil {
		return cotangent
	}
	shape := cotangent.shape
	for axis, n := range v.shape {
		if n == 1 {
			shape[axis] = 1
		}
	}
	c := Sum(cotangent, shape)
	switch {
	case c.kind == Sample && v.kind == Shared:
		c = BatchSum(c)
	case c.kind == Shared && v.kind == Sample:
		c = Spread(c)
	}
	return Broadcast(c, v.shape)
}

// Grad gives the derivatives of a scalar with respect to each of the values, in the same order. For a sample scalar it is the
// derivative of the sum over the batch: with respect to a sample value that is each image's own gradient. What y does not depend
// on has derivative zero. The results are ordinary values, to be computed or differentiated again.
func Grad(y *Value, wrt ...*Value) []*Value {
	results := make([]*Value, len(wrt))
	if err := Err(append([]*Value{y}, wrt...)...); err != nil {
		for i := range results {
			results[i] = Invalid(err)
		}
		return results
	}
	if y.shape != Scalar {
		for i := range results {
			results[i] = mistake(OpInvalid, "the gradient of a value of shape %v, which is no scalar", y.shape)
		}
		return results
	}
	order, first := deduplicate(Order(append([]*Value{y}, wrt...)...), wrt)
	active := map[*Value]bool{} // what depends on one of wrt
	for _, v := range wrt {
		active[first[v]] = true
	}
	for _, v := range order {
		if rules[v.op] == nil {
			continue
		}
		for _, in := range v.in {
			active[v] = active[v] || active[first[in]]
		}
	}
	cotangents := map[*Value]*Value{first[y]: unbroadcast(Const(1), y)}
	for i := len(order) - 1; i >= 0; i-- {
		v := order[i]
		g := cotangents[v]
		if g == nil || !active[v] || rules[v.op] == nil {
			continue
		}
		for j, c := range rules[v.op](v, g) {
			in := first[v.in[j]]
			if c == nil || !active[in] {
				continue
			}
			c = unbroadcast(c, in)
			if sum := cotangents[in]; sum != nil {
				c = Add(sum, c)
			}
			cotangents[in] = c
		}
	}
	for i, v := range wrt {
		if results[i] = cotangents[first[v]]; results[i] == nil {
			results[i] = unbroadcast(Const(0), v)
		}
	}
	return results
}

// deduplicate lists values, inputs before users, without those that equal an earlier one, and says for each which that is: the cotangents
// of equal values are added up before they are taken further, so that g1·(c·x) + g2·(c·x) is differentiated as (g1 + g2)·(c·x). Values to
// differentiate with respect to are equal to themselves only, but for leaves, which are equal by name.
func deduplicate(values, wrt []*Value) (order []*Value, first map[*Value]*Value) {
	type computation struct {
		op    Op
		kind  Kind
		shape Shape
		attr  Attr
		in    [2]*Value
		self  *Value
	}
	first, known := map[*Value]*Value{}, map[computation]*Value{}
	for _, v := range values {
		c := computation{op: v.op, kind: v.kind, shape: v.shape, attr: v.attr}
		if slices.Contains(wrt, v) && v.attr.Name == "" || len(v.in) > len(c.in) {
			c.self = v
		} else {
			for i, in := range v.in {
				c.in[i] = first[in]
			}
		}
		same := known[c]
		if same == nil { // also where a coefficient is NaN, which no key equals
			same, known[c] = v, v
			order = append(order, v)
		}
		first[v] = same
	}
	return order, first
}
