package mcmc

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// HMC is Hamiltonian Monte Carlo in the box [0, 1]: a sampler that is exact in the limit. For p(x) ∝ exp(-E(x)/T), a momentum
// p ~ N(0, I) and the Hamiltonian H = E(x)/T + |p|²/2, L leapfrog steps of size ε
//
//	p ← p - ε/2 ∇E(x)/T;   x ← x + ε p;   p ← p - ε/2 ∇E(x)/T
//
// propose a state that is accepted with probability min(1, exp(H - H')). At a wall of the box position and momentum are
// reflected, which keeps volume and energy. Source: Neal, "MCMC using Hamiltonian dynamics" (2011), sections 2.3, 5.1.
type HMC struct {
	StepSize    float64 // ε, in units of intensity
	Leapfrogs   int     // L
	Temperature float64 // T
}

// Noise is a momentum per pixel and a uniform number for the decision.
func (HMC) Noise(name string, image expr.Shape) []*expr.Value {
	return []*expr.Value{expr.Gaussian(name+"_momentum", image), expr.Uniform(name+"_accept", expr.Scalar)}
}

// Step is one proposal and its acceptance.
func (h HMC) Step(energy Energy, x *expr.Value, noise []*expr.Value) Transition {
	momentum, uniform := noise[0], noise[1]
	kick := func(p, x *expr.Value, part float64) *expr.Value {
		return expr.Sub(p, expr.Affine(expr.Grad(energy(x), x)[0], part*h.StepSize/h.Temperature, 0))
	}
	hamiltonian := func(x, p *expr.Value) *expr.Value {
		return expr.Add(expr.Affine(energy(x), 1/h.Temperature, 0), expr.Affine(expr.Total(expr.Mul(p, p)), 0.5, 0))
	}
	proposal, p, before := x, momentum, x
	for i := range h.Leapfrogs {
		part := 1.0
		if i == 0 {
			part = 0.5
		}
		before = proposal
		p = kick(p, proposal, part)
		proposal, p = reflect(expr.Add(proposal, expr.Affine(p, h.StepSize, 0)), p)
	}
	p = kick(p, proposal, 0.5)
	// log u < H - H'
	excess := expr.Sub(hamiltonian(proposal, p), hamiltonian(x, momentum))
	accepted := expr.Negative(expr.Add(expr.Log(uniform), excess))
	return Transition{Next: expr.Add(x, expr.Mul(accepted, expr.Sub(proposal, x))), Before: before, Accepted: accepted}
}

// reflect folds a position less than one box width outside [0, 1] back into it and turns the momentum there.
func reflect(x, p *expr.Value) (position, momentum *expr.Value) {
	turn := func(outside *expr.Value) *expr.Value { return expr.Affine(outside, -2, 1) } // 1 inside, -1 outside
	below := turn(expr.Negative(x))
	x, p = expr.Mul(below, x), expr.Mul(below, p)
	above := turn(expr.Negative(expr.Affine(x, -1, 1)))
	return expr.Affine(expr.Mul(above, expr.Affine(x, -1, 1)), -1, 1), expr.Mul(above, p)
}

// Drift is the gradient step that one leapfrog from rest makes: ε²/2T.
func (h HMC) Drift() float64 { return h.StepSize * h.StepSize / (2 * h.Temperature) }

// Schedule is empty.
func (HMC) Schedule(int) map[string][]float32 { return nil }

// Validate says what is wrong with the settings.
func (h HMC) Validate() error {
	if h.StepSize <= 0 || h.StepSize >= 1 || h.Leapfrogs < 1 || h.Temperature <= 0 {
		return fmt.Errorf("mcmc: HMC needs a step size in (0, 1), at least one leapfrog and a positive temperature, got %+v", h)
	}
	return nil
}
