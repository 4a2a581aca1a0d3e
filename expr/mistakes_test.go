package expr_test

import (
	"math"
	"math/bits"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/expr"
)

// constructors makes a value of each operation from inputs of these shapes.
var constructors = []struct {
	op     expr.Op
	inputs []*expr.Value
	make   func(in []*expr.Value) *expr.Value
}{
	{expr.OpInput, nil, func([]*expr.Value) *expr.Value { return expr.Input("x", shape{1, 2, 3}) }},
	{expr.OpParam, nil, func([]*expr.Value) *expr.Value { return expr.Param("x", shape{1, 2, 3}) }},
	{expr.OpGaussian, nil, func([]*expr.Value) *expr.Value { return expr.Gaussian("x", shape{1, 2, 3}) }},
	{expr.OpUniform, nil, func([]*expr.Value) *expr.Value { return expr.Uniform("x", shape{1, 2, 3}) }},
	{expr.OpConst, nil, func([]*expr.Value) *expr.Value { return expr.Const(1) }},
	{expr.OpBatchSize, nil, func([]*expr.Value) *expr.Value { return expr.BatchSize() }},
	{expr.OpAdd, two(odd, odd), func(in []*expr.Value) *expr.Value { return expr.Add(in[0], in[1]) }},
	{expr.OpAdd, two(odd, odd), func(in []*expr.Value) *expr.Value { return expr.Sub(in[0], in[1]) }},
	{expr.OpMul, two(odd, odd), func(in []*expr.Value) *expr.Value { return expr.Mul(in[0], in[1]) }},
	{expr.OpAffine, single(odd), func(in []*expr.Value) *expr.Value { return expr.Affine(in[0], 2, 1) }},
	{expr.OpPow, single(odd), func(in []*expr.Value) *expr.Value { return expr.Pow(in[0], 2) }},
	{expr.OpExp, single(odd), func(in []*expr.Value) *expr.Value { return expr.Exp(in[0]) }},
	{expr.OpLog, single(odd), func(in []*expr.Value) *expr.Value { return expr.Log(in[0]) }},
	{expr.OpSwish, single(odd), func(in []*expr.Value) *expr.Value { return expr.Swish(in[0], 0) }},
	{expr.OpClamp, single(odd), func(in []*expr.Value) *expr.Value { return expr.Clamp(in[0], 0, 1) }},
	{expr.OpWithin, single(odd), func(in []*expr.Value) *expr.Value { return expr.Within(in[0], 0, 1) }},
	{expr.OpWithin, single(odd), func(in []*expr.Value) *expr.Value { return expr.Negative(in[0]) }},
	{expr.OpSum, single(odd), func(in []*expr.Value) *expr.Value { return expr.Sum(in[0], shape{1, 3, 1}) }},
	{expr.OpSum, single(odd), func(in []*expr.Value) *expr.Value { return expr.Total(in[0]) }},
	{expr.OpBroadcast, single(shape{1, 3, 1}), func(in []*expr.Value) *expr.Value { return expr.Broadcast(in[0], odd) }},
	{expr.OpGroupSum, single(shape{1, 1, 6}), func(in []*expr.Value) *expr.Value { return expr.GroupSum(in[0], 2) }},
	{expr.OpSlice, single(odd), func(in []*expr.Value) *expr.Value { return expr.Slice(in[0], 1, 3) }},
	{expr.OpEmbed, single(odd), func(in []*expr.Value) *expr.Value { return expr.Embed(in[0], 1, 7) }},
	{expr.OpConv, []*expr.Value{expr.Input("x", odd), expr.Param("w", shape{9, 5, 4})}, func(in []*expr.Value) *expr.Value { return expr.Conv(in[0], in[1]) }},
	{expr.OpFlip, []*expr.Value{expr.Param("w", shape{9, 5, 4})}, func(in []*expr.Value) *expr.Value { return expr.Flip(in[0]) }},
	{expr.OpConvKernel, two(odd, shape{2, 3, 4}), func(in []*expr.Value) *expr.Value { return expr.ConvKernel(in[0], in[1], 9) }},
	{expr.OpPool, single(odd), func(in []*expr.Value) *expr.Value { return expr.Pool(in[0]) }},
	{expr.OpUnpool, single(shape{1, 2, 5}), func(in []*expr.Value) *expr.Value { return expr.Unpool(in[0], odd) }},
	{expr.OpMatMul, two(odd, shape{5, 1, 2}), func(in []*expr.Value) *expr.Value { return expr.MatMul(in[0], in[1], false, false) }},
	{expr.OpSoftmax, single(odd), func(in []*expr.Value) *expr.Value { return expr.Softmax(in[0]) }},
	{expr.OpNormalise, single(odd), func(in []*expr.Value) *expr.Value { return expr.Normalise(in[0], 5, 0) }},
	{expr.OpInvStd, single(odd), func(in []*expr.Value) *expr.Value { return expr.InvStd(in[0], 1, 0) }},
	{expr.OpSingular, []*expr.Value{expr.Param("w", odd)}, func(in []*expr.Value) *expr.Value { return expr.Singular(in[0]) }},
	{expr.OpNearest, []*expr.Value{expr.Input("x", odd), expr.Param("r", shape{4, 6, 5})}, func(in []*expr.Value) *expr.Value { return expr.Nearest(in[0], in[1], 4) }},
	{expr.OpStop, single(odd), func(in []*expr.Value) *expr.Value { return expr.Stop(in[0]) }},
	{expr.OpBatchSum, single(odd), func(in []*expr.Value) *expr.Value { return expr.BatchSum(in[0]) }},
	{expr.OpMul, single(odd), func(in []*expr.Value) *expr.Value { return expr.BatchMean(in[0]) }},
	{expr.OpSpread, []*expr.Value{expr.Param("w", odd)}, func(in []*expr.Value) *expr.Value { return expr.Spread(in[0]) }},
}

