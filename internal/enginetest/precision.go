package enginetest

import (
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// precisions are the errors that factors of so many bits may leave, of the largest number of an output.
var precisions = map[engine.Precision]float64{engine.Split: 1e-4, engine.TF32: 4e-3, engine.BF16: 3e-2}

// Precision holds convolutions with rounded factors, forward, their gradients, and those of their gradients, to the reference: on wide and
// on narrow images, 3×3 and 1×1, with and without a bias. They must also differ from those of the exact engine, or nothing has been tried.
func Precision(t *testing.T, exact, rounded engine.Engine, p engine.Precision) {
	t.Helper()
	for _, image := range []shape{{3, 18, 16}, {5, 6, 33}, {2, 2, 16}} {
		x, w1, w2 := expr.Input("x", image), expr.Param("w1", shape{9, image[2], 20}), expr.Param("w2", shape{1, 20, 17})
		h := expr.Add(expr.Conv(x, w1), expr.Param("b", shape{1, 1, 20}))
		y := expr.Conv(expr.Swish(h, 0), w2)
		energy := expr.Total(expr.Swish(y, 0))
		gradient := expr.Grad(energy, x)[0]
		second := expr.Grad(expr.BatchSum(expr.Total(expr.Mul(gradient, gradient))), w1, w2)
		outputs := append([]*expr.Value{y, gradient}, second...)
		const batch = 5
		n := Random(1, batch, outputs...)
		want := Reference(t, batch, n.Wide(), outputs...)
		float := Compute(t, exact, batch, n, outputs...)
		for i, got := range Compute(t, rounded, batch, n, outputs...) {
			least := Distance(float[i], want[i])
			if d := Distance(got, want[i]); !(d <= precisions[p]*Largest(want[i])) || d <= least {
				t.Errorf("%v, %v, output %d: off by %g of %g; float32 by %g", image, p, i, d, Largest(want[i]), least)
			}
		}
	}
}
