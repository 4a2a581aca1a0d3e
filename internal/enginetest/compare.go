// Package enginetest holds engines to what packages engine and expr say of them: every operation, programs made at random, chains,
// noise, and what becomes of mistakes. What must be right is engine/reference's float64. An engine's tests call it; it is in no program.
package enginetest

// This file runs programs on an engine and on the float64 reference, and compares.

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

type shape = expr.Shape

// Numbers are those of the leaves of a program by name: float32, so that engine and reference start from the same.
type Numbers map[string][]float32

// Random makes numbers uniform in [-1, 1] for the inputs and parameters that the outputs need, or in [½, 1½] where the name
// starts with "positive".
func Random(seed uint64, batch int, outputs ...*expr.Value) Numbers {
	n, s := Numbers{}, rng.New(seed)
	for _, v := range expr.Order(outputs...) {
		if v.Op() != expr.OpInput && v.Op() != expr.OpParam {
			continue
		}
		x := make([]float32, sizeOf(v, batch))
		s.FillUniform(x)
		for i := range x {
			if strings.HasPrefix(v.Attr().Name, "positive") {
				x[i] += 0.5
			} else {
				x[i] = 2*x[i] - 1
			}
		}
		n[v.Attr().Name] = x
	}
	return n
}

func sizeOf(v *expr.Value, batch int) int {
	if v.Kind() == expr.Shared {
		return v.Shape().Size()
	}
	return batch * v.Shape().Size()
}

// Wide are the numbers in float64.
func (n Numbers) Wide() map[string][]float64 {
	out := map[string][]float64{}
	for name, values := range n {
		w := make([]float64, len(values))
		for i, x := range values {
			w[i] = float64(x)
		}
		out[name] = w
	}
	return out
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// Buffers are where the outputs of a batch go, full of what a program must overwrite.
func Buffers(batch int, outputs ...*expr.Value) [][]float32 {
	out := make([][]float32, len(outputs))
	for i, v := range outputs {
		out[i] = make([]float32, sizeOf(v, batch))
		for j := range out[i] {
			out[i][j] = float32(math.NaN())
		}
	}
	return out
}

// Compile prepares the outputs and gives the parameters their numbers.
func Compile(t testing.TB, e engine.Engine, n Numbers, outputs ...*expr.Value) engine.Program {
	t.Helper()
	p, err := e.Compile(outputs...)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Bind(n); err != nil {
		t.Fatal(err)
	}
	return p
}

// Compute runs the outputs once for a batch.
func Compute(t testing.TB, e engine.Engine, batch int, n Numbers, outputs ...*expr.Value) [][]float32 {
	t.Helper()
	return Run(t, Compile(t, e, n, outputs...), batch, n, engine.Chain{}, outputs...)
}

// Reference is the same in float64.
func Reference(t testing.TB, batch int, n map[string][]float64, outputs ...*expr.Value) [][]float64 {
	t.Helper()
	out, err := reference.Eval(outputs, batch, n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Rounding says for each output how far rounding can take it: how far the reference moves when every number on the way has a random
// error of some units in float32's last place.
func Rounding(t testing.TB, batch int, n map[string][]float64, want [][]float64, outputs ...*expr.Value) []float64 {
	t.Helper()
	const unit, draws = 1.0 / (1 << 24), 3
	worst := make([]float64, len(outputs))
	for seed := range uint64(draws) {
		moved, err := reference.Perturbed(outputs, batch, n, unit, seed)
		if err != nil {
			t.Fatal(err)
		}
		for i := range outputs {
			worst[i] = math.Max(worst[i], Distance(narrow(moved[i]), want[i]))
		}
	}
	return worst
}

// Distance is the largest difference of an element, +Inf if one is finite and the other is not.
func Distance(got []float32, want []float64) float64 {
	worst := 0.0
	for i, w := range want {
		g := float64(got[i])
		switch d := math.Abs(g - w); {
		case g == w || math.IsNaN(g) && math.IsNaN(w): // infinities too
		case math.IsNaN(d):
			return math.Inf(1)
		default:
			worst = math.Max(worst, d)
		}
	}
	return worst
}

// Largest is that of the finite magnitudes.
func Largest(values []float64) float64 {
	most := 0.0
	for _, v := range values {
		if v = math.Abs(v); v > most && !math.IsInf(v, 0) {
			most = v
		}
	}
	return most
}

// Run runs a compiled program.
func Run(t testing.TB, p engine.Program, batch int, n Numbers, c engine.Chain, outputs ...*expr.Value) [][]float32 {
	t.Helper()
	out := Buffers(batch, outputs...)
	if err := p.Run(context.Background(), engine.Call{Batch: batch, Inputs: n, Outputs: out, Chain: c}); err != nil {
		t.Fatal(err)
	}
	return out
}

// Same fails unless both hold the same bits.
func Same(t testing.TB, what string, got, want [][]float32) {
	t.Helper()
	within(t, 0, what, got, want)
}

// within fails unless both hold the same numbers, up to so much: bits, if that is 0.
func within(t testing.TB, tolerance float64, what string, got, want [][]float32) {
	t.Helper()
	for i := range want {
		for j := range want[i] {
			a, b := got[i][j], want[i][j]
			if math.Float32bits(a) != math.Float32bits(b) && !(math.Abs(float64(a)-float64(b)) <= tolerance*math.Max(1, math.Abs(float64(b)))) {
				t.Errorf("%s: element %d of output %d is %v, not %v", what, j, i, a, b)
				return
			}
		}
	}
}
