//go:build xla

package xla

// This file writes the two locally constant choices: a kernel's leading singular vectors and the nearest references of an image.

import (
	"math"

	"github.com/joule-ebm/joule/engine/xla/stablehlo"
	"github.com/joule-ebm/joule/expr"
)

// singular is u⊗v of a kernel M, read as a matrix of T·I rows and O columns. Power iteration finds v as the direction of (MᵀM)ᵏ·v₀ for
// large k. Squaring MᵀM ten times gives its 1024th power in ten products, where a step at a time would be a thousand products, each
// waiting for the last; two plain steps then put right what the squares have rounded off.
func singular(l *lowering, _ *expr.Value, in []tensor) tensor {
	const squarings, steps = 10, 2
	w := in[0]
	outputs := w.Dims[2]
	m := l.Reshape(w, w.Dims[0]*w.Dims[1], outputs)
	product := func(a, b tensor, overA, overB int) tensor {
		return l.Dot(a, b, stablehlo.Axes{OverA: []int{overA}, OverB: []int{overB}}, stablehlo.Highest)
	}
	// over divides by a number of the tensor's size, or by 1 where that is 0.
	over := func(t, size tensor) tensor {
		size = l.Select(l.Compare("EQ", size, l.Float(0)), l.Float(1), size)
		return l.Same("divide", t, l.Broadcast(size, nil, t.Dims...))
	}
	unit := func(t tensor) tensor { return over(t, l.Same("sqrt", l.Reduce("add", 0, l.Same("multiply", t, t), 0))) }
	bounded := func(t tensor) tensor { return over(t, l.Reduce("maximum", 0, l.Same("abs", t), 0, 1)) }

	m = bounded(m)
	gram := bounded(product(m, m, 0, 0))
	gram = l.Repeat(squarings, []tensor{gram}, func(_ tensor, s []tensor) []tensor {
		return []tensor{bounded(product(s[0], s[0], 1, 0))}
	})[0]
	start := make([]float32, outputs) // any start with a share of the leading vector will do: the CPU engine's
	for i := range start {
		start[i] = float32(1 + math.Cos(float64(i)))
	}
	v := unit(product(gram, l.Floats(start, outputs), 1, 0))
	var u tensor
	for range steps {
		u = unit(product(m, v, 1, 0))
		v = unit(product(m, u, 0, 0))
	}
	u = unit(product(m, v, 1, 0))
	return l.Reshape(l.Dot(u, v, stablehlo.Axes{}, stablehlo.Highest), w.Dims...)
}

// nearest sorts the squared distances to all references and takes the k-th reference of that order.
func nearest(l *lowering, v *expr.Value, in []tensor) tensor {
	x, references := in[0], in[1]
	n, m, size, k := x.Dims[0], references.Dims[0], v.Shape().Size(), v.Attr().N[0]
	table := l.Reshape(references, m, size)
	all := []int{n, m, size}
	d := l.Same("subtract", l.Broadcast(l.Reshape(x, n, size), []int{0, 2}, all...), l.Broadcast(table, []int{1, 2}, all...))
	d = l.Reduce("add", 0, l.Same("multiply", d, d), 2)
	place := l.Reshape(l.SliceAxis(l.Order(d), 1, k-1, k, 1), n)
	return l.Reshape(l.Gather(table, place), x.Dims...)
}
