package cpu_test

// This file holds the engine to its word that results do not depend on who computes them, and to what it says of chains and noise.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
)

// small is an energy with an operation of each kind that the networks have.
func small(x *expr.Value) *expr.Value {
	c := x.Shape()[2]
	h := expr.Add(expr.Conv(x, expr.Param("w1", shape{9, c, 17})), expr.Param("b1", shape{1, 1, 17}))
	h = expr.Swish(expr.Mul(expr.Param("gain", shape{1, 1, 17}), expr.Normalise(h, 17, 1e-5)), 0)
	h = expr.Pool(h)
	q := expr.Conv(h, expr.Param("query", shape{1, 17, 3}))
	h = expr.Add(h, expr.MatMul(expr.Softmax(expr.MatMul(q, q, false, true)), h, false, false))
	h = expr.Conv(expr.Swish(h, 0), expr.Param("w2", shape{9, 17, 5}))
	return expr.Affine(expr.Total(expr.Swish(expr.Normalise(h, 1, 1e-5), 0)), 0.1, 0)
}

var smallImage = shape{9, 7, 3}

// langevin is a step of a chain of small: the next image, and the energy it comes from.
func langevin() (next, energy *expr.Value) {
	x := expr.Add(expr.Input("x", smallImage), expr.Affine(expr.Gaussian("noise", smallImage), 0.05, 0))
	energy = small(x)
	return expr.Clamp(expr.Sub(x, expr.Affine(expr.Grad(energy, x)[0], 0.2, 0)), 0, 1), energy
}

// walk runs a chain and gives its outputs.
func walk(t testing.TB, e *cpu.Engine, batch int, n numbers, c engine.Chain, outputs ...*expr.Value) [][]float32 {
	t.Helper()
	return step(t, compile(t, e, n, outputs...), batch, n, c, outputs...)
}

func step(t testing.TB, p engine.Program, batch int, n numbers, c engine.Chain, outputs ...*expr.Value) [][]float32 {
	t.Helper()
	out := buffers(batch, outputs...)
	if err := p.Run(context.Background(), engine.Call{Batch: batch, Inputs: n, Outputs: out, Chain: c}); err != nil {
		t.Fatal(err)
	}
	return out
}

// same fails unless both hold the same bits.
func same(t *testing.T, what string, got, want [][]float32) {
	t.Helper()
	for i := range want {
		for j := range want[i] {
			if math.Float32bits(got[i][j]) != math.Float32bits(want[i][j]) {
				t.Errorf("%s: element %d of output %d is %v, not %v", what, j, i, got[i][j], want[i][j])
				return
			}
		}
	}
}

// TestSameBits: neither the number of threads nor, for what is computed image by image, the grouping of images changes a bit.
func TestSameBits(t *testing.T) {
	next, energy := langevin()
	params := []*expr.Value{}
	for _, v := range expr.Order(energy) {
		if v.Op() == expr.OpParam {
			params = append(params, v)
		}
	}
	gradient := append([]*expr.Value{expr.BatchMean(energy)}, expr.Grad(expr.BatchMean(energy), params...)...)
	const batch = 13
	n := random(1, batch, next)
	chain := engine.Chain{Steps: 3, Feedback: map[string]int{"x": 0}, Seed: 5}
	for name, e := range engines() {
		e.Threads, e.TileImages = 1, 0
		chained := walk(t, e, batch, n, chain, next, energy)
		for _, tile := range []int{0, 1, 2, 5, 16} {
			e.Threads, e.TileImages = 1, tile
			summed := compute(t, e, batch, n, gradient...)
			for _, threads := range []int{1, 2, 3, 8} {
				e.Threads = threads
				what := fmt.Sprintf("%s, %d threads, tiles of %d", name, threads, tile)
				same(t, what+", chain", walk(t, e, batch, n, chain, next, energy), chained)
				same(t, what+", sums over the batch", compute(t, e, batch, n, gradient...), summed)
			}
		}
	}
}

// TestImageByItself: an image's chain is the same in any batch.
func TestImageByItself(t *testing.T) {
	next, energy := langevin()
	const batch, first = 7, 100
	n := random(2, batch, next)
	chain := engine.Chain{Steps: 2, Feedback: map[string]int{"x": 0}, Seed: 5, FirstImage: first}
	for name, e := range engines() {
		p := compile(t, e, n, next, energy)
		all := step(t, p, batch, n, chain, next, energy)
		for i := range batch {
			size := smallImage.Size()
			chain.FirstImage = uint64(first + i)
			alone := step(t, p, 1, numbers{"x": n["x"][i*size:][:size]}, chain, next, energy)
			same(t, fmt.Sprintf("%s, image %d", name, i), alone, [][]float32{all[0][i*size:][:size], all[1][i : i+1]})
		}
		chain.FirstImage = first
	}
}

