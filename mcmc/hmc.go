package mcmc

import (
	"errors"
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

func newHMC(o Options) (Sampler, error) {
	if o.Anneal {
		return nil, errors.New("anneal is true: hmc has no noise to anneal")
	}
	if o.Coarse != 0 {
		return nil, fmt.Errorf("coarse is %v: the momentum of hmc goes as far in what is coarse as in details", o.Coarse)
	}
	h := HMC{StepSize: o.StepSize, Leapfrogs: o.Leapfrogs, Temperature: o.Temperature}
	return h, h.check()
}

func (h HMC) check() error {
	switch {
	case !(h.StepSize > 0 && h.StepSize < 1):
		return fmt.Errorf("step_size is %v: with hmc, want more than 0 and less than 1, such as 0.01", h.StepSize)
	case h.Leapfrogs < 1 || h.Leapfrogs > 100:
		return fmt.Errorf("leapfrogs is %d: want 1 to 100", h.Leapfrogs)
	}
	return checkTemperature(h.Temperature)
}

// State is empty: each step has a new momentum.
func (HMC) State(expr.Shape) []Variable { return nil }

// Noise is a momentum per pixel and a uniform number for the decision.
func (HMC) Noise(name string, image expr.Shape) []*expr.Value {
	return []*expr.Value{expr.Gaussian(name+"_momentum", image), expr.Uniform(name+"_accept", expr.Scalar)}
}

// Step is one proposal and its acceptance.
func (h HMC) Step(energy Energy, x *expr.Value, _, noise []*expr.Value) Transition {
	if err := h.check(); err != nil {
		return invalid(err)
	}
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
	outside := expr.Const(0) // elements that left the box, on all of the way
	for i := range leapfrogs {
		part := 1.0
		if i == 0 {
			part = 0.5
		}
		last = proposal
		p = kick(p, proposal, part)
		var left *expr.Value
		proposal, p, left = reflect(expr.Add(proposal, expr.Mul(step, p)), p)
		outside = expr.Add(outside, left)
	}
	p = kick(p, proposal, 0.5)
	t := metropolis(x, proposal, outside, expr.Sub(hamiltonian(proposal, p), hamiltonian(x, momentum)), uniform)
	t.GradientAt = last
	return t
}

// Drift is the gradient step that one leapfrog from rest makes: ε²/2T.
func (h HMC) Drift() Drift { return Drift{StepSize: h.StepSize * h.StepSize / (2 * h.Temperature)} }

// Schedule is empty.
func (HMC) Schedule(string, int) map[string][]float32 { return nil }
