// Package engine says what it means to run a computation described with package expr. Implementations are in the packages below:
// cpu, the fast one, and reference, the plain float64 one that defines every operation.
package engine

import (
	"context"

	"github.com/joule-ebm/joule/expr"
)

// Engine turns expressions into programs.
type Engine interface {
	// Compile prepares the computation of the outputs, or says what is wrong with them.
	Compile(outputs ...*expr.Value) (Program, error)
}

// Program is a compiled computation. A Program is used by one goroutine at a time and works on as many cores as its engine has.
type Program interface {
	// Bind gives the shared leaves (expr.Param) their values. All that depends on them alone, such as standardised and packed kernels,
	// is computed when it is first needed, and perhaps again later: the program reads the given slices, and they must stay as they
	// are until the next Bind or the last Run. It must be called before Run, and again whenever a value has changed.
	Bind(params map[string][]float32) error
	// Run computes the outputs for a batch of images, or runs a chain of such computations.
	Run(ctx context.Context, call Call) error
	// Flops counts the floating-point operations of the convolutions and matrix products for one image, as a direct computation
	// would do them.
	Flops() float64
}

// Call is one use of a program.
type Call struct {
	// Batch is the number of images.
	Batch int
	// Inputs holds each sample leaf (expr.Input) by name, image after image.
	Inputs map[string][]float32
	// Outputs receives the results in the order given to Compile: Batch × size for a sample value, size for a shared one. A nil
	// slice says that the result is not wanted.
	Outputs [][]float32
	// Chain repeats the computation, image by image; the zero value runs it once.
	Chain Chain
}

// Chain describes the repeated application of a program: a Markov chain per image.
type Chain struct {
	// Steps is the number of repetitions; 0 means 1. Outputs hold what the last step computed.
	Steps int
	// Feedback names, for each input that a step passes to the next one, the output it is taken from.
	Feedback map[string]int
	// PerStep gives scalar inputs (1×1×1) a value that varies from step to step instead of from image to image.
	PerStep map[string][]float32
	// Noise (expr.Gaussian, expr.Uniform) is a function of Seed, the leaf's name, FirstImage + the image's place in the batch, and
	// FirstStep + the step: neither the grouping of images nor the number of cores matters.
	Seed       uint64
	FirstImage uint64
	FirstStep  uint64
}
