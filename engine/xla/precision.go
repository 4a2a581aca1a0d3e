//go:build xla

package xla

// This file says how exactly the products of convolutions are computed.

import (
	"slices"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/xla/stablehlo"
)

// product is what multiply makes of two float32 tensors, which is linear in both, with factors of the engine's precision.
func (l *lowering) product(a, b tensor, multiply func(a, b tensor, p stablehlo.Precision) tensor) tensor {
	p := stablehlo.Highest
	if l.precision == engine.Split || l.precision == engine.BF16 || l.precision == engine.TF32 && l.tf32() {
		p = stablehlo.Default
	}
	x, y := l.factors(a), l.factors(b)
	if len(x) == 1 {
		return multiply(x[0], y[0], p)
	}
	small := l.Same("add", multiply(x[0], y[1], p), multiply(x[1], y[0], p))
	return l.Same("add", multiply(x[0], y[0], p), small)
}

// factors are the tensors whose sum stands for a factor t of a product:
//
//   - float32: t itself, and plugins are told to keep all bits;
//   - tf32: t itself, where plugins may round it for their matrix units. Elsewhere it is rounded here;
//   - split: x = hi + lo, both bf16, so that a product is hi·hi + hi·lo + lo·hi, as engine/cpu has it;
//   - bf16: t, rounded to bf16.
func (l *lowering) factors(t tensor) []tensor {
	if f, ok := l.prepared[t.Name]; ok {
		return f
	}
	switch l.precision {
	case engine.TF32:
		if !l.tf32() {
			t = l.Round(t, 8, 10)
		}
	case engine.Split:
		// What rounding to bf16 takes away is found with Round: XLA leaves out a conversion there and back.
		hi := l.Round(t, 8, 7)
		return []tensor{l.Convert(hi, stablehlo.BF16), l.Convert(l.Same("subtract", t, hi), stablehlo.BF16)}
	case engine.BF16:
		t = l.Convert(t, stablehlo.BF16)
	}
	return []tensor{t}
}

// prepare makes the factors of t here, before a loop whose steps all take them: XLA does not move them out of it.
func (l *lowering) prepare(t tensor) { l.prepared[t.Name] = l.factors(t) }

// tf32 says whether the plugin has matrix units that round factors to TF32.
func (l *lowering) tf32() bool { return slices.Contains([]string{"cuda", "rocm"}, l.platform) }

// convolution is a convolution of two factors, with sums in float32. Of bf16 factors alone its result is bf16: libraries for GPUs have no
// convolution of two bf16 tensors to float32, in whose place XLA takes one of float32 tensors.
func (l *lowering) convolution(x, w tensor, numbers string, p stablehlo.Precision, dims ...int) tensor {
	kind := stablehlo.F32
	if l.precision == engine.BF16 {
		kind = stablehlo.BF16
	}
	return l.Convert(l.Convolution(kind, x, w, numbers, p, dims...), stablehlo.F32)
}
