package enginetest

// This file holds an engine to what package engine says of chains, noise, parameters and outputs.

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// Contract tests an engine. Results that are computed in two ways, such as K steps in one call or in K, are to be the same up to the
// tolerance, absolute below 1 and relative above: the same bits, if it is 0.
func Contract(t *testing.T, e engine.Engine, tolerance float64) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, e engine.Engine, tolerance float64)
	}{
		{"chain", chain}, {"feedback", feedback}, {"feedback of statistics", feedbackOfStatistics}, {"values per step", perStep},
		{"last step", lastStep}, {"noise", noise}, {"parameters", parameters}, {"outputs", wantedOutputs}, {"in place", inPlace},
		{"cancelled", cancelled}, {"mistakes in compiling", compileErrors}, {"mistakes in binding", bindErrors}, {"mistakes in running", runErrors},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, e, tolerance) })
	}
}

// Small is an energy with an operation of each kind that the networks have, and SmallImage the shape of its images.
func Small(x *expr.Value) *expr.Value {
	c := x.Shape()[2]
	h := expr.Add(expr.Conv(x, expr.Param("w1", shape{9, c, 17})), expr.Param("b1", shape{1, 1, 17}))
	h = expr.Swish(expr.Mul(expr.Param("gain", shape{1, 1, 17}), expr.Normalise(h, 17, 1e-5)), 0)
	h = expr.Pool(h)
	q := expr.Conv(h, expr.Param("query", shape{1, 17, 3}))
	h = expr.Add(h, expr.MatMul(expr.Softmax(expr.MatMul(q, q, false, true)), h, false, false))
	h = expr.Conv(expr.Swish(h, 0), expr.Param("w2", shape{9, 17, 5}))
	return expr.Affine(expr.Total(expr.Swish(expr.Normalise(h, 1, 1e-5), 0)), 0.1, 0)
}

// SmallImage is the shape of the images of Small.
var SmallImage = shape{9, 7, 3}

// Langevin is a step of a chain of Small: the next image, and the energy it comes from.
func Langevin() (next, energy *expr.Value) {
	x := expr.Add(expr.Input("x", SmallImage), expr.Affine(expr.Gaussian("noise", SmallImage), 0.05, 0))
	energy = Small(x)
	return expr.Clamp(expr.Sub(x, expr.Affine(expr.Grad(energy, x)[0], 0.2, 0)), 0, 1), energy
}

// chain: K steps in one call are K calls of one step.
func chain(t *testing.T, e engine.Engine, tolerance float64) {
	next, energy := Langevin()
	const batch, steps, firstStep = 5, 4, 1000
	n := Random(3, batch, next)
	p := Compile(t, e, n, next, energy)
	together := Run(t, p, batch, n, engine.Chain{Steps: steps, Feedback: map[string]int{"x": 0}, Seed: 5, FirstStep: firstStep}, next, energy)
	x := n["x"]
	var last [][]float32
	for k := range uint64(steps) {
		last = Run(t, p, batch, Numbers{"x": x}, engine.Chain{Seed: 5, FirstStep: firstStep + k}, next, energy)
		x = last[0]
	}
	within(t, tolerance, "four steps", together, last)
}

// feedback: outputs may change places, as inputs of the next step; what is not fed back stays.
func feedback(t *testing.T, e engine.Engine, tolerance float64) {
	s := shape{2, 3, 5}
	a, b, c := expr.Input("a", s), expr.Input("b", s), expr.Input("c", s)
	outputs := []*expr.Value{expr.Add(b, c), expr.Affine(a, 0.5, 0), a, b}
	const batch = 3
	n := Random(4, batch, outputs...)
	p := Compile(t, e, n, outputs...)
	got := Run(t, p, batch, n, engine.Chain{Steps: 5, Feedback: map[string]int{"a": 0, "b": 1}}, outputs...)
	want := Buffers(batch, outputs...)
	for i, c := range n["c"] {
		a, b := n["a"][i], n["b"][i]
		for range 4 {
			a, b = b+c, a*0.5
		}
		want[0][i], want[1][i], want[2][i], want[3][i] = b+c, a*0.5, a, b
	}
	within(t, tolerance, "after five steps", got, want)
	swapped := Run(t, Compile(t, e, n, a, b), batch, n, engine.Chain{Steps: 4, Feedback: map[string]int{"a": 1, "b": 0}}, a, b)
	Same(t, "swapped", swapped, [][]float32{n["b"], n["a"]})
}