// TestChain: K steps in one call are K calls of one step.
func TestChain(t *testing.T) {
	next, energy := langevin()
	const batch, steps, firstStep = 5, 4, 1000
	n := random(3, batch, next)
	for name, e := range engines() {
		p := compile(t, e, n, next, energy)
		together := step(t, p, batch, n, engine.Chain{Steps: steps, Feedback: map[string]int{"x": 0}, Seed: 5, FirstStep: firstStep}, next, energy)
		x := n["x"]
		var last [][]float32
		for k := range uint64(steps) {
			last = step(t, p, batch, numbers{"x": x}, engine.Chain{Seed: 5, FirstStep: firstStep + k}, next, energy)
			x = last[0]
		}
		same(t, name, together, last)
	}
}

// TestFeedback: outputs may change places, as inputs of the next step; what is not fed back stays.
func TestFeedback(t *testing.T) {
	s := shape{2, 3, 5}
	a, b, c := expr.Input("a", s), expr.Input("b", s), expr.Input("c", s)
	outputs := []*expr.Value{expr.Add(b, c), expr.Affine(a, 0.5, 0), a, b}
	const batch = 3
	n := random(4, batch, outputs...)
	for name, e := range engines() {
		got := walk(t, e, batch, n, engine.Chain{Steps: 5, Feedback: map[string]int{"a": 0, "b": 1}}, outputs...)
		for i, c := range n["c"] {
			a, b := n["a"][i], n["b"][i]
			for range 4 {
				a, b = b+c, a*0.5
			}
			want := [][]float32{{b + c}, {a * 0.5}, {a}, {b}}
			same(t, name, [][]float32{{got[0][i]}, {got[1][i]}, {got[2][i]}, {got[3][i]}}, want)
		}
		swapped := walk(t, e, batch, n, engine.Chain{Steps: 4, Feedback: map[string]int{"a": 1, "b": 0}}, a, b)
		same(t, name+", swapped", swapped, [][]float32{n["b"], n["a"]})
	}
}

// TestFeedbackOfStatistics: what the engine keeps in a way of its own is fed back as well.
func TestFeedbackOfStatistics(t *testing.T) {
	x, s := expr.Input("x", shape{4, 3, 6}), expr.Input("s", shape{1, 1, 6})
	next := expr.InvStd(expr.Mul(x, s), 3, 0.1)
	const batch = 3
	n := random(13, batch, next)
	for name, e := range engines() {
		p := compile(t, e, n, next)
		got := step(t, p, batch, n, engine.Chain{Steps: 2, Feedback: map[string]int{"s": 0}}, next)
		first := step(t, p, batch, n, engine.Chain{}, next)
		same(t, name, got, step(t, p, batch, numbers{"x": n["x"], "s": first[0]}, engine.Chain{}, next))
	}
}

// TestPerStep: an input with a value for each step has it for every image.
func TestPerStep(t *testing.T) {
	x, scale := expr.Input("x", shape{3, 2, 5}), expr.Input("scale", expr.Scalar)
	next := expr.Add(expr.Mul(x, scale), scale)
	const batch = 4
	n := random(5, batch, x)
	scales := []float32{0.5, -2, 3}
	for name, e := range engines() {
		e.TileImages = 3
		got := walk(t, e, batch, n, engine.Chain{Steps: 3, Feedback: map[string]int{"x": 0}, PerStep: map[string][]float32{"scale": scales}}, next)
		want := make([]float64, len(n["x"]))
		for i, x := range n["x"] {
			want[i] = float64(x)
			for _, s := range scales {
				want[i] = want[i]*float64(s) + float64(s)
			}
		}
		if d := distance(got[0], want); d > 1e-5 { // numbers of up to 20 in float32
			t.Errorf("%s: off by %g", name, d)
		}
	}
}

