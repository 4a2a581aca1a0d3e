package expr_test

// This file gives the tests numbers: random ones for leaves, and the reference engine's for the rest.

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/expr"
)

const batch = 3

type shape = expr.Shape

// numbers holds the values of leaves by name.
type numbers map[string][]float64

// size is the number of elements of v in a batch.
func size(v *expr.Value) int {
	if v.Kind() == expr.Sample {
		return batch * v.Shape().Size()
	}
	return v.Shape().Size()
}

// random gives every named leaf that the values are built from numbers uniform in [lo, hi).
func random(seed uint64, lo, hi float64, values ...*expr.Value) numbers {
	r := rand.New(rand.NewPCG(seed, 1))
	n := numbers{}
	for _, v := range expr.Order(values...) {
		name := v.Attr().Name
		if name == "" || n[name] != nil {
			continue
		}
		n[name] = make([]float64, size(v))
		for i := range n[name] {
			n[name][i] = lo + (hi-lo)*r.Float64()
		}
	}
	return n
}

// shifted is n with one leaf moved by h·direction.
func (n numbers) shifted(leaf string, h float64, direction []float64) numbers {
	out := numbers{}
	for name, v := range n {
		out[name] = v
	}
	out[leaf] = slices.Clone(n[leaf])
	for i := range direction {
		out[leaf][i] += h * direction[i]
	}
	return out
}

func eval(t *testing.T, n numbers, values ...*expr.Value) [][]float64 {
	t.Helper()
	results, err := reference.Eval(values, batch, n)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// leaf is an Input or a Param.
func leaf(k expr.Kind, name string, s shape) *expr.Value {
	if k == expr.Sample {
		return expr.Input(name, s)
	}
	return expr.Param(name, s)
}

// like is a leaf of v's kind and shape.
func like(v *expr.Value, name string) *expr.Value { return leaf(v.Kind(), name, v.Shape()) }

// dot is ⟨a, b⟩, summed over the batch if there is one.
func dot(a, b *expr.Value) *expr.Value {
	total := expr.Total(expr.Mul(a, b))
	if total.Kind() == expr.Sample {
		return expr.BatchSum(total)
	}
	return total
}

func dotNumbers(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// near holds that got is want to within tolerance, relative where want is large.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*(1+math.Abs(want))) {
		t.Errorf("%s: got %.12g, want %.12g", what, got, want)
	}
}

func allNear(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		near(t, fmt.Sprintf("%s[%d]", what, i), got[i], want[i], tolerance)
	}
}

// checkGrad compares the derivatives of f, a shared scalar, with central differences along a random direction of each leaf.
func checkGrad(t *testing.T, f *expr.Value, n numbers, leaves ...*expr.Value) {
	t.Helper()
	const h = 1e-4
	gradients := eval(t, n, expr.Grad(f, leaves...)...)
	for i, v := range leaves {
		name := v.Attr().Name
		d := random(uint64(i)+100, -1, 1, v)[name]
		up, down := eval(t, n.shifted(name, h, d), f)[0][0], eval(t, n.shifted(name, -h, d), f)[0][0]
		near(t, "∂/∂"+name, dotNumbers(gradients[i], d), (up-down)/(2*h), 1e-6)
	}
}
