package mcmc

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// This file holds what samplers with proposals share: the test that decides on one, and the walls of the box [0, 1].
//
// Source: Metropolis et al., "Equation of state calculations by fast computing machines" (1953); Hastings, "Monte Carlo sampling
// methods using Markov chains and their applications" (1970).

// metropolis goes from x to a proposal with probability min(1, exp(-excess)), given a uniform number, and never by a way that was out of
// the box ([reflect]).
func metropolis(x, proposal, outside, excess, uniform *expr.Value) Transition {
	log := expr.Log(uniform)
	if uniform.Op() == expr.OpExp { // of a sampler that is hot: uᵃ may be too small for a number, its logarithm is not
		log = uniform.In()[0]
	}
	log = expr.Clamp(log, -1e29, 0) // u may be 0, and Negative is 0 of -∞
	// log u < -excess, and in the box.
	accepted := expr.Negative(expr.Add(expr.Add(log, excess), expr.Affine(outside, 1e30, 0)))
	return Transition{Next: expr.Add(x, expr.Mul(accepted, expr.Sub(proposal, x))), Accepted: accepted}
}

// reflect folds a position less than one box width outside [0, 1] back into it and turns the momentum there. It counts the elements that
// lie further out, from where the way back would be another, and leaves these at a wall: numbers stay finite.
func reflect(x, p *expr.Value) (position, momentum, outside *expr.Value) {
	turn := func(outside *expr.Value) *expr.Value { return expr.Affine(outside, -2, 1) } // 1 inside, -1 outside
	below, above := turn(expr.Negative(x)), turn(expr.Negative(expr.Affine(x, -1, 1)))
	position = expr.Affine(expr.Mul(above, expr.Affine(expr.Mul(below, x), -1, 1)), -1, 1)
	outside = expr.Total(expr.Affine(expr.Within(position, -1e-6, 1+1e-6), -1, 1))
	return expr.Clamp(position, 0, 1), expr.Mul(expr.Mul(below, above), p), outside
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