// TestLastStep: outputs are those of the last step, sums over the batch too.
func TestLastStep(t *testing.T) {
	x := expr.Input("x", shape{2, 2, 3})
	outputs := []*expr.Value{expr.Affine(x, 2, 0), expr.BatchSum(x)}
	const batch = 6
	n := random(6, batch, x)
	for name, e := range engines() {
		e.TileImages = 1
		p := compile(t, e, n, outputs...)
		for range 2 { // nothing is left from the call before
			got := step(t, p, batch, n, engine.Chain{Steps: 3, Feedback: map[string]int{"x": 0}}, outputs...)
			doubled := numbers{"x": slices.Clone(n["x"])}
			for i := range doubled["x"] {
				doubled["x"][i] *= 4
			}
			same(t, name, got, step(t, p, batch, doubled, engine.Chain{}, outputs...))
		}
	}
}

// TestNoise: noise has the distribution it should, is named by seed, leaf, image and step, and by nothing else.
func TestNoise(t *testing.T) {
	s := shape{16, 16, 3}
	gaussian, uniform, other := expr.Gaussian("g", s), expr.Uniform("u", s), expr.Gaussian("other", s)
	outputs := []*expr.Value{gaussian, uniform, other}
	const batch = 20
	n := float64(batch * s.Size())
	for name, e := range engines() {
		p := compile(t, e, nil, outputs...)
		chain := engine.Chain{Seed: 7, FirstImage: 3, FirstStep: 11}
		drawn := step(t, p, batch, nil, chain, outputs...)
		for i, moments := range [][2]float64{{0, 1}, {0.5, 1.0 / 12}, {0, 1}} {
			wide := numbers{"": drawn[i]}.wide()[""]
			mean, variance := stat.MeanVariance(wide, nil)
			// Five standard errors; those of a variance v are v√(2/n) or less.
			if d := math.Abs(mean - moments[0]); d > 5*math.Sqrt(moments[1]/n) {
				t.Errorf("%s, %v: mean %g", name, outputs[i], mean)
			}
			if d := math.Abs(variance - moments[1]); d > 5*moments[1]*math.Sqrt(2/n) {
				t.Errorf("%s, %v: variance %g", name, outputs[i], variance)
			}
		}
		low, high := slices.Min(drawn[1]), slices.Max(drawn[1])
		if low < 0 || low > 1e-3 || high >= 1 || high < 0.999 {
			t.Errorf("%s: uniform numbers from %g to %g", name, low, high)
		}
		// Streams of another leaf, image, step or seed have nothing in common: no correlation beyond five standard errors.
		size := s.Size()
		independent := func(what string, a, b []float32) {
			t.Helper()
			x := numbers{"a": a, "b": b}.wide()
			if r := stat.Correlation(x["a"], x["b"], nil); !(math.Abs(r) < 5/math.Sqrt(float64(len(a)))) {
				t.Errorf("%s: another %s has correlation %g", name, what, r)
			}
		}
		independent("leaf", drawn[0], drawn[2])
		independent("image", drawn[0][:10*size], drawn[0][10*size:])
		for what, c := range map[string]engine.Chain{
			"seed": {Seed: 8, FirstImage: 3, FirstStep: 11}, "step": {Seed: 7, FirstImage: 3, FirstStep: 12}, "first image": {Seed: 7, FirstImage: 100, FirstStep: 11},
		} {
			independent(what, drawn[0], step(t, p, batch, nil, c, outputs...)[0])
		}
		// The second step from step 10 on is step 11.
		same(t, name+", steps", step(t, p, batch, nil, engine.Chain{Steps: 2, Seed: 7, FirstImage: 3, FirstStep: 10}, outputs...), drawn)
		// The noise of a leaf is the same in any program, with any kernels.
		same(t, name+", alone", step(t, compile(t, &cpu.Engine{}, nil, gaussian), batch, nil, chain, gaussian), drawn[:1])
	}
}

