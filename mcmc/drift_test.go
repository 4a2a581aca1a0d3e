package mcmc_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// drift is λPg: how far one step goes for the energy E(x) = Σ g x, for each of the gradients (N,H,W,C).
func drift(t *testing.T, l mcmc.Langevin, image expr.Shape, gradients []float32) []float64 {
	t.Helper()
	chain, err := mcmc.NewChain(&cpu.Engine{}, l, func(x *expr.Value) *expr.Value {
		return expr.Total(expr.Mul(expr.Input("g", image), x))
	}, image)
	if err != nil {
		t.Fatal(err)
	}
	if err := chain.Bind(nil); err != nil {
		t.Fatal(err)
	}
	x := make([]float32, len(gradients))
	for i := range x {
		x[i] = 0.5
	}
	if _, err := chain.Run(t.Context(), x, mcmc.RunOptions{Steps: 1, Inputs: map[string][]float32{"g": gradients}}); err != nil {
		t.Fatal(err)
	}
	d := make([]float64, len(x))
	for i := range d {
		d[i] = 0.5 - float64(x[i])
	}
	return d
}

// P goes further in what is coarse, for images of any size: it is symmetric, at least the identity, nearly that for a chequerboard, and for what
// all pixels have in common what [mcmc.Drift.Most] says.
func TestDriftInWhatIsCoarse(t *testing.T) {
	for _, image := range []expr.Shape{{32, 32, 3}, {28, 28, 1}, {9, 14, 1}, {64, 40, 3}, {7, 30, 1}} {
		t.Run(fmt.Sprint(image), func(t *testing.T) {
			const lambda = 1e-3
			n := image.Size()
			u, v := make([]float32, n), make([]float32, n)
			s := rng.New(3)
			s.FillNormal(u)
			s.FillNormal(v)
			chequered, even := make([]float32, n), make([]float32, n)
			for i := range even {
				p := i / image[2]
				even[i], chequered[i] = 1, float32(1-2*((p/image[1]+p%image[1])%2))
			}
			plain := drift(t, mcmc.Langevin{StepSize: lambda}, image, u)
			for i := range u {
				if math.Abs(plain[i]-lambda*float64(u[i])) > 1e-7 {
					t.Fatalf("a plain step goes %v for a gradient of %v", plain[i], u[i])
				}
			}
			l := mcmc.Langevin{StepSize: lambda, Coarse: 2}
			of := func(g []float32) []float64 { return drift(t, l, image, g) }
			pu, pv := of(u), of(v)
			if a, b := dot(v, pu), dot(u, pv); math.Abs(a-b) > 1e-4*lambda*float64(n) {
				t.Errorf("vPu is %v, uPv %v", a, b)
			}
			for name, test := range map[string]struct {
				g           []float32
				least, most float64 // of gPg/λgg
			}{
				"noise":     {u, 0.999, 3},
				"chequered": {chequered, 0.999, 1.2},
				"even":      {even, 0.95 * l.Drift().Most(image) / lambda, 1.6 * l.Drift().Most(image) / lambda},
			} {
				gain := dot(test.g, of(test.g)) / (lambda * dot(test.g, test.g))
				if gain < test.least || gain > test.most {
					t.Errorf("%s: steps are %v times as long, want %v to %v", name, gain, test.least, test.most)
				}
			}
		})
	}
}

func dot[A, B float32 | float64](a []A, b []B) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
