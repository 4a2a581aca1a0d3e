package mcmc

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// Annealed is a sampler whose chains start hot and cool down: step k draws from exp(-E/aT) where the sampler draws from exp(-E/T), with
//
//	a₀ = From        aₖ₊₁ = max(1, Factor·aₖ).
//
// A chain from noise finds the wide valleys before the deep ones so, which matters for products of energies: each factor alone may lead
// elsewhere. To be a times as hot is to have Gaussian noise √a times as large and to take uniform numbers u for uᵃ, as log uᵃ = a log u is
// what an acceptance is decided by. The gradient step stays: with a step size that grows with the temperature, λ = h/T is the same.
//
// The heat a is state: it goes on cooling over the rounds of a generation. Source: Kirkpatrick, Gelatt and Vecchi, "Optimization by
// simulated annealing" (1983); for composed energies Du et al., "Reduce, Reuse, Recycle" (2023).
type Annealed struct {
	Sampler
	From   float64 // a₀: 1 or more
	Factor float64 // more than 0, less than 1
}

func newAnnealed(s Sampler, o Options) (Sampler, error) {
	switch {
	case o.Hot == 0 || o.Hot == 1:
		return s, nil
	case !(o.Hot > 1 && o.Hot <= 1e12):
		return nil, fmt.Errorf("hot is %v: want 1 or more, such as 1000", o.Hot)
	case !(o.Cooling > 0 && o.Cooling < 1):
		return nil, fmt.Errorf("cooling is %v: want more than 0 and less than 1, such as 0.97", o.Cooling)
	}
	return Annealed{s, o.Hot, o.Cooling}, nil
}

// State is the sampler's, and the heat.
func (a Annealed) State(image expr.Shape) []Variable {
	return append(a.Sampler.State(image), Variable{"heat", expr.Scalar, a.From})
}

// Step is one of the sampler's at the heat.
func (a Annealed) Step(energy Energy, x *expr.Value, state, noise []*expr.Value) Transition {
	last := len(state) - 1
	heat := state[last]
	var hot []*expr.Value
	for _, n := range noise {
		if n.Op() == expr.OpUniform {
			hot = append(hot, expr.Exp(expr.Mul(heat, expr.Log(n))))
		} else {
			hot = append(hot, expr.Mul(expr.Pow(heat, 0.5), n))
		}
	}
	t := a.Sampler.Step(energy, x, state[:last], hot)
	t.State = append(t.State, expr.Clamp(expr.Affine(heat, a.Factor, 0), 1, a.From))
	return t
}
