package expr_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/expr"
)

// rule is a case for the derivatives of an operation: a value built from leaves named a and b.
type rule struct {
	name   string
	leaves []*expr.Value
	y      *expr.Value
}

var (
	kinds = []expr.Kind{expr.Shared, expr.Sample}
	pairs = [][2]expr.Kind{{expr.Shared, expr.Shared}, {expr.Shared, expr.Sample}, {expr.Sample, expr.Shared}, {expr.Sample, expr.Sample}}
)

// collapsed lists s with every choice of its axes made 1.
func collapsed(s shape) (out []shape) {
	for mask := range 8 {
		c := s
		for axis := range c {
			if mask>>axis&1 == 1 {
				c[axis] = 1
			}
		}
		out = append(out, c)
	}
	return out
}

// ruleCases covers every rule, at odd shapes, for samples and shared values, repeated along every axis.
func ruleCases() (cases []rule) {
	unary := func(name string, k expr.Kind, s shape, f func(a *expr.Value) *expr.Value) {
		a := leaf(k, "a", s)
		cases = append(cases, rule{fmt.Sprintf("%s/%v %v", name, k, s), []*expr.Value{a}, f(a)})
	}
	binary := func(name string, k [2]expr.Kind, s, r shape, f func(a, b *expr.Value) *expr.Value) {
		a, b := leaf(k[0], "a", s), leaf(k[1], "b", r)
		cases = append(cases, rule{fmt.Sprintf("%s/%v %v, %v %v", name, k[0], s, k[1], r), []*expr.Value{a, b}, f(a, b)})
	}
	odd := shape{2, 3, 5}

	for _, k := range pairs {
		for _, s := range collapsed(odd) {
			binary("Add", k, odd, s, expr.Add)
			binary("Mul", k, s, odd, expr.Mul)
		}
		binary("Add", k, shape{2, 1, 5}, shape{1, 3, 1}, expr.Add)
		binary("Mul", k, shape{1, 3, 1}, shape{2, 1, 5}, expr.Mul)
		binary("Sub", k, odd, odd, expr.Sub)
		unary("Mul by itself", k[0], odd, func(a *expr.Value) *expr.Value { return expr.Mul(a, a) })
	}
	for _, k := range kinds {
		pointwise := func(name string, f func(a *expr.Value) *expr.Value) { unary(name, k, odd, f) }
		pointwise("Affine", func(a *expr.Value) *expr.Value { return expr.Affine(a, -1.5, 0.5) })
		for _, p := range []float64{-1, 0, 0.5, 1, 2, 3} {
			pointwise(fmt.Sprintf("Pow %g", p), func(a *expr.Value) *expr.Value { return expr.Pow(a, p) })
		}
		pointwise("Exp", expr.Exp)
		pointwise("Log", expr.Log)
		for order := range 3 {
			pointwise(fmt.Sprintf("Swish %d", order), func(a *expr.Value) *expr.Value { return expr.Swish(a, order) })
		}
		pointwise("Clamp", func(a *expr.Value) *expr.Value { return expr.Mul(a, expr.Clamp(a, 0.8, 1.2)) })

		for _, s := range collapsed(odd) {
			unary(fmt.Sprintf("Sum to %v", s), k, odd, func(a *expr.Value) *expr.Value { return expr.Sum(a, s) })
			unary("Broadcast", k, s, func(a *expr.Value) *expr.Value { return expr.Broadcast(a, odd) })
		}
		for _, groups := range []int{1, 2, 3} {
			of := fmt.Sprintf(" in %d groups", groups)
			unary("GroupSum"+of, k, shape{1, 1, 6}, func(a *expr.Value) *expr.Value { return expr.GroupSum(a, groups) })
			unary("Normalise"+of, k, shape{3, 1, 6}, func(a *expr.Value) *expr.Value { return expr.Normalise(a, groups, 1e-2) })
			unary("InvStd"+of, k, shape{1, 5, 6}, func(a *expr.Value) *expr.Value { return expr.InvStd(a, groups, 1e-2) })
		}
		unary("Normalise channels", k, odd, func(a *expr.Value) *expr.Value { return expr.Normalise(a, 5, 1e-2) })
		unary("Softmax", k, odd, expr.Softmax)
		for _, c := range [][2]int{{0, 5}, {0, 1}, {2, 5}, {1, 4}} {
			unary(fmt.Sprintf("Slice %v", c), k, odd, func(a *expr.Value) *expr.Value { return expr.Slice(a, c[0], c[1]) })
			unary(fmt.Sprintf("Embed %v", c), k, odd, func(a *expr.Value) *expr.Value { return expr.Embed(a, c[0], c[0]+c[1]+5) })
		}
		for _, hw := range [][2]int{{1, 1}, {2, 2}, {1, 4}, {5, 4}, {3, 7}} {
			s := shape{hw[0], hw[1], 2}
			small := shape{(hw[0] + 1) / 2, (hw[1] + 1) / 2, 2}
			unary("Pool", k, s, expr.Pool)
			unary(fmt.Sprintf("Unpool to %v", s), k, small, func(a *expr.Value) *expr.Value { return expr.Unpool(a, s) })
			for _, taps := range []int{1, 9} {
				binary("Conv", [2]expr.Kind{k, expr.Shared}, s, shape{taps, 2, 3}, expr.Conv)
				binary("Conv by a flip", [2]expr.Kind{k, expr.Shared}, s, shape{taps, 3, 2}, func(a, b *expr.Value) *expr.Value {
					return expr.Conv(a, expr.Flip(b))
				})
				for _, k2 := range kinds {
					binary(fmt.Sprintf("ConvKernel of %d taps", taps), [2]expr.Kind{k, k2}, s, shape{hw[0], hw[1], 3},
						func(a, b *expr.Value) *expr.Value { return expr.ConvKernel(a, b, taps) })
				}
			}
		}
	}
	for _, k := range pairs {
		matMul := func(s, r shape, ta, tb bool) {
			binary(fmt.Sprintf("MatMul %v %v", ta, tb), k, s, r, func(a, b *expr.Value) *expr.Value { return expr.MatMul(a, b, ta, tb) })
		}
		matMul(shape{2, 3, 4}, shape{1, 4, 5}, false, false)
		matMul(shape{2, 3, 4}, shape{3, 2, 5}, true, false)
		matMul(shape{2, 3, 4}, shape{5, 1, 4}, false, true)
		matMul(shape{2, 3, 4}, shape{1, 5, 6}, true, true)
	}
	unary("BatchSum", expr.Sample, odd, expr.BatchSum)
	unary("BatchMean", expr.Sample, odd, expr.BatchMean)
	unary("Spread", expr.Shared, odd, expr.Spread)
	return cases
}

