package cpu_test

// This file has values that do not lie in memory as others do, or are of shapes that are easily mistaken for each other.

import (
	"context"
	"math"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// Operations that are no loops take what Normalise leaves in memory of its own, and write over none of it.
func TestStatisticsAsOperands(t *testing.T) {
	x := expr.Input("x", shape{5, 5, 8})
	r := expr.InvStd(x, 4, 0.1)
	small := expr.Input("small", shape{1, 2, 1})
	s := expr.InvStd(small, 1, 0.1)
	scaled := expr.Mul(small, s)
	for what, outputs := range map[string][]*expr.Value{
		"Conv":               {expr.Conv(r, expr.Param("w", shape{1, 8, 5})), expr.Normalise(x, 4, 0.1)},
		"Conv of 9 taps":     {expr.Conv(r, expr.Param("w", shape{9, 8, 16})), r},
		"Softmax":            {expr.Softmax(r)},
		"Pool":               {expr.Pool(r), expr.Unpool(r, shape{2, 2, 8}), r},
		"ConvKernel":         {expr.ConvKernel(r, expr.Swish(r, 0), 1), expr.ConvKernel(expr.Swish(r, 0), r, 9)},
		"in place":           {scaled, expr.Mul(expr.Swish(scaled, 0), s)},
		"pooled 3×4 and 4×3": {expr.Pool(expr.Input("a", shape{3, 4, 2})), expr.Pool(expr.Input("b", shape{4, 3, 2}))},
	} {
		const batch = 3
		n := enginetest.Random(1, batch, outputs...)
		want := enginetest.Reference(t, batch, n.Wide(), outputs...)
		for name, e := range engines() {
			for i, got := range enginetest.Compute(t, e, batch, n, outputs...) {
				if d := enginetest.Distance(got, want[i]); !(d <= 1e-5*max(1, enginetest.Largest(want[i]))) {
					t.Errorf("%s, %s, output %d: off by %g", what, name, i, d)
				}
			}
		}
	}
}

// Signs of zero and numbers that are none stay where they belong.
func TestZerosAndNaN(t *testing.T) {
	x := expr.Input("x", shape{1, 1, 1})
	zero := enginetest.Numbers{"x": {float32(math.Copysign(0, -1))}}
	if got := enginetest.Compute(t, &cpu.Engine{}, 1, zero, expr.Pow(x, -0.5))[0][0]; !math.IsInf(float64(got), 1) {
		t.Errorf("(-0)^-½ is %v", got)
	}
	n := enginetest.Numbers{"x": {1}, "r": {float32(math.NaN()), 5, 1}}
	if got := enginetest.Compute(t, &cpu.Engine{}, 1, n, expr.Nearest(x, expr.Param("r", shape{3, 1, 1}), 1))[0][0]; got != 1 {
		t.Errorf("the nearest to 1 of NaN, 5, 1 is %v", got)
	}
}

// Kernels are not packed again for a batch of another size.
func TestPackedOnce(t *testing.T) {
	packed := 0
	e := &cpu.Engine{Threads: 1, Profile: func(w cpu.Work) {
		if w.Kind == cpu.Prologue || w.Kind == cpu.Packing {
			packed++
		}
	}}
	x, w := expr.Input("x", shape{8, 8, 16}), expr.Param("w", shape{9, 16, 32})
	y := expr.Conv(x, w)
	n := enginetest.Random(1, 3, y)
	p := enginetest.Compile(t, e, n, y)
	for _, batch := range []int{1, 2, 1, 3} {
		call := engine.Call{Batch: batch, Inputs: enginetest.Numbers{"x": n["x"][:batch*8*8*16]}, Outputs: enginetest.Buffers(batch, y)}
		if err := p.Run(context.Background(), call); err != nil {
			t.Fatal(err)
		}
	}
	if packed != 1 {
		t.Errorf("packed %d times", packed)
	}
}
