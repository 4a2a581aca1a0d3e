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

// This file runs convolutions on the matrix unit, where the precision of a program allows it: package matrix does the work, here are
// its places in a program.

// Resolve replaces Auto by Split where this machine has a matrix unit that makes it faster, else by Float32; others stay.
func Resolve(p engine.Precision) engine.Precision {
	switch p {
	case "":
		return engine.Float32
	case engine.Auto:
		return fastest()
	}
	return p
}

// fastest measures once.
var fastest = sync.OnceValue(func() engine.Precision {
	if matrix.Native() == nil {
		return engine.Float32
	}
	split, err := convolutionTime(parts(engine.Split))
	if err != nil {
		return engine.Float32
	}
	if float, err := convolutionTime(parts(engine.Float32)); err != nil || float <= split {
		return engine.Float32
	}
	return engine.Split
})

// convolutionTime is how long a typical convolution takes on one core, of 64 channels and 32×32 pixels: the best of a few.
func convolutionTime(n matrix.Parts) (time.Duration, error) {
	const side, channels, runs = 32, 64, 5
	x := expr.Input("x", expr.Shape{side, side, channels})
	y := expr.Conv(x, expr.Param("kernel", expr.Shape{9, channels, channels}))
	program, err := (&Engine{Threads: 1}).compile(n, y)
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

// parts is the number of bf16 numbers that stand for a factor; 0: float32 ones.
func parts(p engine.Precision) matrix.Parts {
	switch p {
	case engine.Split:
		return matrix.Split
	case engine.BF16:
		return matrix.Plain
	}
	return 0
}

// Operations of convolutions in parts.
const (
	opPackParts = expr.Op(120 + iota) // packs a kernel w as package matrix does; N = {outputs, flip}, X = {1 for wide images}
	opSplit                           // x -> x in parts, laid out for the unit; the loop that makes x writes them on its way
)

// leastChannels is how many channels of input and of output make the unit worth its while; with fewer, as next to the image, its
// tiles would be nearly empty.
const leastChannels = 8

// inParts says whether a convolution of x, or its kernel gradient, is computed on the unit, in parts.
func (g *graph) inParts(x *node, outputs int) bool {
	return g.parts > 0 && x.kind == expr.Sample && min(x.shape[2], outputs) >= leastChannels
}

// convInParts packs the kernel for the unit; a bias may join later.
func (g *graph) convInParts(v *expr.Value, x, w *node, flip int) *node {
	weights := matrix.Weights{Inputs: x.shape[2], Outputs: v.Shape()[2], Taps: w.shape[0], Parts: g.parts, Wide: matrix.IsWide(x.shape[1])}
	attr := expr.Attr{N: [2]int{weights.PackedOutputs(), flip}}
	if weights.Wide {
		attr.X[0] = 1
	}
	packed := g.add(opPackParts, expr.Shared, expr.Shape{1, 1, weights.PackedFloats()}, attr, w)
	planes := g.planes(x.shape)
	split := g.add(opSplit, x.kind, expr.Shape{1, 1, cuts(planes.Floats(g.tile), g.tile)}, expr.Attr{}, x)
	return g.add(expr.OpConv, v.Kind(), v.Shape(), expr.Attr{N: [2]int{weights.Taps}}, split, packed)
}

// planes is how images of a shape are laid out in parts.
func (g *graph) planes(image expr.Shape) matrix.Planes {
	return matrix.NewPlanes(g.parts, image[0], image[1], image[2])
}

// packedWeights are the weights that an opPackParts node holds.
func (p *program) packedWeights(n *node) matrix.Weights {
	w, flip := n.in[0].shape, n.attr.N[1] == 1
	weights := matrix.Weights{Inputs: w[1], Outputs: w[2], Taps: w[0], Parts: p.graph.parts, Wide: n.attr.X[0] == 1}
	if flip {
		weights.Inputs, weights.Outputs = weights.Outputs, weights.Inputs
	}
	return weights
}

// partsInstruction is the instruction of a node that the unit computes, or of one that serves it.
func (p *program) partsInstruction(n *node) (in instruction, ok bool) {
	switch {
	case n.op == opPackParts:
		weights, flip, unit := p.packedWeights(n), n.attr.N[1] == 1, matrix.Best()
		return instruction{run: func(f *frame) {
			w := n.in[0]
			weights.Pack(unit, f.at(n, 0, n.shape.Size()), f.at(w, 0, w.shape.Size()), flip)
		}}, true
	case n.op == expr.OpConv && n.in[1].op == opPackParts:
		return p.partsConv(n), true
	case n.op == expr.OpConvKernel && p.graph.inParts(n.in[0], n.in[1].shape[2]):
		return p.partsKernelGrad(n), true
	}
	return instruction{}, false
}

func (p *program) partsConv(n *node) instruction {
	x, packed, unit := n.in[0], n.in[1], matrix.Best()
	plan := matrix.NewConv(p.packedWeights(packed), n.shape[0], n.shape[1], p.tile)
	return instruction{scratch: plan.ScratchFloats(), run: func(f *frame) {
		var bias []float32
		if len(n.in) > 2 {
			bias = f.at(n.in[2], 0, n.in[2].shape.Size())
		}
		plan.Run(unit, f.tileOf(n), f.tileOf(x), f.images, f.at(packed, 0, packed.shape.Size()), bias, f.scratch)
	}}
}

func (p *program) partsKernelGrad(n *node) instruction {
	x, dy, unit := n.in[0], n.in[1], matrix.Best()
	plan := matrix.NewKernelGrad(matrix.Weights{Inputs: x.shape[2], Outputs: dy.shape[2], Taps: n.shape[0], Parts: p.graph.parts},
		x.shape[0], x.shape[1], p.tile)
	return instruction{scratch: plan.ScratchFloats(), run: func(f *frame) {
		plan.Run(unit, f.at(n, 0, n.shape.Size()), f.tileOf(x), f.tileOf(dy), f.images, f.scratch)
	}}
}