// TestRules compares first and second derivatives with finite differences in float64:
//
//	L(a) = ⟨c, y(a)⟩ + ½⟨y(a), y(a)⟩        ∇L        ∇⟨v, ∇L⟩
func TestRules(t *testing.T) {
	for _, c := range ruleCases() {
		t.Run(c.name, func(t *testing.T) {
			loss := expr.Add(dot(c.y, like(c.y, "c")), expr.Affine(dot(c.y, c.y), 0.5, 0))
			directional := expr.Const(0)
			for i, g := range expr.Grad(loss, c.leaves...) {
				if v := c.leaves[i]; g.Shape() != v.Shape() || g.Kind() != v.Kind() {
					t.Errorf("the gradient for %v is %v", v, g)
				}
				directional = expr.Add(directional, dot(g, like(g, fmt.Sprintf("v%d", i))))
			}
			n := random(1, 0.3, 1.7, append(slices.Clone(c.leaves), loss, directional)...)
			checkGrad(t, loss, n, c.leaves...)
			checkGrad(t, directional, n, c.leaves...)
		})
	}
}

// TestEveryOperationHasACase holds that TestRules leaves out no rule and that no operation has lost its rule.
func TestEveryOperationHasACase(t *testing.T) {
	tested := map[expr.Op]bool{}
	for _, c := range ruleCases() {
		if err := expr.Err(c.y); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, v := range expr.Order(c.y) {
			tested[v.Op()] = true
		}
	}
	constant := []expr.Op{expr.OpWithin, expr.OpSingular, expr.OpNearest, expr.OpStop}
	for op := expr.OpInvalid + 1; op.String() != "unknown"; op++ {
		if want := !op.Leaf() && !slices.Contains(constant, op); expr.HasRule(op) != want {
			t.Errorf("%v has a rule: %v, want %v", op, !want, want)
		} else if expr.HasRule(op) && !tested[op] {
			t.Errorf("no case for the rule of %v", op)
		}
	}
}

