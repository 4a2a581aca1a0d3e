package cpu

import (
	"fmt"
	"time"

	"github.com/joule-ebm/joule/expr"
)

// This file tells where the time of a program goes.

// Work is one execution of an instruction on the images of a tile.
type Work struct {
	Kind    string // "pointwise", "convolution F(4x4)", ...
	Seconds float64
	Flops   float64 // of convolutions and matrix products, as a direct computation would do them
	Bytes   float64 // of the values read and written, each once
}

// timed has the execution of an instruction reported.
func timed(run func(f *frame), u *unit, report func(Work)) func(f *frame) {
	n := u.nodes[0]
	kind, flops, bytes := u.kind(), 0.0, 0.0
	for _, n := range u.nodes {
		flops += n.flops()
	}
	perImage := n.kind == expr.Sample || n.batchReduction()
	shared := 0.0
	count := func(v *node) {
		switch size := 4 * float64(v.shape.Size()); {
		case v.place.space == nowhere:
		case v.kind == expr.Sample:
			bytes += size
		default:
			shared += size
		}
	}
	seen := map[*node]bool{}
	for _, n := range u.nodes {
		for _, v := range append([]*node{n}, n.in...) {
			if !seen[v] {
				seen[v] = true
				count(v)
			}
		}
	}
	return func(f *frame) {
		start := time.Now()
		run(f)
		images := 1.0
		if perImage {
			images = float64(f.images)
		}
		report(Work{kind, time.Since(start).Seconds(), images * flops, images*bytes + shared})
	}
}

// kind names what a unit does.
func (u *unit) kind() string {
	n := u.nodes[0]
	switch {
	case u.loop():
		return "pointwise"
	case n.op == expr.OpConv && n.attr.N[1] > 0:
		return fmt.Sprintf("convolution F(%dx%d)", n.attr.N[1], n.attr.N[1])
	case n.op == expr.OpConv && (n.in[1].op == opPackThin || n.attr.N[0] > 1 && n.in[0].shape[2] <= fewInputs):
		return "convolution at the image"
	case n.op == expr.OpConv:
		return "convolution, direct"
	case n.op == expr.OpConvKernel:
		return "kernel gradient"
	case n.op == expr.OpMatMul || n.op == expr.OpSoftmax:
		return "attention"
	case n.op == opMoments:
		return "moments"
	case n.op == expr.OpPool || n.op == expr.OpUnpool:
		return "pooling"
	case n.op == expr.OpGaussian || n.op == expr.OpUniform:
		return "noise"
	}
	return "other"
}
