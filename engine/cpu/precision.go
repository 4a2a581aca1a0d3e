package cpu

import (
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// This file says what stands for the factors of convolutions in each precision.

// Resolve replaces engine.Auto by engine.Split where this machine has a matrix unit, else by engine.Float32: by what the machine has and not
// by a measurement, so that the same command makes the same numbers each time. Other precisions stay; the zero value is engine.Float32.
func Resolve(p engine.Precision) engine.Precision {
	switch {
	case p == engine.Auto && matrix.Native() != nil:
		return engine.Split
	case p == engine.Auto || p == "":
		return engine.Float32
	}
	return p
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