// TestLocallyConstant: the operations without a rule pass no derivative on.
func TestLocallyConstant(t *testing.T) {
	x, w := expr.Input("x", shape{2, 3, 5}), expr.Param("w", shape{9, 2, 3})
	references := expr.Param("references", shape{4, 6, 5})
	for _, y := range []*expr.Value{
		expr.Stop(x), expr.Within(x, 0.4, 1), expr.Negative(x), expr.Nearest(x, references, 2), expr.Singular(w),
		expr.Stop(expr.Mul(w, w)), expr.Pow(x, 0),
	} {
		for _, leaf := range []*expr.Value{x, w, references} {
			g := expr.Grad(expr.Total(y), leaf)[0]
			for _, d := range eval(t, random(1, 0.3, 1.7, x, w, references), g)[0] {
				if d != 0 {
					t.Fatalf("the derivative of %v with respect to %v is %g", y, leaf, d)
				}
			}
		}
	}
	n := random(1, 0.3, 1.7, x)
	half := expr.Grad(expr.Total(expr.Mul(x, expr.Stop(x))), x)[0] // only one of the factors varies
	allNear(t, "∂(x·stop(x))", eval(t, n, half)[0], n["x"], 1e-12)
}

// TestSquareAtZero: repeated derivatives of powers are finite where the power's base is 0.
func TestSquareAtZero(t *testing.T) {
	x := expr.Param("x", expr.Scalar)
	y := expr.Pow(x, 2)
	for i, want := range []float64{0, 0, 2, 0, 0} {
		near(t, fmt.Sprintf("derivative %d of x²", i), eval(t, numbers{"x": {0}}, y)[0][0], want, 0)
		y = expr.Grad(y, x)[0]
	}
}

// TestGradOfAnyValue: a derivative may be taken with respect to a value that is itself computed, and gives what it would for a leaf
// of the same numbers.
func TestGradOfAnyValue(t *testing.T) {
	s := shape{2, 3, 4}
	x, w, k := expr.Input("x", s), expr.Param("w", s), expr.Param("k", shape{9, 4, 4})
	energy := func(x *expr.Value) *expr.Value { // looks at x through a scaling, a product with a sample, a sum, a convolution
		scaled := expr.Affine(x, 2, -1)
		terms := expr.Add(expr.Mul(scaled, expr.Input("z", s)), expr.Broadcast(expr.Sum(x, shape{2, 1, 1}), s))
		return expr.Total(expr.Mul(terms, expr.Conv(scaled, k)))
	}
	for _, v := range []*expr.Value{
		expr.Affine(x, 3, 1), expr.Sub(expr.Const(1), x), expr.Mul(expr.Const(2), x), expr.Spread(w),
		expr.Broadcast(expr.Sum(x, shape{1, 3, 1}), s), expr.Broadcast(w, s), expr.Affine(expr.Spread(w), 2, 0), expr.Stop(x),
		expr.Stop(expr.Stop(x)), expr.Clamp(x, 0.5, 1), w, expr.Const(0.7),
	} {
		if v.Kind() == expr.Shared && v.Op() != expr.OpConst {
			v = expr.Spread(v)
		}
		v = expr.Broadcast(v, s)
		n := random(1, 0.3, 1.7, energy(v), energy(like(v, "v")))
		n["v"] = eval(t, n, v)[0]
		stand := like(v, "v")
		want := eval(t, n, expr.Grad(energy(stand), stand)[0])[0]
		allNear(t, v.String(), eval(t, n, expr.Grad(energy(v), v)[0])[0], want, 1e-9)
	}

	flipped := expr.Flip(k)
	other := func(k *expr.Value) *expr.Value {
		return expr.BatchSum(expr.Total(expr.Pow(expr.Conv(x, expr.Flip(k)), 2)))
	}
	stand := like(k, "v")
	n := random(1, 0.3, 1.7, other(flipped), stand)
	n["v"] = eval(t, n, flipped)[0]
	allNear(t, "Flip", eval(t, n, expr.Grad(other(flipped), flipped)[0])[0], eval(t, n, expr.Grad(other(stand), stand)[0])[0], 1e-9)
}

