package engine

// This file makes one program of several that run one after the other, so that what one of them computes and another reads never leaves the
// device: an iteration of training, say, of chains, a loss and an update.

import "context"

// Sequencer is a Keeper that can make one program of several.
type Sequencer interface {
	Keeper
	// Sequence makes a program of stages, which are of engines for the same devices as this one.
	Sequence(stages ...Stage) (Sequence, error)
}

// Stage is a program of a sequence.
type Stage struct {
	Program Program
	// From names the program's inputs and parameters that are results of stages before it: sample values become inputs, shared ones
	// parameters.
	From map[string]Result
	// If is a result that must be above 0 for the stage's updates of the store to be made: a shared number, of a stage before it. nil: they
	// are made.
	If *Result
}

// Result is an output of a stage, both by their numbers.
type Result struct{ Stage, Output int }

// Sequence is a program of several stages. It is used by one goroutine at a time.
type Sequence interface {
	// BindStore gives a stage its parameters as StoreProgram.BindStore does, all stages from one store, but for those that are results of other
	// stages. The program that the stage was made of is bound to what it was.
	BindStore(stage int, s Store, places map[string]Place, others map[string][]float32) error
	// Run runs the stages in their order, with a call for each, of as many images. What stages before have put into the store is what a stage
	// sees there. Inputs that are results of other stages have no values in a call.
	//
	// If the context ends before the device has begun, Run returns its error and the store is as it was; what has begun is completed.
	Run(ctx context.Context, calls ...Call) error
}
