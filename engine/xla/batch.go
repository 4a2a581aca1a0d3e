//go:build xla

package xla

// This file writes sums over the batch. A batch may be smaller than the program was written for, and lie on several devices: padding
// counts as zero, and what each device has summed is summed over all of them.

import (
	"github.com/joule-ebm/joule/engine/xla/stablehlo"
	"github.com/joule-ebm/joule/expr"
)

func batchSize(l *lowering, v *expr.Value, _ []tensor) tensor {
	return l.Reshape(l.Convert(l.call.total, stablehlo.F32), l.dims(v)...)
}

func batchSum(l *lowering, _ *expr.Value, in []tensor) tensor {
	return l.overDevices(l.Reduce("add", 0, l.present(in[0]), 0))
}

// present is t with zeros for the images that are padding.
func (l *lowering) present(t tensor) tensor {
	places := l.Iota(stablehlo.U64, 0, l.batch)
	there := l.Compare("LT", places, l.Broadcast(l.call.images, nil, l.batch))
	return l.Select(l.Broadcast(there, []int{0}, t.Dims...), t, l.Like(t, 0))
}

// overDevices is the sum of what the devices have.
func (l *lowering) overDevices(t tensor) tensor {
	if l.replicas == 1 {
		return t
	}
	return l.AllReduce(t, l.replicas)
}
