package mcmc_test

// This file defines samplers that carry a state from step to step, as a user of the package would, and takes them everywhere that a
// sampler goes: chains, generation, chains as expressions.

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// underdamped is Langevin dynamics with a momentum p, for p(x) ∝ exp(-E(x)/T), in steps of
//
//	p ← p - h ∇E(x);   x ← x + h/2 p;   p ← c p + √((1 - c²)T) N(0, I);   x ← x + h/2 p,      c = exp(-γh)
//
// Source: Leimkuhler and Matthews, "Rational construction of stochastic numerical methods for molecular sampling" (2013), BAOAB with
// its two half kicks at a point taken together. For a Gaussian the positions have exactly their distribution, whatever h.
type underdamped struct{ h, friction, temperature float64 }

func (u underdamped) c() float64 { return math.Exp(-u.friction * u.h) }

func (underdamped) State(image expr.Shape) []mcmc.Variable {
	return []mcmc.Variable{{Name: "momentum", Shape: image}}
}

func (underdamped) Noise(name string, image expr.Shape) []*expr.Value {
	return []*expr.Value{expr.Gaussian(name, image)}
}

func (u underdamped) Step(energy mcmc.Energy, x *expr.Value, state, noise []*expr.Value) mcmc.Transition {
	at, p, c := x, state[0], u.c()
	p = expr.Sub(p, expr.Affine(expr.Grad(energy(x), x)[0], u.h, 0))
	x = expr.Add(x, expr.Affine(p, u.h/2, 0))
	p = expr.Add(expr.Affine(p, c, 0), expr.Affine(noise[0], math.Sqrt((1-c*c)*u.temperature), 0))
	x = expr.Add(x, expr.Affine(p, u.h/2, 0))
	return mcmc.Transition{Next: x, State: []*expr.Value{p}, GradientAt: at}
}

// Drift is the gradient step from rest.
func (u underdamped) Drift() mcmc.Drift { return mcmc.Drift{StepSize: u.h * u.h * (1 + u.c()) / 2} }

func (underdamped) Schedule(string, int) map[string][]float32 { return nil }

// halving is a descent whose steps begin at ½ and halve; with mistakes, if it has any to make.
type halving struct {
	underdamped
	mistake func(*mcmc.Transition)
}

func (halving) State(expr.Shape) []mcmc.Variable {
	return []mcmc.Variable{{Name: "step_size", Shape: expr.Scalar, Initial: 0.5}, {Name: "steps", Shape: expr.Scalar}}
}

func (h halving) Step(energy mcmc.Energy, x *expr.Value, state, _ []*expr.Value) mcmc.Transition {
	next := expr.Sub(x, expr.Mul(state[0], expr.Grad(energy(x), x)[0]))
	t := mcmc.Transition{Next: next, State: []*expr.Value{expr.Affine(state[0], 0.5, 0), expr.Affine(state[1], 1, 1)}, GradientAt: x}
	if h.mistake != nil {
		h.mistake(&t)
	}
	return t
}

// gaussian is the energy Σ (x - ½)²/2s²: no chain comes near the walls of the box.
func gaussian(s float64) mcmc.Energy {
	return func(x *expr.Value) *expr.Value {
		d := expr.Affine(x, 1/s, -0.5/s)
		return expr.Affine(expr.Total(expr.Mul(d, d)), 0.5, 0)
	}
}

func TestUnderdampedDrawsFromAGaussian(t *testing.T) {
	const n, s, temperature = 1500, 0.1, 0.5
	// In units of the Gaussian's own time, s: a coarse step, at which drifting once, after the noise, doubles the variance.
	u := underdamped{h: 0.9 * s, friction: 1 / s, temperature: temperature}
	c, err := mcmc.NewChain(&cpu.Engine{Threads: 2}, u, gaussian(s), small)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(nil); err != nil {
		t.Fatal(err)
	}
	x := make([]float32, n*small.Size())
	mcmc.FillNoise(x, small.Size(), 1, 0)
	if _, err := c.Generate(t.Context(), x, mcmc.Generation{Steps: 80, Round: 10, Seed: 2}, nil); err != nil {
		t.Fatal(err)
	}
	mean, variance, count := 0.0, 0.0, float64(len(x))
	for _, v := range x {
		mean += float64(v) / count
		variance += (float64(v) - 0.5) * (float64(v) - 0.5) / count
	}
	if want := s * s * temperature; math.Abs(mean-0.5) > 4*math.Sqrt(want/count) || math.Abs(variance/want-1) > 4*math.Sqrt(2/count) {
		t.Errorf("mean %v and variance %v, want 0.5 and %v", mean, variance, want)
	}
}

