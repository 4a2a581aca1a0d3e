package mcmc

import "github.com/joule-ebm/joule/expr"

// Langevin is unadjusted Langevin dynamics with a step size and a noise chosen apart (short-run MCMC):
//
//	x̂ = x + σ·N(0, I)
//	x' = clamp(x̂ - λ P ∇E(x̂), 0, 1)
//
// where P is the identity, or goes further in what is coarse ([Drift]). The noise comes first and the gradient is taken at the noised point, as
// in the code of Du et al. (2021).
type Langevin struct {
	StepSize float64 // λ
	Coarse   float64 // β of P; 0: P is the identity
	Sigma    float64 // σ
	// Anneal lowers the noise linearly over a chain: step k of K has σ·(K - k - 1)/K.
	Anneal bool
}

func newLangevin(o Options) (Sampler, error) {
	l := Langevin{StepSize: o.StepSize, Coarse: o.Coarse, Sigma: o.Noise, Anneal: o.Anneal}
	return l, l.Drift().check()
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
	return Transition{Next: GradientStep(energy, noised, l.Drift()), GradientAt: noised}
}

// GradientStep is clamp(x - λ P ∇E(x), 0, 1).
func GradientStep(energy Energy, x *expr.Value, drift Drift) *expr.Value {
	gradient := expr.Grad(energy(x), x)[0]
	return expr.Clamp(expr.Sub(x, drift.Of(gradient)), 0, 1)
}

// Drift is λP.
func (l Langevin) Drift() Drift { return Drift{l.StepSize, l.Coarse} }

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
