package cpu_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// errors that factors of so many bits may leave, of the largest number of an output.
var precisions = map[engine.Precision]float64{engine.Split: 1e-4, engine.BF16: 3e-2}

// TestPrecision holds convolutions in parts, forward, their gradients, and those of their gradients, to the reference: on wide and on
// narrow images, 3×3 and 1×1, with and without a bias. They must also differ from float32, or nothing has been tried.
func TestPrecision(t *testing.T) {
	for _, image := range []shape{{3, 18, 16}, {5, 6, 33}, {2, 2, 16}} {
		x, w1, w2 := expr.Input("x", image), expr.Param("w1", shape{9, image[2], 20}), expr.Param("w2", shape{1, 20, 17})
		h := expr.Add(expr.Conv(x, w1), expr.Param("b", shape{1, 1, 20}))
		y := expr.Conv(expr.Swish(h, 0), w2)
		energy := expr.Total(expr.Swish(y, 0))
		gradient := expr.Grad(energy, x)[0]
		second := expr.Grad(expr.BatchSum(expr.Total(expr.Mul(gradient, gradient))), w1, w2)
		outputs := append([]*expr.Value{y, gradient}, second...)
		const batch = 5
		n := enginetest.Random(1, batch, outputs...)
		want := enginetest.Reference(t, batch, n.Wide(), outputs...)
		float := enginetest.Compute(t, &cpu.Engine{TileImages: 3}, batch, n, outputs...)
		for p, tolerance := range precisions {
			got := enginetest.Compute(t, &cpu.Engine{TileImages: 3, Precision: p}, batch, n, outputs...)
			for i := range want {
				exact := enginetest.Distance(float[i], want[i])
				if d := enginetest.Distance(got[i], want[i]); !(d <= tolerance*enginetest.Largest(want[i])) || d <= exact {
					t.Errorf("%v, %v, output %d: off by %g of %g; float32 by %g", image, p, i, d, enginetest.Largest(want[i]), exact)
				}
			}
		}
	}
}

// TestPrecisionSameBits: as with float32, the number of threads and the grouping of images change nothing.
func TestPrecisionSameBits(t *testing.T) {
	next, energy := enginetest.Langevin()
	const batch = 7
	n := enginetest.Random(1, batch, next)
	chain := engine.Chain{Steps: 2, Feedback: map[string]int{"x": 0}, Seed: 5}
	for p := range precisions {
		want := walk(t, &cpu.Engine{Threads: 1, Precision: p}, batch, n, chain, next, energy)
		for _, tile := range []int{1, 2, 5} {
			got := walk(t, &cpu.Engine{Threads: 3, TileImages: tile, Precision: p}, batch, n, chain, next, energy)
			enginetest.Same(t, fmt.Sprintf("%v, tiles of %d", p, tile), got, want)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, p := range []engine.Precision{engine.Float32, engine.Split, engine.BF16} {
		if got := cpu.Resolve(p); got != p {
			t.Errorf("%v becomes %v", p, got)
		}
	}
	if got := cpu.Resolve(""); got != engine.Float32 {
		t.Errorf("the zero value becomes %v", got)
	}
	switch got := cpu.Resolve(engine.Auto); {
	case got == engine.Float32:
	case got != engine.Split || matrix.Native() == nil:
		t.Errorf("auto becomes %v, the unit is %v", got, matrix.Native())
	}
	_, err := (&cpu.Engine{Precision: "fp8"}).Compile(expr.Input("x", shape{1, 1, 1}))
	if err == nil || !strings.Contains(err.Error(), `"fp8" is not known`) {
		t.Errorf("an unknown precision: %v", err)
	}
}
