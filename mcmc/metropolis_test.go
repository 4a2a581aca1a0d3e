package mcmc_test

import (
	"math"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// Samplers with an acceptance test draw from exp(-E/T) in the box, walls and temperature included: for E = Σ (x - μ)²/2s² the moments
// of each pixel are those of a normal distribution cut off at 0 and 1.
func TestSamplersDrawFromTheBoltzmannDistribution(t *testing.T) {
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
	for _, test := range []struct {
		sampler mcmc.Sampler
		steps   int
	}{
		{mcmc.HMC{StepSize: 0.15, Leapfrogs: 3, Temperature: 0.25}, 50},
		{mcmc.HMC{StepSize: 0.3, Leapfrogs: 1, Temperature: 0.25}, 50},
		{mcmc.MALA{StepSize: 0.02, Temperature: 0.25}, 80},
		{mcmc.MALA{StepSize: 0.06, Temperature: 0.25}, 80},
		// Four times as hot for good, and hot at first alone.
		{mcmc.Annealed{mcmc.MALA{StepSize: 0.01, Temperature: 0.0625}, 4, 1 - 1e-9}, 80},
		{mcmc.Annealed{mcmc.MALA{StepSize: 0.04, Temperature: 0.25}, 16, 0.9}, 100},
		{mcmc.Annealed{mcmc.HMC{StepSize: 0.075, Leapfrogs: 3, Temperature: 0.0625}, 4, 1 - 1e-9}, 50},
		{mcmc.Annealed{mcmc.HMC{StepSize: 0.15, Leapfrogs: 3, Temperature: 0.25}, 9, 0.9}, 80},
	} {
		c, err := mcmc.NewChain(&cpu.Engine{Threads: 2}, test.sampler, gaussian, image)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Bind(nil); err != nil {
			t.Fatal(err)
		}
		const n = 8000
		x := make([]float32, n*image.Size())
		mcmc.FillNoise(x, image.Size(), 1, 0)
		acceptance, err := c.Run(t.Context(), x, mcmc.RunOptions{Steps: test.steps, Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		sum, squares := 0.0, 0.0
		for _, v := range x {
			if v < 0 || v > 1 {
				t.Fatalf("%+v: a pixel of %v", test.sampler, v)
			}
			sum += float64(v)
			squares += (float64(v) - mean) * (float64(v) - mean)
		}
		// Independent pixels of independent chains: four standard errors.
		k := float64(len(x))
		if d := sum/k - mean; math.Abs(d) > 4*math.Sqrt(variance/k) {
			t.Errorf("%+v: the mean is off by %v", test.sampler, d)
		}
		if d := squares/k/variance - 1; math.Abs(d) > 4*math.Sqrt(2/k) {
			t.Errorf("%+v: the variance is off by %v of it", test.sampler, d)
		}
		if acceptance < 0.5 || acceptance > 0.999 {
			t.Errorf("%+v: %v of the proposals are accepted", test.sampler, acceptance)
		}
		t.Logf("%+v: acceptance %.3f", test.sampler, acceptance)
	}
}

// MALA of step size h, written down by its densities, is HMC of one leapfrog ε = √(2h), written down by its energies: from equal
// numbers they make equal moves, at the walls too.
func TestMALAIsHMCOfOneLeapfrog(t *testing.T) {
	const n, h, temperature = 400, 0.04, 0.3
	image := expr.Shape{2, 2, 1}
	skewed := func(x *expr.Value) *expr.Value { // pixels that depend on each other, and forces that grow towards a wall
		d := expr.Sub(x, expr.Affine(expr.Total(x), 0.25, 0.2))
		return expr.Total(expr.Exp(expr.Mul(d, expr.Affine(x, 2, 0))))
	}
	noise := []*expr.Value{expr.Input("momentum", image), expr.Input("uniform", expr.Scalar)}
	x := expr.Input("x", image)
	mala := mcmc.MALA{StepSize: h, Temperature: temperature}.Step(skewed, x, nil, noise)
	hmc := mcmc.HMC{StepSize: math.Sqrt(2 * h), Leapfrogs: 1, Temperature: temperature}.Step(skewed, x, nil, noise)

	values := map[string][]float64{}
	r := rng.New(5)
	for name, size := range map[string]int{"x": image.Size(), "momentum": image.Size(), "uniform": 1} {
		v := make([]float32, n*size)
		if name == "momentum" {
			r.FillNormal(v)
		} else {
			r.FillUniform(v)
		}
		for _, f := range v {
			values[name] = append(values[name], float64(f))
		}
	}
	got, err := reference.Eval([]*expr.Value{mala.Next, mala.Accepted, hmc.Next, hmc.Accepted, mala.GradientAt}, n, values)
	if err != nil {
		t.Fatal(err)
	}
	moved, reflected := 0, 0
	for i, v := range got[0] {
		if math.Abs(v-got[2][i]) > 1e-12 {
			t.Fatalf("pixel %d goes from %v to %v and %v", i, values["x"][i], v, got[2][i])
		}
		if v != values["x"][i] {
			moved++
			if y := values["x"][i] + math.Sqrt(2*h)*values["momentum"][i]; y < 0 || y > 1 {
				reflected++
			}
		}
	}
	if !slices.Equal(got[1], got[3]) {
		t.Error("one accepts what the other does not")
	}
	if moved < len(got[0])/4 || moved > len(got[0])*9/10 || reflected < 50 {
		t.Errorf("%d of %d pixels move, %d of them off a wall: the numbers try too little", moved, len(got[0]), reflected)
	}
	if !slices.Equal(got[4], values["x"]) {
		t.Error("the gradient of the move is not taken at its start")
	}
}
