package cpu

import "github.com/joule-ebm/joule/expr"

// This file rematerialises: cheap values are computed again where they are used later, instead of kept until then. A normalised value, for
// example, is a multiply-add of the convolution's result, which the derivative needs as well:
//
//	forward    y = c·γ + β    z = Swish(y)             c = Conv(x, w); γ and β a number per channel
//	backward   ... c ... Swish'(y) ...
//
// becomes
//
//	forward    y = c·γ + β    z = Swish(y)
//	backward   y' = c·γ + β   ... c ... Swish'(y') ...
//
// so that y never leaves a loop's registers. That costs a multiply-add on numbers that are read in any case, and saves writing and keeping
// y: most of a loss's memory. Copies are made per level (see fuse.go): users in one loop share one.

// maxRematerialised is how many operations may be computed again for one value.
const maxRematerialised = 6

// isCheap says whether the value is worth computing again.
func (n *node) isCheap() bool {
	return n.kind == expr.Sample && n.shape != n.shape.Channels() && (n.op == expr.OpAdd || n.op == expr.OpMul || n.op == expr.OpAffine)
}

// rematerialise gives users of cheap values at later levels copies of them.
func (g *graph) rematerialise() {
	g.assignLevels()
	r := rematerialiser{}
	for _, n := range g.nodes {
		if !n.isCheap() {
			continue
		}
		for _, u := range n.users {
			if !fusibleEdge(n, u) || u.level == n.level {
				continue
			}
			if budget := maxRematerialised; !n.isAvailable(u.level, &budget) {
				continue
			}
			for i, in := range u.in {
				if in == n {
					u.in[i] = r.copyFor(n, u.level)
				}
			}
		}
	}
}

// isAvailable says whether a loop of that level can compute n from values that are in memory then anyway: those that another node reads at
// that level or later, or cheap ones of which the same holds. The budget counts down the operations.
func (n *node) isAvailable(level int, budget *int) bool {
	if *budget--; *budget < 0 {
		return false
	}
	for _, in := range n.in {
		if !in.fullSizeFor(n) || in.isCheap() && in.isAvailable(level, budget) || in.hasReaderFrom(level, n) {
			continue
		}
		return false
	}
	return true
}

// fullSizeFor says whether n, an operand of user, has a number for each pixel and channel of each image; others cost nothing to keep.
func (n *node) fullSizeFor(user *node) bool { return n.kind == expr.Sample && n.shape == user.shape }

// hasReaderFrom says whether any node but one reads n at that level or later.
func (n *node) hasReaderFrom(level int, except *node) bool {
	for _, u := range n.users {
		if u != except && u.level >= level {
			return true
		}
	}
	return false
}

// rematerialiser holds the copies that have been made, by original and level.
type rematerialiser map[copyKey]*node

type copyKey struct {
	n     *node
	level int
}

// copyFor makes, or finds, n's copy for the loop of that level: of n and of those cheap operands that the loop can compute as well.
func (r rematerialiser) copyFor(n *node, level int) *node {
	key := copyKey{n, level}
	if c := r[key]; c != nil {
		return c
	}
	c := &node{op: n.op, phase: n.phase, kind: n.kind, shape: n.shape, attr: n.attr, rematerialised: true}
	for _, in := range n.in {
		if budget := maxRematerialised; in.fullSizeFor(n) && in.isCheap() && in.isAvailable(level, &budget) {
			in = r.copyFor(in, level)
		}
		c.in = append(c.in, in)
	}
	r[key] = c
	return c
}
