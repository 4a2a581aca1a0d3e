package cpu_test

// This file runs programs on the engine and on the float64 reference, and compares.

import (
	"context"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

type shape = expr.Shape

// numbers are those of the leaves of a program by name: float32, so that engine and reference start from the same.
type numbers map[string][]float32

// random makes numbers uniform in [-1, 1] for the inputs and parameters that the outputs need, or in [½, 1½] where the name
// starts with "positive".
func random(seed uint64, batch int, outputs ...*expr.Value) numbers {
	n, s := numbers{}, rng.New(seed)
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

// wide are the numbers in float64.
func (n numbers) wide() map[string][]float64 {
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

// buffers are where the outputs of a batch go, full of what a program must overwrite.
func buffers(batch int, outputs ...*expr.Value) [][]float32 {
	out := make([][]float32, len(outputs))
	for i, v := range outputs {
		out[i] = make([]float32, sizeOf(v, batch))
		for j := range out[i] {
			out[i][j] = float32(math.NaN())
		}
	}
	return out
}

// compile prepares the outputs and gives the parameters their numbers.
func compile(t testing.TB, e engine.Engine, n numbers, outputs ...*expr.Value) engine.Program {
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

// compute runs the outputs once for a batch.
func compute(t testing.TB, e engine.Engine, batch int, n numbers, outputs ...*expr.Value) [][]float32 {
	t.Helper()
	out := buffers(batch, outputs...)
	if err := compile(t, e, n, outputs...).Run(context.Background(), engine.Call{Batch: batch, Inputs: n, Outputs: out}); err != nil {
		t.Fatal(err)
	}
	return out
}

// eval is the same on the reference.
func eval(t testing.TB, batch int, n map[string][]float64, outputs ...*expr.Value) [][]float64 {
	t.Helper()
	out, err := reference.Eval(outputs, batch, n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// shaken says for each output how far rounding can take it: how far the reference moves when every number on the way has a random
// error of a few units in float32's last place.
func shaken(t testing.TB, batch int, n map[string][]float64, want [][]float64, outputs ...*expr.Value) []float64 {
	t.Helper()
	const units, draws = 4.0 / (1 << 24), 3
	worst := make([]float64, len(outputs))
	for seed := range uint64(draws) {
		moved, err := reference.Shaken(outputs, batch, n, units, seed)
		if err != nil {
			t.Fatal(err)
		}
		for i := range outputs {
			worst[i] = math.Max(worst[i], distance(narrow(moved[i]), want[i]))
		}
	}
	return worst
}

// distance is the largest difference of an element, +Inf if one is finite and the other is not.
func distance(got []float32, want []float64) float64 {
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

// largest is that of the finite magnitudes.
func largest(values []float64) float64 {
	most := 0.0
	for _, v := range values {
		if v = math.Abs(v); v > most && !math.IsInf(v, 0) {
			most = v
		}
	}
	return most
}

// engines has one for each set of kernels that this machine can run.
func engines() map[string]*cpu.Engine {
	list := map[string]*cpu.Engine{}
	for _, set := range kernels.All() {
		list[set.Name] = &cpu.Engine{Threads: 2, Kernels: set}
	}
	return list
}

// long says whether tests may take long: JOULE_LONG=1.
func long() bool { return os.Getenv("JOULE_LONG") == "1" }
