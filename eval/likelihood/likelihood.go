// Package likelihood brackets the constant that an energy leaves open,
//
//	p(x) = exp(-E(x)/T) / Z        log Z = log ∫ exp(-E(x)/T) dx over the box [0, 1]^d,
//
// and with it the likelihood of images.
//
//	r, err := likelihood.Measure(ctx, &cpu.Engine{}, m, images, likelihood.Defaults())
//	fmt.Println(r.Up.LogZ, r.Down.LogZ, r.Bits, r.Warnings())
//
// It anneals importance weights: chains go from the uniform distribution (Z = 1) to the model
// through the distributions exp(-βₖ E), 0 = β₀ < β₁ < ... < βₙ = 1/T, by Hamiltonian transitions that leave each invariant, and
//
//	log w = -Σₖ (βₖ - βₖ₋₁) E(xₖ₋₁)        E[w] = Z.
//
// The logarithm of a mean of such weights is too low on average (Jensen), and exceeds log Z by b or more with probability e^-b at most
// (Markov). Chains that start from the model and go down instead have E[1/w] = 1/Z: they give an estimate that is too high on
// average. The truth lies between the two, but for chance. Sources: Neal, "Annealed importance sampling" (2001); Grosse, Ghahramani
// and Adams, "Sandwiching the marginal likelihood using bidirectional Monte Carlo" (2015).
//
// The second half needs exact samples of the model. Of a learnt energy there are none: chains down start from something like them,
// and the upper estimate is one only as far as they are. An [Annealer] has the parts that [Measure] puts together, for any energy.
package likelihood

import (
	"context"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// Annealer moves chains between the uniform distribution and a model.
type Annealer struct {
	// Inputs of the energy beside the image, such as a label, for one image: they are the same for all.
	Inputs map[string][]float32
	// Progress, if not nil, is called now and then with the number of transitions of single chains made since it was last called.
	Progress func(transitions int64)

	transition engine.Program
	energy     engine.Program
	image      expr.Shape
}

// The inputs of a transition that vary from step to step.
const (
	inputBeta = "annealing_beta" // βₖ
	inputRise = "annealing_rise" // βₖ - βₖ₋₁
	inputStep = "annealing_step" // of the leapfrogs
)

// NewAnnealer compiles a transition of so many leapfrogs for an energy of images of the given shape.
func NewAnnealer(e engine.Engine, energy mcmc.Energy, image expr.Shape, leapfrogs int) (*Annealer, error) {
	if leapfrogs < 1 {
		return nil, fmt.Errorf("likelihood: %d leapfrogs: want 1 or more", leapfrogs)
	}
	scalar := func(name string) *expr.Value { return expr.Input(name, expr.Scalar) }
	x, level := expr.Input("x", image), energy(expr.Input("x", image))
	noise := mcmc.HMC{}.Noise("noise", image)
	t := mcmc.Hamiltonian(energy, x, noise[0], noise[1], scalar(inputStep), scalar(inputBeta), leapfrogs)
	a := &Annealer{image: image}
	var err error
	a.transition, err = e.Compile(
		t.Next,
		expr.Sub(scalar("weight"), expr.Mul(scalar(inputRise), level)),
		expr.Add(scalar("accepted"), t.Accepted),
		level,
	)
	if err == nil {
		a.energy, err = e.Compile(level)
	}
	if err != nil {
		return nil, fmt.Errorf("likelihood: %w", err)
	}
	return a, nil
}

// Bind gives the energy's parameters their values, which must stay as they are while the annealer is used.
func (a *Annealer) Bind(params map[string][]float32) error {
	if err := a.transition.Bind(params); err != nil {
		return err
	}
	return a.energy.Bind(params)
}

// rung is one step of a chain: the weight's, then a transition at beta.
type rung struct{ rise, beta, step float32 }

// together is how many steps a chain takes at a time. Weights are added up in float32 within them and in float64 between.
const together = 25

// walked is what became of chains.
type walked struct {
	weights    []float64 // log w of each chain
	acceptance float64   // of all proposals
	energies   []float64 // of each chain before its last step
}

// walk takes the chains x (N,H,W,C, in place) through steps, and calls look, if not nil, now and then with what is known.
func (a *Annealer) walk(ctx context.Context, x []float32, steps []rung, seed, firstStep uint64, look func(done int, w walked)) (walked, error) {
	n := len(x) / a.image.Size()
	w := walked{weights: make([]float64, n), energies: make([]float64, n)}
	inputs := a.inputs(x)
	accepted, total := make([]float32, n), 0.0
	weight, level := make([]float32, n), make([]float32, n)
	for done := 0; done < len(steps); {
		part := steps[done:min(done+together, len(steps))]
		perStep := map[string][]float32{}
		for _, s := range part {
			perStep[inputBeta] = append(perStep[inputBeta], s.beta)
			perStep[inputRise] = append(perStep[inputRise], s.rise)
			perStep[inputStep] = append(perStep[inputStep], s.step)
		}
		clear(weight)
		clear(accepted)
		inputs["weight"], inputs["accepted"] = weight, accepted
		err := a.transition.Run(ctx, engine.Call{Batch: n, Inputs: inputs, Outputs: [][]float32{x, weight, accepted, level}, Chain: engine.Chain{
			Steps: len(part), Feedback: map[string]int{"x": 0, "weight": 1, "accepted": 2}, PerStep: perStep,
			Seed: seed, FirstStep: firstStep + uint64(done),
		}})
		if err != nil {
			return w, err
		}
		done += len(part)
		for i := range n {
			w.weights[i] += float64(weight[i])
			w.energies[i] = float64(level[i])
			total += float64(accepted[i])
			if math.IsNaN(w.weights[i]) || math.IsInf(w.weights[i], 0) {
				return w, fmt.Errorf("likelihood: the energy of chain %d is %v: has the model diverged?", i, level[i])
			}
		}
		w.acceptance = total / float64(n) / float64(done)
		if look != nil {
			look(done, w)
		}
		if a.Progress != nil {
			a.Progress(int64(n) * int64(len(part)))
		}
	}
	return w, nil
}

// inputs are those of a call for the images x.
func (a *Annealer) inputs(x []float32) map[string][]float32 {
	all := map[string][]float32{"x": x}
	for name, one := range a.Inputs {
		for range len(x) / a.image.Size() {
			all[name] = append(all[name], one...)
		}
	}
	return all
}

// energyBatch is how many images' energies are computed at a time.
const energyBatch = 256

// Energies are those of the images x, N,H,W,C in [0, 1].
func (a *Annealer) Energies(ctx context.Context, x []float32) ([]float64, error) {
	var energies []float64
	for size := a.image.Size(); len(x) > 0; {
		part := x[:min(len(x), energyBatch*size)]
		x = x[len(part):]
		out := make([]float32, len(part)/size)
		if err := a.energy.Run(ctx, engine.Call{Batch: len(out), Inputs: a.inputs(part), Outputs: [][]float32{out}}); err != nil {
			return nil, err
		}
		for _, e := range out {
			energies = append(energies, float64(e))
		}
	}
	return energies, nil
}
