package mcmc_test

import (
	"math"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

func ran(t *testing.T, s mcmc.Sampler, energy mcmc.Energy, image expr.Shape, x []float32, steps int) float64 {
	t.Helper()
	c, err := mcmc.NewChain(&cpu.Engine{Threads: 1}, s, energy, image)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(nil); err != nil {
		t.Fatal(err)
	}
	a, err := c.Run(t.Context(), x, mcmc.RunOptions{Steps: steps, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A hot chain accepts what a cold one does: uᵃ of a large a is a number no float32 holds, and counts all the same.
func TestHotChainsAccept(t *testing.T) {
	x := make([]float32, 64*16)
	for i := range x {
		x[i] = 0.5
	}
	flat := func(x *expr.Value) *expr.Value { return expr.Affine(expr.Total(x), 0.01, 0) }
	hot := mcmc.Annealed{mcmc.HMC{StepSize: 1e-3, Leapfrogs: 1, Temperature: 1}, 1000, 0.999999}
	if a := ran(t, hot, flat, expr.Shape{4, 4, 1}, x, 5); a < 0.99 {
		t.Errorf("%v of the proposals are accepted, want all", a)
	}
}

// A proposal that goes to infinity is refused, and the chain stays where it is.
func TestProposalsToInfinityAreRefused(t *testing.T) {
	steep := func(x *expr.Value) *expr.Value {
		d := expr.Affine(x, 1, -0.3)
		return expr.Affine(expr.Total(expr.Mul(d, d)), 1e6, 0)
	}
	x := []float32{0.1, 0.2, 0.3, 0.4}
	ran(t, mcmc.HMC{StepSize: 0.2, Leapfrogs: 20, Temperature: 1}, steep, expr.Shape{2, 2, 1}, x, 3)
	for _, v := range x {
		if !(v >= 0 && v <= 1) {
			t.Fatalf("the chain is at %v", x)
		}
	}
}

// Proposals as long as the box leave the uniform distribution as it is.
func TestLongProposalsAreInBalance(t *testing.T) {
	flat := func(x *expr.Value) *expr.Value { return expr.Affine(expr.Total(x), 0, 0) }
	for _, s := range []mcmc.Sampler{mcmc.MALA{StepSize: 0.9, Temperature: 1}, mcmc.HMC{StepSize: 0.9, Leapfrogs: 1, Temperature: 1},
		mcmc.HMC{StepSize: 0.9, Leapfrogs: 4, Temperature: 1}} {
		x, mean := make([]float32, 20000), 0.0
		mcmc.FillNoise(x, 1, 7, 0)
		ran(t, s, flat, expr.Shape{1, 1, 1}, x, 10)
		for _, v := range x {
			mean += float64(v) / float64(len(x))
		}
		if math.Abs(mean-0.5) > 0.008 { // four standard errors
			t.Errorf("%T %v: mean %v, want 0.5", s, s, mean)
		}
	}
}