// 2K steps at once are K and K more with the state carried on, whatever the number of threads and however chains are grouped.
func TestStateIsCarriedOn(t *testing.T) {
	const n, k = 7, 5
	u := underdamped{h: 0.3, friction: 1, temperature: 0.001}
	one, three := newChain(t, 1, u), newChain(t, 3, u)
	run := func(c *mcmc.Chain, x []float32, state [][]float32, steps, first, chain int) {
		t.Helper()
		o := mcmc.RunOptions{Steps: steps, State: state, Seed: 4, FirstStep: uint64(first), FirstChain: uint64(chain)}
		if _, err := c.Run(t.Context(), x, o); err != nil {
			t.Fatal(err)
		}
	}
	start := make([]float32, n*small.Size())
	mcmc.FillNoise(start, small.Size(), 1, 0)
	want, state := slices.Clone(start), one.InitialState(n)
	run(one, want, state, 2*k, 0, 0)

	x, parts := slices.Clone(start), three.InitialState(n)
	run(three, x, parts, k, 0, 0)
	middle := slices.Clone(x)
	run(three, x, parts, k, k, 0)
	if !slices.Equal(x, want) || !slices.Equal(parts[0], state[0]) {
		t.Error("K steps and K more with the state are not 2K steps at once")
	}
	run(one, middle, nil, k, k, 0)
	if slices.Equal(middle, want) {
		t.Error("the state makes no difference")
	}

	x = slices.Clone(start)
	for i := range n { // one chain at a time
		run(one, x[i*small.Size():][:small.Size()], nil, 2*k, 0, i)
	}
	if !slices.Equal(x, want) {
		t.Error("chains by themselves are not those of a batch")
	}

	// A generation is one chain, however often somebody looks; its rounds go on with the state.
	for _, every := range []int{0, 1, 3} {
		x := slices.Clone(start)
		g := mcmc.Generation{Steps: 2 * k, Round: 4, Every: every, Seed: 4}
		if _, err := three.Generate(t.Context(), x, g, nil); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(x, want) {
			t.Errorf("a generation with looks every %d steps is not a chain of as many steps", every)
		}
	}
}

// A state begins as it is declared, and what a run leaves of it is told; a chain as one expression is the same.
func TestInitialState(t *testing.T) {
	slope := func(x *expr.Value) *expr.Value { return expr.Total(x) } // ∇E = 1
	e := &cpu.Engine{Threads: 1}
	chain, err := mcmc.NewChain(e, halving{}, slope, small)
	if err != nil {
		t.Fatal(err)
	}
	unrolled, err := e.Compile(mcmc.Unroll(halving{}, slope, expr.Input("x", small), 3).Next)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []interface {
		Bind(map[string][]float32) error
	}{chain, unrolled} {
		if err := p.Bind(nil); err != nil {
			t.Fatal(err)
		}
	}
	const n = 2
	x, end := make([]float32, n*small.Size()), make([]float32, n*small.Size())
	if err := unrolled.Run(t.Context(), engine.Call{Batch: n, Inputs: map[string][]float32{"x": x}, Outputs: [][]float32{end}}); err != nil {
		t.Fatal(err)
	}
	state := chain.InitialState(n)
	if _, err := chain.Run(t.Context(), x, mcmc.RunOptions{Steps: 3, State: state}); err != nil {
		t.Fatal(err)
	}
	if want := slices.Repeat([]float32{-0.875}, len(x)); !slices.Equal(x, want) || !slices.Equal(end, want) {
		t.Errorf("three steps come to %v, unrolled to %v, want -7/8", x[0], end[0])
	}
	if !slices.Equal(state[0], []float32{1. / 16, 1. / 16}) || !slices.Equal(state[1], []float32{3, 3}) {
		t.Errorf("the state after three steps is %v, want a step size of 1/16 and 3 steps", state)
	}
}

func TestMistakesWithStates(t *testing.T) {
	for words, mistake := range map[string]func(*mcmc.Transition){
		"a state of 1 values: it declares 2 variables":       func(t *mcmc.Transition) { t.State = t.State[:1] },
		"makes its step_size 6×6×1: it is declared as 1×1×1": func(t *mcmc.Transition) { t.State[0] = t.Next },
		"expr: Add: shapes 6×6×1 and 2×2×1 do not fit":       func(t *mcmc.Transition) { t.State[1] = expr.Add(t.Next, expr.Input("y", expr.Shape{2, 2, 1})) },
		"expr: a nil value": func(t *mcmc.Transition) { t.State[1] = nil },
	} {
		_, err := mcmc.NewChain(&cpu.Engine{}, halving{mistake: mistake}, bowl, small)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("the error is %v, want one with %q", err, words)
		}
	}
	c, x := newChain(t, 1, halving{}), make([]float32, small.Size())
	for words, state := range map[string][][]float32{
		"a state of 1 variables: the sampler has 2": {{0}},
		`input "state_steps" has 3 values`:          {{0}, {0, 0, 0}},
	} {
		if _, err := c.Run(t.Context(), x, mcmc.RunOptions{Steps: 1, State: state}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("the error is %v, want one with %q", err, words)
		}
	}
}

// compiled is an engine that keeps what it is given to compile.
type compiled struct {
	cpu.Engine
	outputs []*expr.Value
}

func (c *compiled) Compile(outputs ...*expr.Value) (engine.Program, error) {
	c.outputs = outputs
	return c.Engine.Compile(outputs...)
}

// What a sampler does not use is not in the program: no state, no count of proposals.
func TestASamplerWithoutStateIsItsStepAlone(t *testing.T) {
	e, langevin := &compiled{}, mcmc.Langevin{StepSize: 1, Sigma: 0.1}
	if _, err := mcmc.NewChain(e, langevin, bowl, small); err != nil {
		t.Fatal(err)
	}
	step := langevin.Step(bowl, expr.Input("x", small), nil, langevin.Noise("noise", small))
	got, want := expr.Order(e.outputs...), expr.Order(step.Next, step.GradientAt)
	if len(e.outputs) != 2 || !slices.EqualFunc(got, want, func(a, b *expr.Value) bool { return a.String() == b.String() && a.Attr() == b.Attr() }) {
		t.Errorf("the program has %d outputs and %d operations, the step %d", len(e.outputs), len(got), len(want))
	}
}
