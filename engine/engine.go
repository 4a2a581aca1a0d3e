// Package engine says what it means to run a computation described with package expr: compile it once, bind its parameters, and run
// it on batches of images, or on chains that repeat it. Package cpu below implements it; package reference evaluates the same expressions
// in plain float64, which is the definition that engines are tested against.
//
//	program, err := e.Compile(next, energy)                 // expressions in an input "x" and some parameters
//	err = program.Bind(parameters)                          // by name; again whenever they have changed
//	err = program.Run(ctx, engine.Call{
//		Batch:   64,
//		Inputs:  map[string][]float32{"x": images},         // image after image, channels last
//		Outputs: [][]float32{ends, energies},               // in the order given to Compile
//		Chain:   engine.Chain{Steps: 40, Feedback: map[string]int{"x": 0}, Seed: 1}, // x of a step is next of the one before
//	})
package engine

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// Engine turns expressions into programs.
type Engine interface {
	// Compile prepares the computation of the outputs. It is an error if there are none, if one carries a mistake (expr.Err), or if
	// the engine cannot compute it.
	Compile(outputs ...*expr.Value) (Program, error)
}

// Describe says what an engine works on, for people: what its String method says, or "cpu".
func Describe(e Engine) string {
	if s, ok := e.(fmt.Stringer); ok {
		return s.String()
	}
	return "cpu"
}

// Program is a compiled computation. It is used by one goroutine at a time and itself works on as many cores as its engine has.
type Program interface {
	// Bind gives the parameters (expr.Param) their values by name, each as long as its shape says. All that depends on them alone,
	// such as standardised and packed kernels, is computed when it is first needed, and perhaps again later: the program reads the
	// given slices, and they must stay as they are until the next Bind or the last Run. Bind comes before the first Run, and again
	// whenever a value has changed. After an error the program has the values it had before.
	Bind(params map[string][]float32) error
	// Run computes the outputs for a batch of images, or runs a chain of such computations. If the context ends first, it returns the
	// context's error, and the outputs are undefined; not in a group of processes, where the others wait for this one's share.
	Run(ctx context.Context, call Call) error
	// Flops counts the floating-point operations of the convolutions and matrix products for one image, as a direct computation
	// would do them: two for each multiply-add.
	Flops() float64
}

// Preparer is a Program, or a Sequence, that takes long to be made ready for a kind of call, and can begin before it is needed.
type Preparer interface {
	// Prepare begins to make it ready for calls like this one, or these of a sequence's stages, and returns at once: as many images and
	// steps, the same outputs that are not nil, and so on. Numbers do not matter. What it is bound to must have its final places.
	Prepare(calls ...Call)
}

// Call is one use of a program.
type Call struct {
	// Batch is the number of images.
	Batch int
	// Inputs holds the values of each sample leaf (expr.Input) by name, image after image: Batch × size numbers.
	Inputs map[string][]float32
	// Outputs receives the results in the order given to Compile: Batch × size numbers for a sample value, size for a shared one. A
	// nil slice says that the result is not wanted. A sample value may be written to the slice of an input of its shape.
	Outputs [][]float32
	// Updates says where in the store that the program is bound to outputs go, by their numbers: shared ones, which together must make up
	// whole arrays. They may be nil in Outputs. For a StoreProgram alone, and single steps.
	Updates map[int]Place
	// Chain repeats the computation, image by image; the zero value runs it once.
	Chain Chain
}

// Chain describes the repeated application of a program: a Markov chain per image.
type Chain struct {
	// Steps is the number of repetitions; 0 means 1. Outputs, sums over the batch included, are those of the last step.
	Steps int
	// Feedback names, for each input that a step passes to the next one, the output it is taken from, by its index. All are passed at
	// once, so that outputs may change places. Inputs that it does not name stay what they are.
	Feedback map[string]int
	// PerStep gives scalar inputs (1×1×1) a value that varies from step to step instead of from image to image: Steps numbers each.
	PerStep map[string][]float32
	// Noise (expr.Gaussian, expr.Uniform) is a function of Seed, the leaf's name, FirstImage + the image's place in the batch, and
	// FirstStep + the step: neither the grouping of images nor the number of cores matters.
	Seed       uint64
	FirstImage uint64
	FirstStep  uint64
}
