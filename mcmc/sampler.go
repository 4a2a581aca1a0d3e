// Package mcmc draws samples from an energy: Markov chains, the replay buffer where they start, and the augmentation transitions
// that let them cross between modes.
//
// A [Sampler] describes one transition of a chain as an expression. [NewChain] compiles it for an energy, with [Chain.Bind] the chain
// gets the energy's parameters, and then it runs from wherever the images given to it are:
//
//	chain, err := mcmc.NewChain(engine, mcmc.Langevin{StepSize: 100, Sigma: 0.001}, energy, expr.Shape{28, 28, 1})
//	err = chain.Bind(params)
//	mcmc.FillNoise(x, 28*28, seed, 0)
//	acceptance, err := chain.Run(ctx, x, mcmc.RunOptions{Steps: 40, Seed: seed})
//
// [Chain.Generate] makes images from noise with many rounds of that, between which images are augmented ([Augmentation]). In
// training chains are short and start from where others ended, kept in a replay [Buffer]. [Unroll] is a chain as one expression, to
// differentiate through all of its steps.
//
// Images live in [0, 1], N,H,W,C. Step sizes multiply a gradient per unit of intensity. All random numbers are named by a seed, a
// chain and a step: neither the number of threads nor which chains run together makes a difference.
//
// # Samplers
//
// [Langevin] is the sampler of Du et al. (2021); [HMC] and [MALA] have an acceptance test, and draw from exp(-E/T) in the limit.
// [New] makes each of them by its name in the table of [Samplers]. [Annealed] lets any of them start hot.
//
// A sampler of one's own is a type with the five methods of [Sampler]; nothing else needs to know it. If it is to be chosen by name,
// it also gets a line in the table in registry.go. What it carries from step to step, such as a momentum, is its state: see [Variable].
package mcmc

import "github.com/joule-ebm/joule/expr"

// Energy is the energy of an image: H×W×C to 1×1×1.
type Energy func(x *expr.Value) *expr.Value

// Variable is a part of the state that a sampler carries from step to step beside the image: a momentum, or a step size that adapts
// itself. Every chain has a value of its own. It starts as declared here, in training too, where the replay buffer keeps images alone,
// and is carried on over the steps of a run, the rounds of a generation and, if the caller asks for it ([RunOptions]), from run to run.
type Variable struct {
	Name    string
	Shape   expr.Shape
	Initial float64 // of each element, where a chain starts
}

// Transition is one step of a chain.
type Transition struct {
	Next  *expr.Value   // where the chain goes
	State []*expr.Value // the state there: a value for each variable of [Sampler.State]
	// GradientAt is x̂, the point at which the last gradient was taken that led to Next: in training the last step is differentiated
	// from there (see [Sampler.Drift]).
	GradientAt *expr.Value
	Accepted   *expr.Value // 1 where a proposal was accepted, 0 where not; nil for samplers without proposals
}

// Sampler describes the transitions of a Markov chain as expressions. The values it is built of are sample values: one per chain.
type Sampler interface {
	// State lists the variables that a step passes on to the next one, for images of the given shape; nil if there are none.
	State(image expr.Shape) []Variable
	// Noise makes the random numbers of a step for images of the given shape, and the inputs they take. Their names begin with name.
	Noise(name string, image expr.Shape) []*expr.Value
	// Step is one transition from the image x and the state (in the order of State), given the step's noise. What is wrong with the
	// sampler's own numbers becomes the error of the values it makes ([expr.Invalid]), which [NewChain] reports.
	Step(energy Energy, x *expr.Value, state, noise []*expr.Value) Transition
	// Drift is λP in the deterministic part of the sampler's move, x - λP∇E(x), to first order in λ. Where the loss takes the last step
	// of a chain as a function of the energy's parameters, it takes clamp(x̂ - λP∇E(x̂), 0, 1), with x̂ of [Transition.GradientAt]
	// held fixed: for [Langevin] the very step, for other samplers its first order.
	Drift() Drift
	// Schedule gives the inputs of the noise of that name their values in each step of a chain; nil if there are none. A schedule is
	// that of a whole chain, not one to be continued by another.
	Schedule(name string, steps int) map[string][]float32
}
