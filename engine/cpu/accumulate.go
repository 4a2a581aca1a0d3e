package cpu

import (
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// This file saves the memory of sums over the batch. The gradient of a parameter is usually a sum of several, one from each place where the
// loss depends on it:
//
//	k1 = ConvKernel(x1, dy1)    k2 = ConvKernel(x2, dy2)    gradient = k1 + k2
//
// Each would take an accumulator per lane, as large as the parameter. Instead k2 adds to the accumulator of k1, which is the gradient then;
// the addition is gone.

// shareAccumulators replaces additions of sums over the batch, and additions of those, by views of one accumulator (opSharedSum).
func (g *graph) shareAccumulators() {
	for _, n := range g.nodes {
		if n.op != expr.OpAdd || n.phase != epilogue || n.in[0].shape != n.in[1].shape {
			continue
		}
		a, b := g.summands(n.in[0]), g.summands(n.in[1])
		if a == nil || b == nil {
			continue
		}
		all := slices.Concat(a, b)
		for _, k := range all {
			k.sumInto = all[0]
		}
		all[0].sumInto = nil
		n.op, n.in, n.view, n.attr = opSharedSum, all, true, expr.Attr{}
	}
}

// summands lists the sums over the batch that n consists of, nil if it is none or if something else needs n by itself.
func (g *graph) summands(n *node) []*node {
	switch {
	case len(n.users) != 1 || slices.Contains(g.outputs, n):
		return nil
	case n.op == opSharedSum:
		return n.in
	case n.isBatchReduction():
		return []*node{n}
	}
	return nil
}
