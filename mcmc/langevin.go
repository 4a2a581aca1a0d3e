package mcmc

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// Langevin is unadjusted Langevin dynamics with a step size and a noise chosen apart (short-run MCMC):
//
//	x̂ = x + σ·N(0, I)
//	x' = clamp(x̂ - λ ∇E(x̂), 0, 1)
//
// The noise comes first and the gradient is taken at the noised point, as in the code of Du et al. (2021).
type Langevin struct {
	StepSize float64 // λ
	Sigma    float64 // σ
	// Anneal lowers the noise linearly over a chain: step k of K has σ·(K - k - 1)/K.
	Anneal bool
}

func newLangevin(o Options) (Sampler, error) {
	if !(o.StepSize > 0 && o.StepSize <= 1e9) {
		return nil, fmt.Errorf("step_size is %v: want more than 0, such as 100", o.StepSize)
	}
	return Langevin{StepSize: o.StepSize, Sigma: o.Noise, Anneal: o.Anneal}, nil
}

// State is empty.
func (Langevin) State(expr.Shape) []Variable { return nil }

// Noise is σ·N(0, I). An annealed σ is an input.
func (l Langevin) Noise(name string, image expr.Shape) []*expr.Value {
	n := expr.Gaussian(name, image)
	if l.Anneal {
		return []*expr.Value{expr.Mul(expr.Input(sigmaOf(name), expr.Scalar), n)}
	}
	return []*expr.Value{expr.Affine(n, l.Sigma, 0)}
}

func sigmaOf(noise string) string { return noise + "_sigma" }

// Step is one transition.
func (l Langevin) Step(energy Energy, x *expr.Value, _, noise []*expr.Value) Transition {
	noised := expr.Add(x, noise[0])
	return Transition{Next: GradientStep(energy, noised, l.StepSize), GradientAt: noised}
}

// GradientStep is clamp(x - λ ∇E(x), 0, 1).
func GradientStep(energy Energy, x *expr.Value, stepSize float64) *expr.Value {
	gradient := expr.Grad(energy(x), x)[0]
	return expr.Clamp(expr.Sub(x, expr.Affine(gradient, stepSize, 0)), 0, 1)
}

// Drift is λ.
func (l Langevin) Drift() float64 { return l.StepSize }

// Schedule is the annealed σ, if it is annealed.
func (l Langevin) Schedule(name string, steps int) map[string][]float32 {
	if !l.Anneal {
		return nil
	}
	steps = max(steps, 1)
	sigma := make([]float32, steps)
	for k := range sigma {
		sigma[k] = float32(l.Sigma * float64(steps-k-1) / float64(steps))
	}
	return map[string][]float32{sigmaOf(name): sigma}
}