// TestBind: new parameters make new results, and a batch of another size has its own mean.
func TestBind(t *testing.T) {
	x, w := expr.Input("x", shape{3, 3, 2}), expr.Param("w", shape{9, 2, 5})
	y := expr.BatchMean(expr.Conv(x, expr.Affine(w, 3, 1)))
	first, second := random(7, 4, y), random(8, 4, y)
	for name, e := range engines() {
		p := compile(t, e, first, y)
		before := step(t, p, 4, first, engine.Chain{}, y)
		if err := p.Bind(second); err != nil {
			t.Fatal(err)
		}
		got := step(t, p, 4, first, engine.Chain{}, y)
		want := eval(t, 4, map[string][]float64{"x": first.wide()["x"], "w": second.wide()["w"]}, y)[0]
		if d := distance(got[0], want); d > 1e-6*largest(want) {
			t.Errorf("%s: off by %g with new parameters", name, d)
		}
		fewer := numbers{"x": first["x"][:2*18], "w": second["w"]}
		want = eval(t, 2, fewer.wide(), y)[0]
		if d := distance(step(t, p, 2, fewer, engine.Chain{}, y)[0], want); d > 1e-6*largest(want) {
			t.Errorf("%s: off by %g with a smaller batch", name, d)
		}
		if err := p.Bind(first); err != nil {
			t.Fatal(err)
		}
		same(t, name, step(t, p, 4, first, engine.Chain{}, y), before)
	}
}

// TestOutputs: an output may be a leaf, shared, wanted twice, or not at all.
func TestOutputs(t *testing.T) {
	x, w := expr.Input("x", shape{2, 2, 3}), expr.Param("w", shape{1, 1, 3})
	y := expr.Mul(x, w)
	outputs := []*expr.Value{x, w, y, expr.Const(3), y, expr.Swish(y, 0), expr.Spread(w), expr.InvStd(y, 3, 1), expr.Affine(w, 2, 0), expr.BatchSum(y)}
	const batch = 3
	n := random(9, batch, outputs...)
	want := eval(t, batch, n.wide(), outputs...)
	for name, e := range engines() {
		e.TileImages = 2
		p := compile(t, e, n, outputs...)
		for unwanted := range outputs {
			out := buffers(batch, outputs...)
			out[unwanted] = nil
			if err := p.Run(context.Background(), engine.Call{Batch: batch, Inputs: n, Outputs: out}); err != nil {
				t.Fatal(err)
			}
			for i := range outputs {
				if i == unwanted {
					continue
				}
				if d := distance(out[i], want[i]); d > 1e-6 {
					t.Errorf("%s, output %d without %d: off by %g", name, i, unwanted, d)
				}
			}
		}
	}
}

// TestInPlace: a chain may run in the memory its start is in.
func TestInPlace(t *testing.T) {
	next, energy := langevin()
	const batch = 5
	n := random(10, batch, next)
	chain := engine.Chain{Steps: 3, Feedback: map[string]int{"x": 0}, Seed: 5}
	for name, e := range engines() {
		e.TileImages = 2
		p := compile(t, e, n, next, energy)
		want := step(t, p, batch, n, chain, next, energy)
		x := slices.Clone(n["x"])
		if err := p.Run(context.Background(), engine.Call{Batch: batch, Inputs: numbers{"x": x}, Outputs: [][]float32{x, nil}, Chain: chain}); err != nil {
			t.Fatal(err)
		}
		same(t, name, [][]float32{x}, want[:1])
	}
}

// TestCancel: a context that ends stops a chain that would take years.
func TestCancel(t *testing.T) {
	next, _ := langevin()
	n := random(11, 4, next)
	p := compile(t, &cpu.Engine{Threads: 2}, n, next)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- p.Run(ctx, engine.Call{Batch: 4, Inputs: n, Outputs: [][]float32{nil}, Chain: engine.Chain{Steps: math.MaxInt, Feedback: map[string]int{"x": 0}}})
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	want := step(t, compile(t, &cpu.Engine{Threads: 2}, n, next), 4, n, engine.Chain{}, next)
	same(t, "after that", step(t, p, 4, n, engine.Chain{}, next), want)
}

// TestAllocations: a longer chain takes no more memory.
func TestAllocations(t *testing.T) {
	next, _ := langevin()
	const batch = 4
	n := random(12, batch, next)
	p := compile(t, &cpu.Engine{Threads: 2}, n, next)
	x := n["x"]
	allocations := func(steps int) float64 {
		call := engine.Call{Batch: batch, Inputs: n, Outputs: [][]float32{x}, Chain: engine.Chain{Steps: steps, Feedback: map[string]int{"x": 0}}}
		return testing.AllocsPerRun(5, func() {
			if err := p.Run(context.Background(), call); err != nil {
				t.Fatal(err)
			}
		})
	}
	allocations(1)
	// What starting workers takes varies a little; an allocation a step would be forty.
	if short, long := allocations(2), allocations(42); long > short+10 {
		t.Errorf("%g allocations for 2 steps, %g for 42", short, long)
	}
}
