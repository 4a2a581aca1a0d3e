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

// State is empty: each step has a new momentum.
func (HMC) State(expr.Shape) []Variable { return nil }

// Noise is a momentum per pixel and a uniform number for the decision.
func (HMC) Noise(name string, image expr.Shape) []*expr.Value {
	return []*expr.Value{expr.Gaussian(name+"_momentum", image), expr.Uniform(name+"_accept", expr.Scalar)}
}

// Step is one proposal and its acceptance.
func (h HMC) Step(energy Energy, x *expr.Value, _, noise []*expr.Value) Transition {
	return Hamiltonian(energy, x, noise[0], noise[1], expr.Const(h.StepSize), expr.Const(1/h.Temperature), h.Leapfrogs)
}

// Hamiltonian is a transition of [HMC] whose step size ε and inverse temperature β = 1/T are numbers of the computation: inputs, for
// annealing. momentum is N(0, I) in the shape of the image x, and uniform a number in [0, 1).
func Hamiltonian(energy Energy, x, momentum, uniform, step, beta *expr.Value, leapfrogs int) Transition {
	force := expr.Mul(step, beta)
	kick := func(p, x *expr.Value, part float64) *expr.Value {
		return expr.Sub(p, expr.Mul(expr.Affine(force, part, 0), expr.Grad(energy(x), x)[0]))
	}
	hamiltonian := func(x, p *expr.Value) *expr.Value {
		return expr.Add(expr.Mul(beta, energy(x)), expr.Affine(expr.Total(expr.Mul(p, p)), 0.5, 0))
	}
	proposal, p, last := x, momentum, x
	for i := range leapfrogs {
		part := 1.0
		if i == 0 {
			part = 0.5
		}
		last = proposal
		p = kick(p, proposal, part)
		proposal, p = reflect(expr.Add(proposal, expr.Mul(step, p)), p)
	}
	p = kick(p, proposal, 0.5)
	// log u < H - H', and in the box: a leap by more than its width ends outside.
	excess := expr.Sub(hamiltonian(proposal, p), hamiltonian(x, momentum))
	outside := expr.Total(expr.Affine(expr.Within(proposal, -1e-6, 1+1e-6), -1, 1))
	accepted := expr.Negative(expr.Add(expr.Add(expr.Log(uniform), excess), expr.Affine(outside, 1e30, 0)))
	return Transition{Next: expr.Add(x, expr.Mul(accepted, expr.Sub(proposal, x))), GradientAt: last, Accepted: accepted}
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
func (HMC) Schedule(string, int) map[string][]float32 { return nil }

// Validate says what is wrong with the settings.
func (h HMC) Validate() error {
	if h.StepSize <= 0 || h.StepSize >= 1 || h.Leapfrogs < 1 || h.Temperature <= 0 {
		return fmt.Errorf("mcmc: HMC needs a step size in (0, 1), at least one leapfrog and a positive temperature, got %+v", h)
	}
	return nil
}
