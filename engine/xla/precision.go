//go:build xla

package xla

// This file says how exactly the products of convolutions are computed. The sums of products are float32 always.

import (
	"slices"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/xla/stablehlo"
)

// product is what multiply makes of two float32 tensors, which is linear in both, with factors of the engine's precision:
//
//   - float32: plugins are told to keep all bits;
//   - tf32: plugins for GPUs may use their matrix units, and do the rounding. For others the factors are rounded here;
//   - split: x = hi + lo, both bf16, of each factor, and hi·hi + hi·lo + lo·hi, as engine/cpu has it;
//   - bf16: factors are rounded to bf16.
func (l *lowering) product(a, b tensor, multiply func(a, b tensor, p stablehlo.Precision) tensor) tensor {
	switch l.precision {
	case engine.TF32:
		if slices.Contains([]string{"cuda", "rocm"}, l.platform) {
			return multiply(a, b, stablehlo.Default)
		}
		return multiply(l.Round(a, 8, 10), l.Round(b, 8, 10), stablehlo.Highest)
	case engine.Split:
		ah, al := l.split(a)
		bh, bl := l.split(b)
		small := l.Same("add", multiply(ah, bl, stablehlo.Default), multiply(al, bh, stablehlo.Default))
		return l.Same("add", multiply(ah, bh, stablehlo.Default), small)
	case engine.BF16:
		return multiply(l.Convert(a, stablehlo.BF16), l.Convert(b, stablehlo.BF16), stablehlo.Default)
	}
	return multiply(a, b, stablehlo.Highest)
}

// split is t as a sum of two bf16 tensors. What rounding to bf16 takes away is found with Round: XLA leaves out a conversion there and back.
func (l *lowering) split(t tensor) (hi, lo tensor) {
	rounded := l.Round(t, 8, 7)
	return l.Convert(rounded, stablehlo.BF16), l.Convert(l.Same("subtract", t, rounded), stablehlo.BF16)
}
