// Package mcmc draws samples from an energy: Markov chains (Langevin dynamics, Hamiltonian Monte Carlo), the replay buffer where
// they start, and the augmentation transitions that let them cross between modes.
//
// Images live in [0, 1]. Step sizes multiply a gradient per unit of intensity.
package mcmc

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// Energy is the energy of an image: H×W×C to 1×1×1.
type Energy func(x *expr.Value) *expr.Value

// Transition is one step of a chain.
type Transition struct {
	Next     *expr.Value // where the chain goes
	Before   *expr.Value // the point at which the last gradient was taken
	Accepted *expr.Value // 1 where a proposal was accepted, 0 where not; nil for samplers without proposals
}

// Sampler describes the transitions of a Markov chain as expressions.
type Sampler interface {
	// Noise makes the random numbers of a step for images of the given shape, and the inputs they take. Their names begin with name.
	Noise(name string, image expr.Shape) []*expr.Value
	// Step is one transition from x, given the step's noise.
	Step(energy Energy, x *expr.Value, noise []*expr.Value) Transition
	// Drift is the λ of the gradient step x - λ∇E(x) that the sampler's move is, noise aside.
	Drift() float64
	// Schedule gives the inputs of the noise of that name their values in each step of a chain; nil if there are none.
	Schedule(name string, steps int) map[string][]float32
}

// Chain runs a sampler on an engine: one compiled step, repeated.
type Chain struct {
	sampler engine.Program
	of      Sampler
	image   expr.Shape
	hmc     bool
}

// noiseName is that of the noise of a chain's step.
const noiseName = "noise"

// NewChain compiles a sampler's step for an energy of images of the given shape. The energy may read other inputs (labels).
func NewChain(e engine.Engine, s Sampler, energy Energy, image expr.Shape) (*Chain, error) {
	x := expr.Input("x", image)
	t := s.Step(energy, x, s.Noise(noiseName, image))
	outputs := []*expr.Value{t.Next, t.Before}
	if t.Accepted != nil {
		outputs = append(outputs, t.Accepted)
	}
	p, err := e.Compile(outputs...)
	if err != nil {
		return nil, fmt.Errorf("mcmc: %w", err)
	}
	return &Chain{sampler: p, of: s, image: image, hmc: t.Accepted != nil}, nil
}

// Bind gives the energy's parameters their values, which must stay as they are while the chain is used.
func (c *Chain) Bind(params map[string][]float32) error { return c.sampler.Bind(params) }

// Flops counts the convolution work of one step of one chain.
func (c *Chain) Flops() float64 { return c.sampler.Flops() }

// Walk is one use of a chain.
type Walk struct {
	Steps int
	// Inputs of the energy beside the image, such as labels.
	Inputs map[string][]float32
	// Before, if not nil, receives the points at which the last gradients were taken, N,H,W,C.
	Before []float32
	// Seed, FirstChain and FirstStep name the noise: image i of the batch draws that of chain FirstChain + i.
	Seed, FirstChain, FirstStep uint64
}

// Run moves the images x (N,H,W,C, in place) by Steps transitions and returns the mean acceptance of the last one (1 for samplers
// without proposals).
func (c *Chain) Run(ctx context.Context, x []float32, w Walk) (acceptance float64, err error) {
	n := len(x) / c.image.Size()
	inputs := map[string][]float32{"x": x}
	for name, values := range w.Inputs {
		inputs[name] = values
	}
	outputs := [][]float32{x, w.Before}
	var accepted []float32
	if c.hmc {
		accepted = make([]float32, n)
		outputs = append(outputs, accepted)
	}
	err = c.sampler.Run(ctx, engine.Call{Batch: n, Inputs: inputs, Outputs: outputs, Chain: engine.Chain{
		Steps: w.Steps, Feedback: map[string]int{"x": 0}, PerStep: c.of.Schedule(noiseName, w.Steps),
		Seed: w.Seed, FirstImage: w.FirstChain, FirstStep: w.FirstStep,
	}})
	if err != nil {
		return 0, err
	}
	if !c.hmc {
		return 1, nil
	}
	for _, a := range accepted {
		acceptance += float64(a) / float64(n)
	}
	return acceptance, nil
}
