package cd_test

// This file trains with a sampler that carries a state from step to step.

import (
	"testing"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// heavyBall is [mcmc.Langevin] with a velocity v, of which each step keeps a part: v ← m·v - λ ∇E(x̂), x' = clamp(x̂ + v, 0, 1).
type heavyBall struct {
	mcmc.Langevin
	momentum float64
}

func (heavyBall) State(image expr.Shape) []mcmc.Variable {
	return []mcmc.Variable{{Name: "velocity", Shape: image}}
}

func (h heavyBall) Step(energy mcmc.Energy, x *expr.Value, state, noise []*expr.Value) mcmc.Transition {
	noised := expr.Add(x, noise[0])
	v := expr.Sub(expr.Affine(state[0], h.momentum, 0), expr.Affine(expr.Grad(energy(noised), noised)[0], h.StepSize, 0))
	return mcmc.Transition{Next: expr.Clamp(expr.Add(noised, v), 0, 1), State: []*expr.Value{v}, GradientAt: noised}
}

// The state is part of the chains of training, unrolled or not: it makes other weights, and the numbers are those of any number
// of threads.
func TestTrainingWithAState(t *testing.T) {
	for name, allSteps := range map[string]bool{"last step": false, "all steps": true} {
		t.Run(name, func(t *testing.T) {
			weights := func(sampler mcmc.Sampler, threads int) [][]float32 {
				s := settings()
				s.Sampler, s.AllSteps, s.Threads = sampler, allSteps, threads
				model, err := energy.New("quick", energy.Options{Filters: 4, Image: expr.Shape{side, side, 1}})
				if err != nil {
					t.Fatal(err)
				}
				tr, err := cd.NewTrainer(&cpu.Engine{Threads: threads}, model, s)
				if err != nil {
					t.Fatal(err)
				}
				mustStep(t, tr, 8, false)
				return state(t, tr)
			}
			langevin := mcmc.Langevin{StepSize: 20, Sigma: 0.005}
			plain, kept := weights(langevin, 1), weights(heavyBall{langevin, 0.5}, 1)
			if equal(plain, kept) {
				t.Error("the velocity makes no difference")
			}
			if !equal(kept, weights(heavyBall{langevin, 0.5}, 3)) {
				t.Error("three threads give other numbers")
			}
		})
	}
}
