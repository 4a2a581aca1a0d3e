package cpu

import (
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// This file runs convolutions on the matrix unit, in a program of precision Split or BF16. Package matrix does the work; here are its nodes
// and instructions. A float32 number is written as a sum of bf16 ones, its parts, in two places:
//
//	p = PackParts(w)     the kernel, in the prologue
//	s = Split(x)         the image, by the loop that makes x, as it goes along
//	y = Conv(s, p, b)
//
// The gradient of a kernel takes x and dy as they are, and splits them by itself.

// The operations of such convolutions.
const (
	opPackParts = expr.Op(120 + iota) // packs a kernel w as package matrix does; N = {outputs, flip}, X = {1 for wide images}
	opSplit                           // x -> x in parts, laid out for the unit
)

// minUnitChannels is how many channels of input and of output make the unit worth its while; with fewer, as next to the image, its tiles
// would be nearly empty.
const minUnitChannels = 8

// onUnit says whether a convolution of x, or its kernel gradient, is computed on the matrix unit.
func (g *graph) onUnit(x *node, outputs int) bool {
	return g.parts > 0 && x.kind == expr.Sample && min(x.shape[2], outputs) >= minUnitChannels
}

// unitConv is the node of a convolution on the unit. A bias may join it later.
func (g *graph) unitConv(v *expr.Value, x, w *node, flip int) *node {
	weights := matrix.Weights{Inputs: x.shape[2], Outputs: v.Shape()[2], Taps: w.shape[0], Parts: g.parts, Wide: matrix.IsWide(x.shape[1])}
	attr := expr.Attr{N: [2]int{weights.PackedOutputs(), flip}}
	if weights.Wide {
		attr.X[0] = 1
	}
	packed := g.add(opPackParts, expr.Shared, expr.Shape{1, 1, weights.PackedFloats()}, attr, w)
	planes := g.planes(x.shape)
	split := g.add(opSplit, x.kind, expr.Shape{1, 1, ceilDiv(planes.Floats(g.tile), g.tile)}, expr.Attr{}, x)
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

// unitInstruction is the instruction of a node that the unit computes, or that packs for it.
func (p *program) unitInstruction(n *node) (in instruction, ok bool) {
	switch {
	case n.op == opPackParts:
		return p.newPackParts(n), true
	case n.op == expr.OpConv && n.in[1].op == opPackParts:
		return p.newUnitConv(n), true
	case n.op == expr.OpConvKernel && p.graph.onUnit(n.in[0], n.in[1].shape[2]):
		return p.newUnitKernelGrad(n), true
	}
	return instruction{}, false
}

func (p *program) newPackParts(n *node) instruction {
	weights, flip, unit, w := p.packedWeights(n), n.attr.N[1] == 1, matrix.Best(), n.in[0]
	return instruction{run: func(f *frame) {
		weights.Pack(unit, f.at(n, 0, n.shape.Size()), f.at(w, 0, w.shape.Size()), flip)
	}}
}

func (p *program) newUnitConv(n *node) instruction {
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

func (p *program) newUnitKernelGrad(n *node) instruction {
	x, dy, unit := n.in[0], n.in[1], matrix.Best()
	plan := matrix.NewKernelGrad(matrix.Weights{Inputs: x.shape[2], Outputs: dy.shape[2], Taps: n.shape[0], Parts: p.graph.parts},
		x.shape[0], x.shape[1], p.tile)
	return instruction{scratch: plan.ScratchFloats(), run: func(f *frame) {
		plan.Run(unit, f.at(n, 0, n.shape.Size()), f.tileOf(x), f.tileOf(dy), f.images, f.scratch)
	}}
}
