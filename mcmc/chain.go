package mcmc

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// This file runs a sampler on an engine: one compiled step, whose image and state are fed back to it.

// Chain is a sampler's step compiled for an energy. It stands for any number of chains, which run side by side as a batch; none of
// them is kept in it. It is for one goroutine at a time.
type Chain struct {
	step      engine.Program
	sampler   Sampler
	image     expr.Shape
	variables []Variable
	proposes  bool // whether steps are proposals, to be accepted or not
}

// The names of a step's inputs.
const (
	inputImage    = "x"
	inputAccepted = "accepted" // proposals so far
	noiseName     = "noise"
)

func inputState(v Variable) string { return "state_" + v.Name }

// NewChain compiles a sampler's step for an energy of images of the given shape. The energy may read other inputs (labels).
func NewChain(e engine.Engine, s Sampler, energy Energy, image expr.Shape) (*Chain, error) {
	x, state, variables := expr.Input(inputImage, image), []*expr.Value(nil), s.State(image)
	for _, v := range variables {
		state = append(state, expr.Input(inputState(v), v.Shape))
	}
	t := s.Step(energy, x, state, s.Noise(noiseName, image))
	outputs := []*expr.Value{t.Next, t.GradientAt}
	if len(t.State) != len(variables) {
		return nil, fmt.Errorf("mcmc: a step of %T has a state of %d values: it declares %d variables", s, len(t.State), len(variables))
	}
	for i, v := range variables {
		if err := expr.Err(t.State[i]); err != nil {
			return nil, fmt.Errorf("mcmc: %w", err)
		}
		if got := t.State[i].Shape(); got != v.Shape {
			return nil, fmt.Errorf("mcmc: a step of %T makes its %s %v: it is declared as %v", s, v.Name, got, v.Shape)
		}
		outputs = append(outputs, expr.Spread(t.State[i]))
	}
	if t.Accepted != nil {
		outputs = append(outputs, expr.Add(expr.Input(inputAccepted, expr.Scalar), t.Accepted))
	}
	p, err := e.Compile(outputs...)
	if err != nil {
		return nil, fmt.Errorf("mcmc: %w", err)
	}
	return &Chain{step: p, sampler: s, image: image, variables: variables, proposes: t.Accepted != nil}, nil
}

// Bind gives the energy's parameters their values, which must stay as they are while the chain is used.
func (c *Chain) Bind(params map[string][]float32) error { return c.step.Bind(params) }

// BindStore is Bind with parameters in a store, on engines that have such.
func (c *Chain) BindStore(s engine.Store, places map[string]engine.Place) error {
	p, ok := c.step.(engine.StoreProgram)
	if !ok {
		return errors.New("mcmc: the chain's engine has no stores")
	}
	return p.BindStore(s, places, nil)
}

// Flops counts the convolution work of one step of one chain.
func (c *Chain) Flops() float64 { return c.step.Flops() }

// RunOptions say how chains run.
type RunOptions struct {
	Steps int
	// Inputs of the energy beside the image, such as labels.
	Inputs map[string][]float32
	// State is the state of the sampler in each chain, which the run starts from and replaces: that of [Chain.InitialState], or what
	// another run has left there. nil stands for the initial state, and for one that is not wanted afterwards.
	//
	// K steps and K more with the state and FirstStep carried on are the same as 2K steps at once.
	State [][]float32
	// GradientAt, if not nil, receives x̂, the points at which the last gradients were taken, N,H,W,C.
	GradientAt []float32
	// Seed, FirstChain and FirstStep name the noise: image i of the batch draws that of chain FirstChain + i.
	Seed, FirstChain, FirstStep uint64
}

// InitialState is the state of n chains that start: the values of each of the sampler's variables, chain after chain. It is empty
// for samplers without a state.
func (c *Chain) InitialState(n int) [][]float32 {
	state := make([][]float32, len(c.variables))
	for i, v := range c.variables {
		state[i] = make([]float32, n*v.Shape.Size())
		for k := range state[i] {
			state[i][k] = float32(v.Initial)
		}
	}
	return state
}

// Run moves the images x (N,H,W,C, in place) by so many transitions and returns the share of all proposals that were accepted (1 for
// samplers without proposals). After an error, such as that of a ctx that has ended, images and state are of no use.
func (c *Chain) Run(ctx context.Context, x []float32, o RunOptions) (acceptance float64, err error) {
	call, accepted, err := c.Call(x, o)
	if err != nil {
		return 0, err
	}
	if err := c.step.Run(ctx, call); err != nil {
		return 0, err
	}
	return accepted(), nil
}

// Prepare begins to make the chain, which is bound, ready for runs of n images with such options, on engines where that takes long.
func (c *Chain) Prepare(n int, o RunOptions) {
	if p, ok := c.step.(engine.Preparer); ok {
		if call, _, err := c.Call(make([]float32, n*c.image.Size()), o); err == nil {
			p.Prepare(call)
		}
	}
}

// Program is the sampler's step, for those who make it a part of something larger.
func (c *Chain) Program() engine.Program { return c.step }

// The results of a chain's program: the images that it has moved, and x̂.
const (
	ResultEnd = iota
	ResultGradientAt
)

// Call is what Run calls the program with, and gives a function for what Run returns.
func (c *Chain) Call(x []float32, o RunOptions) (call engine.Call, acceptance func() float64, err error) {
	if o.Steps < 1 {
		return call, nil, fmt.Errorf("mcmc: a chain of %d steps: want 1 or more", o.Steps)
	}
	n := len(x) / c.image.Size()
	state := o.State
	if state == nil {
		state = c.InitialState(n)
	}
	if len(state) != len(c.variables) {
		return call, nil, fmt.Errorf("mcmc: a state of %d variables: the sampler has %d", len(state), len(c.variables))
	}
	inputs := map[string][]float32{inputImage: x}
	maps.Copy(inputs, o.Inputs)
	outputs, feedback := [][]float32{x, o.GradientAt}, map[string]int{inputImage: ResultEnd}
	for i, v := range c.variables {
		inputs[inputState(v)], feedback[inputState(v)] = state[i], len(outputs)
		outputs = append(outputs, state[i])
	}
	acceptance = func() float64 { return 1 }
	if c.proposes {
		accepted := make([]float32, n)
		inputs[inputAccepted], feedback[inputAccepted] = accepted, len(outputs)
		outputs = append(outputs, accepted)
		acceptance = func() (share float64) {
			for _, a := range accepted {
				share += float64(a) / float64(n*max(o.Steps, 1))
			}
			return share
		}
	}
	return engine.Call{Batch: n, Inputs: inputs, Outputs: outputs, Chain: engine.Chain{
		Steps: o.Steps, Feedback: feedback, PerStep: c.sampler.Schedule(noiseName, o.Steps),
		Seed: o.Seed, FirstImage: o.FirstChain, FirstStep: o.FirstStep,
	}}, acceptance, nil
}