// feedbackOfStatistics: what an engine keeps in a way of its own is fed back as well.
func feedbackOfStatistics(t *testing.T, e engine.Engine, tolerance float64) {
	x, s := expr.Input("x", shape{4, 3, 6}), expr.Input("s", shape{1, 1, 6})
	next := expr.InvStd(expr.Mul(x, s), 3, 0.1)
	const batch = 3
	n := Random(13, batch, next)
	p := Compile(t, e, n, next)
	got := Run(t, p, batch, n, engine.Chain{Steps: 2, Feedback: map[string]int{"s": 0}}, next)
	first := Run(t, p, batch, n, engine.Chain{}, next)
	within(t, tolerance, "two steps", got, Run(t, p, batch, Numbers{"x": n["x"], "s": first[0]}, engine.Chain{}, next))
}

// perStep: an input with a value for each step has it for every image.
func perStep(t *testing.T, e engine.Engine, _ float64) {
	x, scale := expr.Input("x", shape{3, 2, 5}), expr.Input("scale", expr.Scalar)
	next := expr.Add(expr.Mul(x, scale), scale)
	const batch = 4
	n := Random(5, batch, x)
	for _, scales := range [][]float32{{0.5, -2, 3}, {-2}} {
		c := engine.Chain{Steps: len(scales), Feedback: map[string]int{"x": 0}, PerStep: map[string][]float32{"scale": scales}}
		got := Run(t, Compile(t, e, n, next), batch, n, c, next)
		want := make([]float64, len(n["x"]))
		for i, x := range n["x"] {
			want[i] = float64(x)
			for _, s := range scales {
				want[i] = want[i]*float64(s) + float64(s)
			}
		}
		if d := Distance(got[0], want); d > 1e-5 { // numbers of up to 20 in float32
			t.Errorf("%v: off by %g", scales, d)
		}
	}
}

// lastStep: outputs are those of the last step, sums over the batch too.
func lastStep(t *testing.T, e engine.Engine, tolerance float64) {
	x := expr.Input("x", shape{2, 2, 3})
	outputs := []*expr.Value{expr.Affine(x, 2, 0), expr.BatchSum(x)}
	const batch = 6
	n := Random(6, batch, x)
	p := Compile(t, e, n, outputs...)
	for range 2 { // nothing is left from the call before
		got := Run(t, p, batch, n, engine.Chain{Steps: 3, Feedback: map[string]int{"x": 0}}, outputs...)
		doubled := Numbers{"x": slices.Clone(n["x"])}
		for i := range doubled["x"] {
			doubled["x"][i] *= 4
		}
		within(t, tolerance, "three steps", got, Run(t, p, batch, doubled, engine.Chain{}, outputs...))
	}
}

// noise: its numbers are package rng's, by seed, leaf, image and step.
func noise(t *testing.T, e engine.Engine, _ float64) {
	s := shape{3, 5, 7}
	gaussian, uniform := expr.Gaussian("noise", s), expr.Uniform("another noise", s)
	const batch = 5
	for _, c := range []engine.Chain{
		{Seed: 1}, {Seed: 1<<63 + 5, FirstImage: 1<<32 - 2, FirstStep: 7}, {Seed: 3, Steps: 4, FirstStep: 1<<32 - 2},
	} {
		want := Buffers(batch, gaussian, uniform)
		for i, name := range []string{"noise", "another noise"} {
			label := uint64(0)
			for _, c := range []byte(name) {
				label = label*257 + uint64(c)
			}
			for image := range uint64(batch) {
				stream := rng.New(c.Seed, label, c.FirstImage+image, c.FirstStep+uint64(max(c.Steps, 1)-1))
				part := want[i][int(image)*s.Size():][:s.Size()]
				if i == 0 {
					stream.FillNormal(part)
				} else {
					stream.FillUniform(part)
				}
			}
		}
		Same(t, "noise", Run(t, Compile(t, e, nil, gaussian, uniform), batch, nil, c, gaussian, uniform), want)
	}
}

