package cpu

import (
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// This file fuses biases: Conv(x, w) + b, with b a number per output channel, becomes one node Conv(x, w, b), which starts its sums from b
// instead of zero. The bias is padded to whole panels of the packed kernel.

// fuseBiases does so wherever nothing else needs the convolution without its bias.
func (g *graph) fuseBiases() {
	for _, n := range g.nodes {
		if n.op != expr.OpAdd {
			continue
		}
		for i := range 2 {
			c, b := n.in[i], n.in[1-i]
			if !g.takesBias(c) || c.shape != n.shape || b.phase != prologue || b.shape != n.shape.Channels() {
				continue
			}
			cols := c.in[1].attr.N[0]
			bias := g.add(opPackBias, expr.Shared, expr.Shape{1, 1, roundUp(b.shape[2], cols)}, expr.Attr{N: [2]int{cols}}, b)
			n.op, n.in, n.attr = expr.OpConv, []*node{c.in[0], c.in[1], bias}, c.attr
			break
		}
	}
}

// takesBias says whether c is a convolution without a bias that has but one user.
func (g *graph) takesBias(c *node) bool {
	return c.op == expr.OpConv && len(c.in) == 2 && c.in[1].op != opPackFewOutputs && len(c.users) == 1 && !slices.Contains(g.outputs, c)
}

// packBias copies a bias and pads it.
func packBias(n *node) func(f *frame) {
	return func(f *frame) {
		dst := f.at(n, 0, n.shape.Size())
		clear(dst)
		copy(dst, f.at(n.in[0], 0, n.in[0].shape.Size()))
	}
}