var odd = shape{2, 3, 5}

func single(s shape) []*expr.Value { return []*expr.Value{expr.Input("x", s)} }
func two(s, r shape) []*expr.Value { return []*expr.Value{expr.Input("x", s), expr.Input("y", r)} }

// TestConstructors: each makes its operation, of the shape that the evaluation has; with an input that is nil, a zero Value or
// invalid it makes an invalid value that keeps the first mistake.
func TestConstructors(t *testing.T) {
	mistake := expr.Slice(expr.Const(1), 5, 2)
	made := map[expr.Op]bool{}
	for _, c := range constructors {
		v := c.make(c.inputs)
		if err := expr.Err(v); err != nil {
			t.Errorf("%v: %v", c.op, err)
			continue
		}
		if v.Op() != c.op || v.Shape().Size() < 1 {
			t.Errorf("%v instead of %v", v, c.op)
		}
		made[v.Op()] = true
		eval(t, random(1, 0.3, 1.7, v), v)
		for i := range c.inputs {
			for _, broken := range []*expr.Value{nil, {}, mistake} {
				in := append([]*expr.Value(nil), c.inputs...)
				in[i] = broken
				v := c.make(in)
				if v == nil || expr.Err(v) == nil {
					t.Errorf("%v of the input %d %v is valid", c.op, i, broken)
				} else if broken == mistake && expr.Err(v) != expr.Err(mistake) {
					t.Errorf("%v says %q, but the mistake was %q", c.op, expr.Err(v), expr.Err(mistake))
				}
			}
		}
	}
	for op := expr.OpInvalid + 1; op.String() != "unknown"; op++ {
		if !made[op] {
			t.Errorf("no case for %v", op)
		}
		if op.Leaf() != (op < expr.OpAdd) || op.Leaf() && op.Pointwise() {
			t.Errorf("%v is a leaf: %v", op, op.Leaf())
		}
	}
}