// parameters: new ones make new results, and a batch of another size has its own sums.
func parameters(t *testing.T, e engine.Engine, _ float64) {
	x, w := expr.Input("x", shape{3, 3, 2}), expr.Param("w", shape{9, 2, 5})
	y := expr.BatchMean(expr.Conv(x, expr.Affine(w, 3, 1)))
	first, second := Random(7, 4, y), Random(8, 4, y)
	p := Compile(t, e, first, y)
	before := Run(t, p, 4, first, engine.Chain{}, y)
	check := func(what string, batch int, n Numbers) {
		t.Helper()
		want := Reference(t, batch, n.Wide(), y)[0]
		if d := Distance(Run(t, p, batch, n, engine.Chain{}, y)[0], want); d > 1e-6*Largest(want) {
			t.Errorf("%s: off by %g", what, d)
		}
	}
	if err := p.Bind(second); err != nil {
		t.Fatal(err)
	}
	for _, images := range []int{4, 3, 2, 1} {
		check("a smaller batch with new parameters", images, Numbers{"x": first["x"][:images*18], "w": second["w"]})
	}
	if err := p.Bind(first); err != nil {
		t.Fatal(err)
	}
	Same(t, "as before", Run(t, p, 4, first, engine.Chain{}, y), before)
}

// wantedOutputs: an output may be a leaf, shared, wanted twice, or not at all.
func wantedOutputs(t *testing.T, e engine.Engine, _ float64) {
	x, w := expr.Input("x", shape{2, 2, 3}), expr.Param("w", shape{1, 1, 3})
	y := expr.Mul(x, w)
	outputs := []*expr.Value{x, w, y, expr.Const(3), y, expr.Swish(y, 0), expr.Spread(w), expr.InvStd(y, 3, 1), expr.Affine(w, 2, 0), expr.BatchSum(y)}
	const batch = 3
	n := Random(9, batch, outputs...)
	want := Reference(t, batch, n.Wide(), outputs...)
	p := Compile(t, e, n, outputs...)
	for unwanted := range outputs {
		out := Buffers(batch, outputs...)
		out[unwanted] = nil
		if err := p.Run(context.Background(), engine.Call{Batch: batch, Inputs: n, Outputs: out}); err != nil {
			t.Fatal(err)
		}
		for i := range outputs {
			if i == unwanted {
				continue
			}
			if d := Distance(out[i], want[i]); d > 1e-6 {
				t.Errorf("output %d without %d: off by %g", i, unwanted, d)
			}
		}
	}
	if err := p.Run(context.Background(), engine.Call{Batch: batch, Inputs: n, Outputs: make([][]float32, len(outputs))}); err != nil {
		t.Errorf("nothing wanted: %v", err)
	}
}

// inPlace: a chain may run in the memory its start is in.
func inPlace(t *testing.T, e engine.Engine, tolerance float64) {
	next, energy := Langevin()
	const batch = 5
	n := Random(10, batch, next)
	c := engine.Chain{Steps: 3, Feedback: map[string]int{"x": 0}, Seed: 5}
	p := Compile(t, e, n, next, energy)
	want := Run(t, p, batch, n, c, next, energy)
	x := slices.Clone(n["x"])
	if err := p.Run(context.Background(), engine.Call{Batch: batch, Inputs: Numbers{"x": x}, Outputs: [][]float32{x, nil}, Chain: c}); err != nil {
		t.Fatal(err)
	}
	within(t, tolerance, "in place", [][]float32{x}, want[:1])
}

// cancelled: a context that ends stops a chain that would take years, and the program can be used afterwards.
func cancelled(t *testing.T, e engine.Engine, tolerance float64) {
	next, _ := Langevin()
	n := Random(11, 4, next)
	p := Compile(t, e, n, next)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		out := Buffers(4, next)
		done <- p.Run(ctx, engine.Call{Batch: 4, Inputs: n, Outputs: out, Chain: engine.Chain{Steps: math.MaxInt, Feedback: map[string]int{"x": 0}}})
	}()
	time.Sleep(10 * time.Millisecond) // it may have begun by now, or not
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	want := Run(t, Compile(t, e, n, next), 4, n, engine.Chain{}, next)
	within(t, tolerance, "after that", Run(t, p, 4, n, engine.Chain{}, next), want)
}
