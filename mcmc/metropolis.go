package mcmc

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// This file holds what samplers with proposals share: the test that decides on one, and the walls of the box [0, 1].
//
// Source: Metropolis et al., "Equation of state calculations by fast computing machines" (1953); Hastings, "Monte Carlo sampling
// methods using Markov chains and their applications" (1970).

// metropolis goes from x to a proposal with probability min(1, exp(-excess)), given a uniform number, and never out of the box: a
// move by more than its width is not brought back into it by reflect.
func metropolis(x, proposal, excess, uniform *expr.Value) Transition {
	outside := expr.Total(expr.Affine(expr.Within(proposal, -1e-6, 1+1e-6), -1, 1))
	// log u < -excess, and in the box.
	accepted := expr.Negative(expr.Add(expr.Add(expr.Log(uniform), excess), expr.Affine(outside, 1e30, 0)))
	return Transition{Next: expr.Add(x, expr.Mul(accepted, expr.Sub(proposal, x))), Accepted: accepted}
}

// reflect folds a position less than one box width outside [0, 1] back into it and turns the momentum there.
func reflect(x, p *expr.Value) (position, momentum *expr.Value) {
	turn := func(outside *expr.Value) *expr.Value { return expr.Affine(outside, -2, 1) } // 1 inside, -1 outside
	below := turn(expr.Negative(x))
	x, p = expr.Mul(below, x), expr.Mul(below, p)
	above := turn(expr.Negative(expr.Affine(x, -1, 1)))
	return expr.Affine(expr.Mul(above, expr.Affine(x, -1, 1)), -1, 1), expr.Mul(above, p)
}

// invalid is a transition of a sampler whose own numbers cannot be.
func invalid(err error) Transition {
	v := expr.Invalid(err)
	return Transition{Next: v, GradientAt: v, Accepted: v}
}

func checkTemperature(t float64) error {
	if !(t > 0 && t <= 1e9) {
		return fmt.Errorf("temperature is %v: want more than 0, such as 1", t)
	}
	return nil
}
