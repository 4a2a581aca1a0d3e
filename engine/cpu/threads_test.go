package cpu_test

// This file holds the engine to its word that results do not depend on who computes them, and its noise to its distribution.

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// walk runs a chain and gives its outputs.
func walk(t testing.TB, e *cpu.Engine, batch int, n enginetest.Numbers, c engine.Chain, outputs ...*expr.Value) [][]float32 {
	t.Helper()
	return enginetest.Run(t, enginetest.Compile(t, e, n, outputs...), batch, n, c, outputs...)
}

// TestSameBits: neither the number of threads nor, for what is computed image by image, the grouping of images changes a bit.
func TestSameBits(t *testing.T) {
	next, energy := enginetest.Langevin()
	params := []*expr.Value{}
	for _, v := range expr.Order(energy) {
		if v.Op() == expr.OpParam {
			params = append(params, v)
		}
	}
	gradient := append([]*expr.Value{expr.BatchMean(energy)}, expr.Grad(expr.BatchMean(energy), params...)...)
	const batch = 13
	n := enginetest.Random(1, batch, next)
	chain := engine.Chain{Steps: 3, Feedback: map[string]int{"x": 0}, Seed: 5}
	for name, e := range engines() {
		e.Threads, e.TileImages = 1, 0
		chained := walk(t, e, batch, n, chain, next, energy)
		for _, tile := range []int{0, 1, 2, 5, 16} {
			e.Threads, e.TileImages = 1, tile
			summed := enginetest.Compute(t, e, batch, n, gradient...)
			for _, threads := range []int{1, 2, 3, 8} {
				e.Threads = threads
				what := fmt.Sprintf("%s, %d threads, tiles of %d", name, threads, tile)
				enginetest.Same(t, what+", chain", walk(t, e, batch, n, chain, next, energy), chained)
				enginetest.Same(t, what+", sums over the batch", enginetest.Compute(t, e, batch, n, gradient...), summed)
			}
		}
	}
}

// TestImageByItself: an image's chain is the same in any batch.
func TestImageByItself(t *testing.T) {
	next, energy := enginetest.Langevin()
	const batch, first = 7, 100
	n := enginetest.Random(2, batch, next)
	chain := engine.Chain{Steps: 2, Feedback: map[string]int{"x": 0}, Seed: 5, FirstImage: first}
	for name, e := range engines() {
		p := enginetest.Compile(t, e, n, next, energy)
		all := enginetest.Run(t, p, batch, n, chain, next, energy)
		for i := range batch {
			size := enginetest.SmallImage.Size()
			chain.FirstImage = uint64(first + i)
			alone := enginetest.Run(t, p, 1, enginetest.Numbers{"x": n["x"][i*size:][:size]}, chain, next, energy)
			enginetest.Same(t, fmt.Sprintf("%s, image %d", name, i), alone, [][]float32{all[0][i*size:][:size], all[1][i : i+1]})
		}
		chain.FirstImage = first
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
		p := enginetest.Compile(t, e, nil, outputs...)
		chain := engine.Chain{Seed: 7, FirstImage: 3, FirstStep: 11}
		drawn := enginetest.Run(t, p, batch, nil, chain, outputs...)
		for i, moments := range [][2]float64{{0, 1}, {0.5, 1.0 / 12}, {0, 1}} {
			wide := enginetest.Numbers{"": drawn[i]}.Wide()[""]
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
			x := enginetest.Numbers{"a": a, "b": b}.Wide()
			if r := stat.Correlation(x["a"], x["b"], nil); !(math.Abs(r) < 5/math.Sqrt(float64(len(a)))) {
				t.Errorf("%s: another %s has correlation %g", name, what, r)
			}
		}
		independent("leaf", drawn[0], drawn[2])
		independent("image", drawn[0][:10*size], drawn[0][10*size:])
		for what, c := range map[string]engine.Chain{
			"seed": {Seed: 8, FirstImage: 3, FirstStep: 11}, "step": {Seed: 7, FirstImage: 3, FirstStep: 12}, "first image": {Seed: 7, FirstImage: 100, FirstStep: 11},
		} {
			independent(what, drawn[0], enginetest.Run(t, p, batch, nil, c, outputs...)[0])
		}
		// The second step from step 10 on is step 11.
		enginetest.Same(t, name+", steps", enginetest.Run(t, p, batch, nil, engine.Chain{Steps: 2, Seed: 7, FirstImage: 3, FirstStep: 10}, outputs...), drawn)
		// The noise of a leaf is the same in any program, with any kernels.
		enginetest.Same(t, name+", alone", enginetest.Run(t, enginetest.Compile(t, &cpu.Engine{}, nil, gaussian), batch, nil, chain, gaussian), drawn[:1])
	}
}

// TestAllocations: a longer chain takes no more memory.
func TestAllocations(t *testing.T) {
	next, _ := enginetest.Langevin()
	const batch = 4
	n := enginetest.Random(12, batch, next)
	p := enginetest.Compile(t, &cpu.Engine{Threads: 2}, n, next)
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
