package expr_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/expr"
)

// written is the formula of v.
func written(v *expr.Value) string {
	a, in := v.Attr(), make([]string, len(v.In()))
	for i, u := range v.In() {
		in[i] = written(u)
	}
	switch v.Op() {
	case expr.OpConst:
		return fmt.Sprint(a.X[0])
	case expr.OpInput, expr.OpParam:
		return a.Name
	case expr.OpAffine:
		return fmt.Sprintf("%g·%s%+g", a.X[0], in[0], a.X[1])
	case expr.OpBroadcast, expr.OpSum:
		return fmt.Sprintf("%v(%s to %v)", v.Op(), in[0], v.Shape())
	}
	return fmt.Sprintf("%v(%s)", v.Op(), strings.Join(in, ", "))
}

// TestSimplifications: each rule, as a formula.
func TestSimplifications(t *testing.T) {
	s, perChannel := shape{2, 3, 4}, shape{1, 1, 4}
	x, w, c, k := expr.Input("x", s), expr.Param("w", s), expr.Param("c", perChannel), expr.Param("k", shape{9, 2, 2})
	two := expr.Const(2)
	for _, test := range []struct {
		v    *expr.Value
		want string
	}{
		{expr.Affine(x, 1, 0), "x"},
		{expr.Affine(expr.Affine(x, 2, 3), 5, 7), "10·x+22"},
		{expr.Affine(two, 3, 1), "7"},
		{expr.Add(x, two), "1·x+2"},
		{expr.Add(expr.Broadcast(two, s), x), "1·x+2"},
		{expr.Mul(expr.Spread(expr.Broadcast(two, s)), x), "2·x+0"},
		{expr.Mul(two, expr.Affine(expr.Const(3), 2, 0)), "12"},
		{expr.Mul(two, w), "2·w+0"},
		{expr.Mul(expr.Spread(two), w), "Mul(Spread(2), w)"}, // w alone is no sample value
		{expr.Mul(expr.Broadcast(two, s), c), "Mul(Broadcast(2 to 2×3×4), c)"},
		{expr.Sub(x, expr.Affine(two, 0.5, 0)), "1·x-1"},
		{expr.Affine(expr.Broadcast(c, s), 2, 1), "Broadcast(2·c+1 to 2×3×4)"},
		{expr.Affine(expr.Spread(c), 2, 1), "Spread(2·c+1)"},
		{expr.Add(x, expr.Spread(expr.Broadcast(c, s))), "Add(x, c)"},
		{expr.Mul(expr.Spread(w), expr.Spread(w)), "Mul(w, Spread(w))"},
		{expr.Mul(expr.Broadcast(c, s), expr.Broadcast(c, s)), "Mul(c, Broadcast(c to 2×3×4))"},
		{expr.Exp(expr.Broadcast(c, s)), "Exp(Broadcast(c to 2×3×4))"},
		{expr.Pow(x, 1), "x"},
		{expr.Sum(expr.Broadcast(c, s), perChannel), "6·c+0"},
		{expr.Sum(expr.Broadcast(c, s), shape{2, 1, 4}), "Broadcast(3·c+0 to 2×1×4)"},
		{expr.Sum(expr.Broadcast(c, s), expr.Scalar), "Sum(Broadcast(c to 2×3×4) to 1×1×1)"},
		{expr.Broadcast(expr.Broadcast(expr.Total(c), perChannel), s), "Broadcast(Sum(c to 1×1×1) to 2×3×4)"},
		{expr.BatchSum(expr.Spread(w)), "Mul(w, BatchSize())"},
		{expr.Flip(expr.Flip(k)), "k"},
		{expr.Mul(x, expr.Stop(x)), "Mul(x, x)"},
		{expr.Conv(expr.Mul(x, two), expr.Param("k", shape{1, 4, 4})), "Conv(2·x+0, k)"},
	} {
		if err := expr.Err(test.v); err != nil {
			t.Fatal(err)
		}
		got := expr.Simplify(test.v)[0]
		if written(got) != test.want {
			t.Errorf("%s becomes %s, want %s", written(test.v), written(got), test.want)
		}
		agree(t, random(1, 0.3, 1.7, test.v), test.v)
	}
}

// agree holds that simplification changes neither kind nor shape nor numbers.
func agree(t *testing.T, n numbers, values ...*expr.Value) {
	t.Helper()
	simple := expr.Simplify(values...)
	want, got := eval(t, n, values...), eval(t, n, simple...)
	for i, v := range values {
		if simple[i].Kind() != v.Kind() || simple[i].Shape() != v.Shape() {
			t.Fatalf("%v becomes %v", v, simple[i])
		}
		largest := 1.0
		for _, x := range want[i] {
			largest = max(largest, math.Abs(x))
		}
		for j := range want[i] {
			if !(math.Abs(got[i][j]-want[i][j]) <= 1e-12*largest) {
				t.Fatalf("%v[%d] is %.12g, simplified %.12g", v, j, want[i][j], got[i][j])
			}
		}
	}
}

