//go:build xla

package xla

// This file writes statistics of an image, with groups of channels, as package expr defines them.

import (
	"slices"

	"github.com/joule-ebm/joule/expr"
)

func groupSum(l *lowering, v *expr.Value, in []tensor) tensor {
	return l.groupSum(in[0], v.Attr().N[0])
}

// groupSum gives each channel of ...×C the sum over its group.
func (l *lowering) groupSum(t tensor, groups int) tensor {
	last := len(t.Dims) - 1
	channels := t.Dims[last]
	if groups == channels {
		return t
	}
	apart := append(slices.Clone(t.Dims[:last]), groups, channels/groups)
	at := []int{0, 1, 2, 3}[:last+1]
	s := l.Reduce("add", 0, l.Reshape(t, apart...), last+1)
	return l.Reshape(l.Broadcast(s, at, apart...), t.Dims...)
}

// moments are x less the mean of its group, and 1/√(variance + eps), N×1×1×C. The variance is taken about the mean, in a second pass.
func (l *lowering) moments(v *expr.Value, x tensor) (centred, r tensor) {
	groups, eps := v.Attr().N[0], v.Attr().X[0]
	channels := x.Dims[3]
	row := []int{x.Dims[0], 1, 1, channels}
	n := float64(x.Dims[1] * x.Dims[2] * channels / groups)
	mean := func(t tensor) tensor {
		s := l.groupSum(l.Reshape(l.Reduce("add", 0, t, 1, 2), row...), groups)
		return l.Same("multiply", s, l.Like(s, 1/n))
	}
	centred = l.Same("subtract", x, l.as(mean(x), x.Dims))
	variance := mean(l.Same("multiply", centred, centred))
	root := l.Same("sqrt", l.Same("add", variance, l.Like(variance, eps)))
	return centred, l.Same("divide", l.Like(root, 1), root)
}

func normalise(l *lowering, v *expr.Value, in []tensor) tensor {
	centred, r := l.moments(v, in[0])
	return l.Same("multiply", centred, l.as(r, centred.Dims))
}

func invStd(l *lowering, v *expr.Value, in []tensor) tensor {
	_, r := l.moments(v, in[0])
	return r
}
