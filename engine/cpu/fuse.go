package cpu

import (
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// This file fuses nodes into groups, one instruction each. Pointwise operations, and sums over pixels, that share a domain run together
// in one loop over it, so that what passes between them stays in registers or the first-level cache. Every other node is a group of its own.
//
// A sum over pixels is known only after its loop, so what uses it belongs to a later loop. Levels tell which: the level of a node is the
// number of borders between loops on the longest way to it.
//
//	c = Conv(x, w)      level 0     not in a loop
//	a = Add(c, row)     level 1  ┐
//	b = Swish(a)        level 1  │  one loop over the pixels and channels of c
//	s = Sum(b)          level 1  ┘
//	d = Mul(b, s)       level 2     the next loop: d needs all of s first
//
// Two nodes of one level and domain can always run in one loop: if one needed the other by way of something outside that loop, there would
// be a border on the way, and their levels would differ.

// group is what one instruction computes: a node, or several fused into a loop over a domain.
type group struct {
	nodes  []*node // inputs before users
	domain expr.Shape
	index  int   // position in its phase
	loop   *loop // the translation of a loop
}

func (g *group) isLoop() bool { return g.nodes[0].fusible() }

// phase is when the group runs: sums over the batch belong to the epilogue as values, but are accumulated by the body.
func (g *group) phase() phase {
	if g.nodes[0].isBatchReduction() {
		return body
	}
	return g.nodes[0].phase
}

// fusible nodes run inside a loop over a domain of pixels and channels.
func (n *node) fusible() bool { return n.op.Pointwise() || n.isReduction() || n.op == opSplit }

// domain is the shape over which a fusible node's loop runs.
func (n *node) domain() expr.Shape {
	if n.isReduction() || n.op == opSplit {
		return n.in[0].shape
	}
	return n.shape
}

// fusibleEdge says whether user can take in's elements as the loop that makes them goes along.
func fusibleEdge(in, user *node) bool {
	return in.fusible() && !in.isReduction() && sameLoop(in, user)
}

// sameLoop says whether two nodes could run in one loop, but for their levels.
func sameLoop(a, b *node) bool {
	return a.fusible() && b.fusible() && a.phase == b.phase && a.kind == b.kind && a.domain() == b.domain()
}

// assignLevels gives nodes their levels: as early as can be, but for those that sink to their user's loop.
func (g *graph) assignLevels() {
	for _, n := range g.nodes {
		n.level = 0
		for _, in := range n.in {
			level := in.level
			if !fusibleEdge(in, n) {
				level++
			}
			n.level = max(n.level, level)
		}
	}
	for _, n := range slices.Backward(g.nodes) {
		if n.sinks() {
			n.level = n.users[0].level
		}
	}
}

// sinks says whether a value is computed in the loop that uses it, even if an earlier loop could: copies are, and so is, if it has but that
// one user, what takes one operation from another value and a row, or a higher derivative of Swish, which shares its exponential with
// nothing. The other value stays in memory instead, and often does anyway.
func (n *node) sinks() bool {
	switch {
	case n.rematerialised:
		return true
	case len(n.users) != 1 || !fusibleEdge(n, n.users[0]):
		return false
	case n.op == expr.OpMul || n.op == expr.OpAdd:
		return isRow(n.in[0], n.shape) || isRow(n.in[1], n.shape)
	}
	return n.op == expr.OpSwish && n.attr.N[0] > 1
}

// fuse gives every node but the leaves in memory its group. Nodes of one level that could run in one loop do so if they are connected: by
// an edge, or by reading the same value, which is then read once.
func (g *graph) fuse() {
	g.assignLevels()
	sets := disjointSets{}
	for _, n := range g.nodes {
		for i, u := range n.users {
			if fusibleEdge(n, u) && n.level == u.level {
				sets.union(n, u)
			}
			if n.shape.Size() == 1 || n.phase == prologue && u.phase == body {
				continue // sharing a number or a parameter is no reason
			}
			for _, other := range n.users[:i] {
				if sameLoop(u, other) && u.level == other.level {
					sets.union(other, u)
				}
			}
		}
	}
	groups := map[*node]*group{}
	for _, n := range g.nodes {
		if n.op.Leaf() && n.op != expr.OpGaussian && n.op != expr.OpUniform {
			continue
		}
		root := n
		if n.fusible() {
			root = sets.find(n)
		}
		if groups[root] == nil {
			groups[root] = &group{domain: n.domain()}
		}
		n.group = groups[root]
		n.group.nodes = append(n.group.nodes, n)
	}
}

// disjointSets are sets of nodes that grow together (union-find): the parent of each, itself or absent for the one that names its set.
type disjointSets map[*node]*node

func (s disjointSets) find(n *node) *node {
	if p := s[n]; p != nil && p != n {
		s[n] = s.find(p)
		return s[n]
	}
	return n
}

func (s disjointSets) union(a, b *node) {
	if a, b = s.find(a), s.find(b); a != b {
		s[b] = a
	}
}