// randomExpression applies operations chosen at random to leaves and to each other's results.
func randomExpression(r *rand.Rand) *expr.Value {
	s := shape{1 + r.IntN(3), 1 + r.IntN(3), 2 * (1 + r.IntN(2))}
	pool := []*expr.Value{
		expr.Input("x", s), expr.Param("w", s), expr.Input("label", s.Channels()), expr.Param("bias", s.Channels()),
		expr.Param("scalar", expr.Scalar), expr.Const(0.5), expr.Const(-1), expr.BatchSize(),
		expr.Broadcast(expr.Param("rows", shape{s[0], 1, 1}), s), expr.Spread(expr.Param("spread", s)),
	}
	to := func() (to shape) {
		for axis := range to {
			to[axis] = []int{1, s[axis]}[r.IntN(2)]
		}
		return to
	}
	operations := []func(a, b *expr.Value) *expr.Value{
		expr.Add, expr.Sub, expr.Mul,
		func(a, _ *expr.Value) *expr.Value {
			return expr.Affine(a, float64(r.IntN(5)-2)/2, float64(r.IntN(3)-1))
		},
		func(a, _ *expr.Value) *expr.Value { return expr.Swish(a, r.IntN(3)) },
		func(a, _ *expr.Value) *expr.Value { return expr.Clamp(a, -1, 1) },
		func(a, _ *expr.Value) *expr.Value { return expr.Pow(a, float64(r.IntN(3))) },
		func(a, _ *expr.Value) *expr.Value { return expr.Sum(a, to()) },
		func(a, _ *expr.Value) *expr.Value { return expr.Broadcast(a, to()) },
		func(a, _ *expr.Value) *expr.Value { return expr.Spread(a) },
		func(a, _ *expr.Value) *expr.Value { return expr.BatchMean(a) },
		func(a, _ *expr.Value) *expr.Value { return expr.Stop(a) },
		func(a, _ *expr.Value) *expr.Value { return expr.Flip(a) },
		func(a, _ *expr.Value) *expr.Value { return expr.GroupSum(a, 2) },
		func(a, _ *expr.Value) *expr.Value { return expr.Embed(expr.Slice(a, 1, 2), 0, s[2]) },
		func(a, b *expr.Value) *expr.Value { return expr.MatMul(a, b, false, true) },
	}
	for len(pool) < 30 {
		// The newest values are chosen most, so that the expression becomes deep.
		pick := func() *expr.Value { return pool[len(pool)-1-min(r.IntN(len(pool)), r.IntN(len(pool)))] }
		if v := operations[r.IntN(len(operations))](pick(), pick()); expr.Err(v) == nil {
			pool = append(pool, v)
		}
	}
	y := expr.Const(0)
	for _, v := range pool[len(pool)-4:] {
		y = expr.Add(y, expr.Total(expr.Swish(v, 0)))
	}
	return y
}

// TestSimplifyRandomExpressions: random expressions, their gradients and the gradients of those are the same simplified.
func TestSimplifyRandomExpressions(t *testing.T) {
	shorter := 0
	for seed := range uint64(300) {
		y := randomExpression(rand.New(rand.NewPCG(seed, 2)))
		if err := expr.Err(y); err != nil {
			t.Fatal(err)
		}
		var leaves []*expr.Value
		for _, v := range expr.Order(y) {
			if v.Attr().Name != "" {
				leaves = append(leaves, v)
			}
		}
		values := append([]*expr.Value{y}, expr.Grad(y, leaves...)...)
		for _, g := range slices.Clone(values[1:]) {
			values = append(values, expr.Grad(expr.Total(expr.Mul(g, g)), leaves...)...)
		}
		agree(t, random(seed, -1, 1, values...), values...)
		simple := expr.Simplify(values...)
		if len(expr.Order(simple...)) < len(expr.Order(values...)) {
			shorter++
		}
		if again := expr.Simplify(simple...); len(expr.Order(again...)) > len(expr.Order(simple...)) {
			t.Errorf("seed %d: simplified twice is larger", seed)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if shorter < 250 {
		t.Errorf("only %d of 300 expressions became shorter", shorter)
	}
}

// TestSimplifyKeepsErrors: what is invalid stays so.
func TestSimplifyKeepsErrors(t *testing.T) {
	for _, v := range []*expr.Value{nil, {}, expr.Slice(expr.Const(1), 5, 2), expr.Affine(nil, 2, 1)} {
		if expr.Err(expr.Simplify(v)...) == nil {
			t.Errorf("%v became valid", v)
		}
	}
	if got := expr.Simplify(); len(got) != 0 {
		t.Errorf("nothing became %v", got)
	}
}
