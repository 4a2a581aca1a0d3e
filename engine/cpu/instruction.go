package cpu

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// This file is the table of instructions: what computes a group, by its operation.

// instruction computes one group for the images of a tile, or once in the prologue and the epilogue.
type instruction struct {
	run     func(f *frame)
	scratch int // floats of scratch memory it needs
}

// planned is an instruction that keeps what it has worked out beforehand.
type planned interface {
	run(f *frame)
	scratch() int
}

func instructionOf(p planned) instruction { return instruction{p.run, p.scratch()} }

// instruction translates a group.
func (p *program) instruction(g *group) (instruction, error) {
	n := g.nodes[0]
	if g.isLoop() {
		g.loop.locate()
		return instructionOf(g.loop), nil
	}
	if in, ok := p.unitInstruction(n); ok {
		return in, nil
	}
	if planned := p.planned(n); planned != nil {
		return instructionOf(planned), nil
	}
	switch n.op {
	case opRow, opSharedSum: // views, of what is computed elsewhere
		return instruction{run: func(*frame) {}}, nil
	case opPack:
		return instruction{run: pack(n)}, nil
	case opPackWinograd:
		return instruction{packWinograd(n, p.winograd(int(n.attr.X[0])), p.threads), n.in[0].shape.Size()}, nil
	case opPackFewOutputs:
		return instruction{run: packFewOutputs(n)}, nil
	case opPackBias:
		return instruction{run: packBias(n)}, nil
	case opMoments:
		return instruction{run: moments(n)}, nil
	case expr.OpPool:
		return instruction{run: p.pool(n, n.in[0].shape, poolTaps(n.in[0].shape))}, nil
	case expr.OpUnpool:
		return instruction{run: p.pool(n, n.in[0].shape, unpoolTaps(n.shape))}, nil
	case expr.OpSoftmax:
		return instruction{run: softmax(n)}, nil
	case expr.OpBatchSum:
		return instruction{run: batchSum(n)}, nil
	case expr.OpGaussian, expr.OpUniform:
		return instruction{run: noise(n)}, nil
	case expr.OpNearest:
		return instruction{run: nearest(n)}, nil
	}
	if apply := onOneImage[n.op]; apply != nil {
		return instruction{run: perImage(n, apply)}, nil
	}
	return instruction{}, fmt.Errorf("cpu: this engine does not know the operation %v", n.op)
}

// planned is the convolution, kernel gradient or matrix product of a node, nil if it is none.
func (p *program) planned(n *node) planned {
	switch n.op {
	case expr.OpConv:
		switch m := n.attr.N[1]; {
		case m > 0:
			return p.newWinogradConv(n, p.winograd(m))
		case n.in[1].op == opPackFewOutputs:
			return p.newFewOutputsConv(n)
		}
		return p.newConv(n)
	case expr.OpConvKernel:
		if w := chooseWinogradGrad(p.kernels, p.tile, n.in[0].shape, n.in[1].shape, n.shape[0]); w != nil {
			return p.newWinogradGrad(n, w)
		}
		return p.newKernelGrad(n)
	case expr.OpMatMul:
		return p.newMatMul(n)
	}
	return nil
}

// onOneImage has the functions of one input that are applied image by image.
var onOneImage = map[expr.Op]func(n *node, dst, src []float32){
	expr.OpSum: sumAxes, expr.OpBroadcast: broadcast, expr.OpSpread: broadcast, expr.OpGroupSum: groupSum, expr.OpSlice: slice,
	expr.OpEmbed: embed, expr.OpFlip: flip, expr.OpSingular: singular,
}

func perImage(n *node, apply func(n *node, dst, src []float32)) func(f *frame) {
	return func(f *frame) {
		images := f.images
		if n.kind == expr.Shared {
			images = 1
		}
		for image := range images {
			apply(n, f.at(n, image, n.shape.Size()), f.at(n.in[0], image, n.in[0].shape.Size()))
		}
	}
}

func softmax(n *node) func(f *frame) {
	return func(f *frame) {
		size := f.images * n.shape.Size()
		f.kernels.Softmax(f.tileOf(n)[:size], f.tileOf(n.in[0])[:size], n.shape[2])
	}
}

// batchSum adds the images of a tile to the lane's sum.
func batchSum(n *node) func(f *frame) {
	return func(f *frame) {
		sum := f.at(n, 0, n.shape.Size())
		for image := range f.images {
			f.kernels.Add(sum, sum, f.at(n.in[0], image, len(sum)))
		}
	}
}
