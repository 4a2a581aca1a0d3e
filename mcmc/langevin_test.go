package mcmc_test

import (
	"math"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// Without a force a chain is a sum of its noises: K steps have variance Kσ², annealed σ² Σ ((K-k-1)/K)², whose last noise is none.
func TestLangevinNoise(t *testing.T) {
	flat := func(x *expr.Value) *expr.Value { return expr.Affine(expr.Total(x), 0, 0) }
	const n, steps, sigma = 500, 5, 0.02
	image := expr.Shape{4, 4, 1}
	for _, l := range []mcmc.Langevin{{StepSize: 100, Sigma: sigma}, {StepSize: 100, Sigma: sigma, Anneal: true}} {
		c, err := mcmc.NewChain(&cpu.Engine{Threads: 1}, l, flat, image)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Bind(nil); err != nil {
			t.Fatal(err)
		}
		x := make([]float32, n*image.Size())
		for i := range x {
			x[i] = 0.5
		}
		if _, err := c.Run(t.Context(), x, mcmc.RunOptions{Steps: steps, Seed: 1}); err != nil {
			t.Fatal(err)
		}
		want := 0.0
		for k := range steps {
			s := sigma
			if l.Anneal {
				s *= float64(steps-k-1) / steps
			}
			want += s * s
		}
		got := 0.0
		for _, v := range x {
			got += math.Pow(float64(v)-0.5, 2) / float64(len(x))
		}
		if math.Abs(got/want-1) > 4*math.Sqrt(2/float64(len(x))) {
			t.Errorf("%+v: variance %v, want %v", l, got, want)
		}
	}
}

// x̂ is where the last gradient is taken, noise included, and the step from there is -λ∇E, into the box.
func TestLangevinStep(t *testing.T) {
	slope := func(x *expr.Value) *expr.Value { return expr.Total(x) } // ∇E = 1
	image := expr.Shape{3, 3, 1}
	for _, lambda := range []float64{0.25, 100} {
		c, err := mcmc.NewChain(&cpu.Engine{Threads: 1}, mcmc.Langevin{StepSize: lambda, Sigma: 0.01}, slope, image)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Bind(nil); err != nil {
			t.Fatal(err)
		}
		x, before := make([]float32, image.Size()), make([]float32, image.Size())
		for i := range x {
			x[i] = 0.5
		}
		acceptance, err := c.Run(t.Context(), x, mcmc.RunOptions{Steps: 1, GradientAt: before, Seed: 1})
		if err != nil || acceptance != 1 {
			t.Fatalf("acceptance %v, %v", acceptance, err)
		}
		for i, b := range before {
			want := max(0, float64(b)-lambda)
			if b == 0.5 || math.Abs(float64(b)-0.5) > 0.06 || math.Abs(float64(x[i])-want) > 1e-6 {
				t.Errorf("λ %v: from %v to %v, want %v", lambda, b, x[i], want)
			}
		}
	}
}