// TestMistakes: shapes, kinds and numbers that do not fit make a value that says so in a line, and that nothing computes.
func TestMistakes(t *testing.T) {
	x, w, k := expr.Input("x", odd), expr.Param("w", odd), expr.Param("k", shape{9, 5, 4})
	six := expr.Input("six", shape{1, 1, 6})
	for name, v := range map[string]*expr.Value{
		"no name":                     expr.Input("", odd),
		"no pixels":                   expr.Param("p", shape{0, 1, 1}),
		"negative channels":           expr.Gaussian("g", shape{1, 1, -1}),
		"zero shape":                  expr.Uniform("u", shape{}),
		"too many elements":           expr.Param("p", shape{math.MaxInt, 2, 2}),
		"sizes that wrap around":      expr.Param("p", shape{1 << (bits.UintSize / 2), 1 << (bits.UintSize / 2), 1}),
		"add":                         expr.Add(x, expr.Param("v", shape{2, 3, 4})),
		"subtract":                    expr.Sub(x, expr.Param("v", shape{3, 3, 5})),
		"multiply":                    expr.Mul(x, expr.Param("v", shape{2, 2, 5})),
		"swish":                       expr.Swish(x, -1),
		"sum to another size":         expr.Sum(x, shape{2, 2, 5}),
		"sum to nothing":              expr.Sum(x, shape{}),
		"sum to more":                 expr.Sum(expr.Const(1), odd),
		"broadcast to another size":   expr.Broadcast(x, shape{4, 3, 5}),
		"broadcast to less":           expr.Broadcast(x, expr.Scalar),
		"broadcast to nothing":        expr.Broadcast(expr.Const(1), shape{0, 1, 1}),
		"broadcast to negative":       expr.Broadcast(expr.Const(1), shape{1, -4, 1}),
		"groups of pixels":            expr.GroupSum(x, 5),
		"no groups":                   expr.GroupSum(six, 0),
		"uneven groups":               expr.GroupSum(six, 4),
		"slice from below":            expr.Slice(x, -1, 2),
		"slice beyond":                expr.Slice(x, 2, 6),
		"empty slice":                 expr.Slice(x, 2, 2),
		"embed below":                 expr.Embed(x, -1, 9),
		"embed beyond":                expr.Embed(x, 2, 6),
		"embed far beyond":            expr.Embed(x, math.MaxInt, 6),
		"convolve by a sample":        expr.Conv(x, expr.Input("k", shape{9, 5, 4})),
		"convolve by 4 taps":          expr.Conv(x, expr.Param("k", shape{4, 5, 4})),
		"convolve other channels":     expr.Conv(x, expr.Param("k", shape{9, 4, 5})),
		"flip a sample":               expr.Flip(x),
		"kernel of other pixels":      expr.ConvKernel(x, expr.Input("y", shape{3, 2, 5}), 9),
		"kernel of 3 taps":            expr.ConvKernel(x, x, 3),
		"unpool":                      expr.Unpool(x, shape{5, 5, 5}),
		"unpool to other channels":    expr.Unpool(x, shape{4, 6, 4}),
		"unpool to nothing":           expr.Unpool(x, shape{}),
		"multiply matrices":           expr.MatMul(x, x, false, false),
		"multiply matrices, turned":   expr.MatMul(x, k, true, false),
		"normalise in no groups":      expr.Normalise(x, 0, 1e-5),
		"normalise in uneven groups":  expr.Normalise(x, 2, 1e-5),
		"normalise with negative eps": expr.InvStd(x, 5, -1),
		"singular vectors of samples": expr.Singular(x),
		"nearest of samples":          expr.Nearest(x, expr.Input("r", shape{4, 6, 5}), 1),
		"nearest of other images":     expr.Nearest(x, expr.Param("r", shape{4, 6, 4}), 1),
		"nearest, channels first":     expr.Nearest(x, expr.Param("r", shape{4, 5, 6}), 1),
		"zeroth nearest":              expr.Nearest(x, expr.Param("r", shape{4, 6, 5}), 0),
		"fifth of four":               expr.Nearest(x, expr.Param("r", shape{4, 6, 5}), 5),
		"sum a parameter over images": expr.BatchSum(w),
		"mean of a parameter":         expr.BatchMean(w),
		"gradient of an image":        expr.Grad(x, x)[0],
		"gradient of nil":             expr.Grad(nil, x)[0],
		"gradient by nil":             expr.Grad(expr.Total(x), x, nil)[0],
		"gradient of a mistake":       expr.Grad(expr.Total(expr.Flip(x)), x)[0],
	} {
		t.Run(name, func(t *testing.T) {
			err := expr.Err(x, v)
			if err == nil {
				t.Fatalf("%v is valid", v)
			}
			if text := err.Error(); !strings.HasPrefix(text, "expr: ") || strings.Count(text, "expr:") != 1 || strings.Contains(text, "\n") {
				t.Errorf("the error reads %q", text)
			}
			deep := v
			for range 100 {
				deep = expr.Mul(expr.Add(deep, x), expr.Stop(deep))
			}
			if expr.Err(deep) != err {
				t.Errorf("what is built from it says %q, not %q", expr.Err(deep), err)
			}
			if !strings.Contains(v.String(), err.Error()) {
				t.Errorf("it prints as %q", v)
			}
			if _, err := reference.Eval([]*expr.Value{deep}, 1, nil); err == nil {
				t.Error("it is computed")
			}
		})
	}
}
