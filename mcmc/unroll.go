package mcmc

import (
	"fmt"
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// This file writes a whole chain as one expression, for derivatives through all of its steps: an option of the authors' code (Du et
// al. 2021) in place of the derivative through the last one.

// Unroll is a chain of so many steps from x, with the sampler's state as it initially is. It returns the last transition. The noise
// of each step has a name of its own; where it takes inputs, [UnrolledInputs] has their values.
func Unroll(s Sampler, energy Energy, x *expr.Value, steps int) Transition {
	t := Transition{Next: x, GradientAt: x}
	for _, v := range s.State(x.Shape()) {
		t.State = append(t.State, expr.Spread(expr.Broadcast(expr.Const(v.Initial), v.Shape)))
	}
	for k := range steps {
		t = s.Step(energy, t.Next, t.State, s.Noise(unrolledNoise(k), x.Shape()))
	}
	return t
}

// UnrolledInputs are the values that the noise of an unrolled chain takes, for n chains: those of the sampler's schedule.
func UnrolledInputs(s Sampler, steps, n int) map[string][]float32 {
	inputs := map[string][]float32{}
	for k := range steps {
		for name, values := range s.Schedule(unrolledNoise(k), steps) {
			inputs[name] = slices.Repeat(values[k:k+1], n)
		}
	}
	return inputs
}

// unrolledNoise names the noise of a step of an unrolled chain.
func unrolledNoise(step int) string { return fmt.Sprintf("noise_%d", step) }
