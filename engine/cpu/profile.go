package cpu

import (
	"fmt"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// This file measures where the time of a program goes, instruction by instruction.

// The kinds of work that is not on images.
const (
	Packing  = "packing"  // of kernels, when parameters are taken up, by all workers at once
	Prologue = "prologue" // what else depends on parameters alone, by one worker
	Epilogue = "epilogue" // what depends on sums over the batch, and handing out those sums, by one worker
)

// Work is one execution of an instruction on the images of a tile, or of one that is not on images, as Engine.Profile is told of it.
type Work struct {
	Kind    string  // what the instruction does: "pointwise", "convolution F(4x4)", ...
	Seconds float64 // that it took
	Flops   float64 // of convolutions and matrix products, as a direct computation would do them
	Bytes   float64 // of the values read and written, each once
}

// timed has every execution of a group's instruction reported.
func timed(run func(f *frame), g *group, report func(Work)) func(f *frame) {
	kind, perImage := g.kind(), g.nodes[0].kind == expr.Sample || g.nodes[0].isBatchReduction()
	flops := 0.0
	for _, n := range g.nodes {
		flops += n.flops()
	}
	bytes, shared := g.traffic()
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

// traffic is the size in bytes of the values in memory that a group reads and writes: those of an image, and those of all.
func (g *group) traffic() (perImage, shared float64) {
	seen := map[*node]bool{}
	for _, n := range g.nodes {
		for _, v := range append([]*node{n}, n.in...) {
			if seen[v] || v.address.space == noSpace {
				continue
			}
			seen[v] = true
			if size := 4 * float64(v.shape.Size()); v.kind == expr.Sample {
				perImage += size
			} else {
				shared += size
			}
		}
	}
	return perImage, shared
}

// Layout is how a program shares out a batch among workers: in tiles of so many images, and as so many lanes or, where nothing is summed
// over the batch, single tiles.
type Layout struct{ Images, Tiles, Lanes int }

// LayoutOf tells how a program of this engine, on so many threads, would share out a batch.
func LayoutOf(p engine.Program, threads, batch int) Layout {
	other := *p.(*program)
	other.threads, other.group = threads, nil
	s := other.shareOf(0, batch)
	return Layout{s.images, ceilDiv(batch, s.images), s.count}
}

// kind names what a group does.
func (g *group) kind() string {
	n := g.nodes[0]
	switch {
	case n.op == opPackWinograd:
		return Packing
	case g.phase() == prologue:
		return Prologue
	case g.isLoop():
		return "pointwise"
	case n.op == expr.OpConv && n.attr.N[1] > 0:
		return fmt.Sprintf("convolution F(%dx%d)", n.attr.N[1], n.attr.N[1])
	case n.op == expr.OpConv && (n.in[1].op == opPackFewOutputs || n.attr.N[0] > 1 && n.in[0].shape[2] <= fewInputs):
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
