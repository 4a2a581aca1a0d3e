package inception

// This file puts weights into the network's table. A batch normalisation with the statistics of training is an affine map of each
// channel, which the convolution before it takes in:
//
//	γ (w∗x - μ)/√(σ² + ε) + β = (s·w)∗x + (β - s·μ),    s = γ/√(σ² + ε), ε = 0.001

import (
	"fmt"
	"math"
	"slices"

	"github.com/joule-ebm/joule/eval/features/inception/forward"
)

// weights gives tensors of a file by name, or says what is wrong with them.
type weights func(name string, shape ...int) ([]float32, error)

// A node is a layer with its weights.
type node struct {
	layer interface {
		Run(m *forward.Memory, x forward.Image) forward.Image
		RunInto(m *forward.Memory, x, y forward.Image, first int)
	}
	first int // the channel of the block's result that a last layer's begin at
	then  []*node
}

// runInto computes the layers from n on of x into the block's result y.
func (n *node) runInto(m *forward.Memory, x, y forward.Image) {
	if len(n.then) == 0 {
		n.layer.RunInto(m, x, y, n.first)
		return
	}
	x = n.layer.Run(m, x)
	for _, next := range n.then {
		next.runInto(m, x, y)
	}
}

// A stage is a block with its weights.
type stage struct {
	name    string
	h, w, c int // of its result
	nodes   []*node
}

func (s *stage) run(m *forward.Memory, x forward.Image) forward.Image {
	y := m.Image(s.h, s.w, s.c)
	for _, n := range s.nodes {
		n.runInto(m, x, y)
	}
	return y
}

type builder struct {
	tables  *forward.Tables
	weights weights
}

// stage builds a block for images of the given size.
func (b *builder) stage(blk block, h, w, c int) (*stage, error) {
	s := &stage{name: blk.name}
	for _, l := range blk.layers {
		n, err := b.node(s, l, h, w, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", blk.name, err)
		}
		s.nodes = append(s.nodes, n)
	}
	return s, nil
}

// node builds a layer and those after it.
func (b *builder) node(s *stage, l layer, h, w, c int) (*node, error) {
	n := &node{}
	if l.outputs == 0 {
		pool, err := forward.NewPool(b.tables, l.geometry, h, w, l.mean)
		if err != nil {
			return nil, err
		}
		n.layer = pool
	} else {
		name := s.name
		if l.name != "" {
			name += "." + l.name
		}
		kernel, bias, err := b.folded(name, l, c)
		if err != nil {
			return nil, err
		}
		conv, err := forward.NewConv(b.tables, l.geometry, h, w, c, l.outputs, kernel, bias)
		if err != nil {
			return nil, err
		}
		conv.Positive = true
		n.layer, c = conv, l.outputs
	}
	h, w = l.geometry.Of(h, w)
	if len(l.then) == 0 {
		n.first = s.c
		s.h, s.w, s.c = h, w, s.c+c
	}
	for _, next := range l.then {
		child, err := b.node(s, next, h, w, c)
		if err != nil {
			return nil, err
		}
		n.then = append(n.then, child)
	}
	return n, nil
}

// folded are the kernel and the bias of a convolution and its batch normalisation together.
func (b *builder) folded(name string, l layer, inputs int) (kernel, bias []float32, err error) {
	kernel, err = b.weights(name+".conv.weight", l.outputs, inputs, l.geometry.Height, l.geometry.Width)
	if err != nil {
		return nil, nil, err
	}
	var norm [4][]float32 // γ, β, μ, σ²
	for i, part := range []string{"weight", "bias", "running_mean", "running_var"} {
		if norm[i], err = b.weights(name+".bn."+part, l.outputs); err != nil {
			return nil, nil, err
		}
	}
	kernel, bias = slices.Clone(kernel), make([]float32, l.outputs)
	size := len(kernel) / l.outputs
	for o := range l.outputs {
		scale := float64(norm[0][o]) / math.Sqrt(float64(norm[3][o])+0.001)
		for i := range size {
			kernel[o*size+i] = float32(float64(kernel[o*size+i]) * scale)
		}
		bias[o] = float32(float64(norm[1][o]) - scale*float64(norm[2][o]))
	}
	return kernel, bias, nil
}
