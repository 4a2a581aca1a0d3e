package mcmc_test

import (
	"context"
	"math"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// HMC draws from exp(-E/T) in the box, walls and temperature included: for E = Σ (x - μ)²/2s² the moments of each pixel are those of
// a normal distribution cut off at 0 and 1.
func TestHMCDrawsFromTheBoltzmannDistribution(t *testing.T) {
	const mu, s = 0.9, 0.5 // at T = ¼ a standard deviation of ¼, a third of it beyond the wall
	gaussian := func(x *expr.Value) *expr.Value {
		d := expr.Affine(x, 1/s, -mu/s)
		return expr.Affine(expr.Total(expr.Mul(d, d)), 0.5, 0)
	}
	const a, b = (0 - mu) / 0.25, (1 - mu) / 0.25
	density := func(z float64) float64 { return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) }
	share := (math.Erf(b/math.Sqrt2) - math.Erf(a/math.Sqrt2)) / 2
	shift := (density(a) - density(b)) / share
	mean := mu + 0.25*shift
	variance := 0.25 * 0.25 * (1 + (a*density(a)-b*density(b))/share - shift*shift)

	image := expr.Shape{2, 2, 1}
	for _, h := range []mcmc.HMC{{StepSize: 0.15, Leapfrogs: 3, Temperature: 0.25}, {StepSize: 0.3, Leapfrogs: 1, Temperature: 0.25}} {
		c, err := mcmc.NewChain(&cpu.Engine{Threads: 2}, h, gaussian, image)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Bind(nil); err != nil {
			t.Fatal(err)
		}
		const n = 4000
		x := make([]float32, n*image.Size())
		mcmc.FillNoise(x, image.Size(), 1, 0)
		acceptance, err := c.Run(context.Background(), x, mcmc.RunOptions{Steps: 50, Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		sum, squares := 0.0, 0.0
		for _, v := range x {
			if v < 0 || v > 1 {
				t.Fatalf("%+v: a pixel of %v", h, v)
			}
			sum += float64(v)
			squares += (float64(v) - mean) * (float64(v) - mean)
		}
		// Independent pixels of independent chains: four standard errors.
		k := float64(len(x))
		if d := sum/k - mean; math.Abs(d) > 4*math.Sqrt(variance/k) {
			t.Errorf("%+v: the mean is off by %v", h, d)
		}
		if d := squares/k/variance - 1; math.Abs(d) > 4*math.Sqrt(2/k) {
			t.Errorf("%+v: the variance is off by %v of it", h, d)
		}
		if acceptance < 0.5 || acceptance > 0.999 {
			t.Errorf("%+v: %v of the proposals are accepted", h, acceptance)
		}
	}
}
