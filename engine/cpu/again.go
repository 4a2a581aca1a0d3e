package cpu

import "github.com/joule-ebm/joule/expr"

// This file has cheap values computed again where they are used later, instead of kept until then: a normalised value, for example,
// is a multiply-add from the convolution's result, which the derivative needs as well. That costs a few instructions on numbers that
// are read in any case, and saves writing the value and most of a loss's memory.

// mostAgain is how many operations may be computed again for one value.
const mostAgain = 6

// cheap values are those worth computing again.
func (n *node) cheap() bool {
	return n.kind == expr.Sample && n.shape != n.shape.Channels() && (n.op == expr.OpAdd || n.op == expr.OpMul || n.op == expr.OpAffine)
}

// copyKey names the copy of a value for a loop of that depth.
type copyKey struct {
	n     *node
	depth int
}

// computeAgain gives later users of cheap values copies of them.
func (g *graph) computeAgain() {
	g.findDepths()
	copies := map[copyKey]*node{}
	for _, n := range g.nodes {
		if !n.cheap() {
			continue
		}
		for _, u := range n.users {
			if !fusibleEdge(n, u) || u.depth == n.depth {
				continue
			}
			if budget := mostAgain; !again(n, u.depth, &budget) {
				continue
			}
			for i, in := range u.in {
				if in == n {
					u.in[i] = g.copyFor(n, u.depth, copies)
				}
			}
		}
	}
	g.settle()
}

// again says whether a loop of that depth can have n from values that are in memory then anyway.
func again(n *node, depth int, budget *int) bool {
	if *budget--; *budget < 0 {
		return false
	}
	for _, in := range n.in {
		if !in.full(n) || in.cheap() && again(in, depth, budget) || in.readAt(depth, n) {
			continue
		}
		return false
	}
	return true
}

// full says whether n, an operand of user, has a number for each pixel and channel of each image.
func (n *node) full(user *node) bool { return n.kind == expr.Sample && n.shape == user.shape }

// readAt says whether anything but one user reads n at that depth or deeper.
func (n *node) readAt(depth int, but *node) bool {
	for _, u := range n.users {
		if u != but && u.depth >= depth {
			return true
		}
	}
	return false
}

// copyFor makes, or finds, n's copy for a loop of that depth.
func (g *graph) copyFor(n *node, depth int, copies map[copyKey]*node) *node {
	key := copyKey{n, depth}
	if c := copies[key]; c != nil {
		return c
	}
	c := &node{op: n.op, phase: n.phase, kind: n.kind, shape: n.shape, attr: n.attr, again: true}
	for _, in := range n.in {
		if budget := mostAgain; in.full(n) && in.cheap() && again(in, depth, &budget) {
			in = g.copyFor(in, depth, copies)
		}
		c.in = append(c.in, in)
	}
	copies[key] = c
	return c
}
