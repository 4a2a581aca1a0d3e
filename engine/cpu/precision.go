package cpu

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// This file chooses the precision of convolutions where the caller leaves it to the machine, by measurement.

// Resolve replaces engine.Auto by engine.Split where this machine has a matrix unit that makes it faster than engine.Float32, else by
// engine.Float32. Other precisions stay; the zero value is engine.Float32. The measurement takes some milliseconds, once.
func Resolve(p engine.Precision) engine.Precision {
	switch p {
	case "":
		return engine.Float32
	case engine.Auto:
		return fastest()
	}
	return p
}

// fastest is engine.Split or engine.Float32.
var fastest = sync.OnceValue(func() engine.Precision {
	if matrix.Native() == nil {
		return engine.Float32
	}
	split, err := convolutionTime(partsOf(engine.Split))
	if err != nil {
		return engine.Float32
	}
	if float, err := convolutionTime(partsOf(engine.Float32)); err != nil || float <= split {
		return engine.Float32
	}
	return engine.Split
})

// convolutionTime is how long a typical convolution takes on one core, of 64 channels and 32×32 pixels: the best of a few.
func convolutionTime(parts matrix.Parts) (time.Duration, error) {
	const side, channels, runs = 32, 64, 5
	x := expr.Input("x", expr.Shape{side, side, channels})
	y := expr.Conv(x, expr.Param("kernel", expr.Shape{9, channels, channels}))
	program, err := (&Engine{Threads: 1}).compile(parts, y)
	if err != nil {
		return 0, err
	}
	if err := program.Bind(map[string][]float32{"kernel": make([]float32, 9*channels*channels)}); err != nil {
		return 0, err
	}
	call := engine.Call{Batch: 1, Inputs: map[string][]float32{"x": make([]float32, side*side*channels)}, Outputs: make([][]float32, 1)}
	best := time.Duration(math.MaxInt64)
	for range runs {
		begun := time.Now()
		if err := program.Run(context.Background(), call); err != nil {
			return 0, err
		}
		best = min(best, time.Since(begun))
	}
	return best, nil
}

// partsOf is the number of bf16 numbers that stand for a factor of a product; 0: it is a float32 number.
func partsOf(p engine.Precision) matrix.Parts {
	switch p {
	case engine.Split:
		return matrix.Split
	case engine.BF16:
		return matrix.Plain
	}
	return 0
}