// TestGradOfEachImage: the derivative of a sample scalar with respect to a sample value is each image's own.
func TestGradOfEachImage(t *testing.T) {
	x := expr.Input("x", expr.Scalar)
	n := numbers{"x": {1, 2, 5}}
	got := eval(t, n, expr.Grad(expr.Pow(x, 3), x)[0])[0]
	allNear(t, "3x²", got, []float64{3, 12, 75}, 1e-12)
	mean := eval(t, n, expr.Grad(expr.BatchMean(expr.Pow(x, 3)), x)[0])[0]
	allNear(t, "x²", mean, []float64{1, 4, 25}, 1e-12)
}

// TestGradOfItself: the derivative of a value with respect to itself is 1, and with respect to one it does not depend on 0.
func TestGradOfItself(t *testing.T) {
	x, w, unused := expr.Input("x", expr.Scalar), expr.Param("w", expr.Scalar), expr.Input("unused", shape{1, 2, 1})
	y := expr.Mul(x, w)
	g := expr.Grad(y, y, x, unused, expr.Param("none", expr.Scalar))
	results := eval(t, numbers{"x": {1, 2, 5}, "w": {4}}, g...)
	for i, want := range [][]float64{{1, 1, 1}, {4, 4, 4}, make([]float64, 6), {0}} {
		allNear(t, fmt.Sprint("derivative ", i), results[i], want, 0)
	}
}

// TestGradOfEqualValues: what is built twice is differentiated once, except where the derivative is with respect to one of the two.
func TestGradOfEqualValues(t *testing.T) {
	s := shape{9, 2, 3}
	w, x := expr.Param("w", s), expr.Input("x", shape{3, 3, 2})
	kernel := func() *expr.Value { return expr.Mul(w, expr.Pow(expr.Total(expr.Mul(w, w)), -0.5)) }
	loss := func(a, b *expr.Value) *expr.Value {
		return expr.BatchSum(expr.Add(expr.Total(expr.Conv(x, a)), expr.Total(expr.Pow(expr.Conv(x, b), 2))))
	}
	count := func(v *expr.Value) (kernels int) {
		for _, u := range expr.Order(v) {
			if u.Op() == expr.OpPow && u.Attr().X[0] == -1.5 { // of the derivative of the norm
				kernels++
			}
		}
		return kernels
	}
	one, a, b := kernel(), kernel(), kernel()
	n := random(1, 0.3, 1.7, w, x)
	once, twice := expr.Grad(loss(one, one), w)[0], expr.Grad(loss(a, b), w)[0]
	if count(once) != 1 || count(twice) != 1 {
		t.Errorf("the norm is differentiated %d times, and %d times if it is built twice", count(once), count(twice))
	}
	allNear(t, "∂L/∂w", eval(t, n, twice)[0], eval(t, n, once)[0], 1e-12)
	fixed := like(b, "v")
	n["v"] = eval(t, n, b)[0]
	allNear(t, "∂L/∂a", eval(t, n, expr.Grad(loss(a, b), a)[0])[0], eval(t, n, expr.Grad(loss(a, fixed), a)[0])[0], 1e-12)
}
