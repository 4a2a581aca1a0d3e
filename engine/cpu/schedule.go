package cpu

import (
	"math/big"
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// This file groups nodes into units, the instructions of a program. Pointwise operations and sums over pixels that share a domain
// run together in one loop over it, so that what passes between them stays in the first-level cache; every other node is a unit of
// its own.

// unit is one instruction: a node, or several fused into a loop over a domain.
type unit struct {
	nodes  []*node // inputs before users
	domain expr.Shape
	index  int   // position in its phase
	code   *loop // of a loop, its translation
}

func (u *unit) loop() bool { return u.nodes[0].fusible() }

// fusibleEdge says whether user can take in's elements as the loop that makes them goes along.
func fusibleEdge(in, user *node) bool {
	return in.fusible() && !in.isReduction() && user.fusible() && in.phase == user.phase && in.kind == user.kind && in.domain() == user.domain()
}

// findDepths tells which loops nodes belong to.
func (g *graph) findDepths() {
	// depth counts the loop borders above a node. Two nodes of the same depth and domain can run in one loop: a way from one to
	// the other through something outside the loop would make them differ in depth.
	for _, n := range g.nodes {
		n.depth = 0
		for _, in := range n.in {
			d := in.depth
			if !fusibleEdge(in, n) {
				d++
			}
			n.depth = max(n.depth, d)
		}
	}
	for _, n := range slices.Backward(g.nodes) {
		if n.later() {
			n.depth = n.users[0].depth
		}
	}
}

// later says whether a value is computed where it is used, even if it could be earlier: copies are, and what takes one operation from
// another value, and a row, or an exponential that it shares with nothing. The other stays in memory instead, and often does anyway.
func (n *node) later() bool {
	switch {
	case n.again:
		return true
	case len(n.users) != 1 || !fusibleEdge(n, n.users[0]):
		return false
	case n.op == expr.OpMul || n.op == expr.OpAdd:
		return isRow(n.in[0], n.shape) || isRow(n.in[1], n.shape)
	}
	return n.op == expr.OpSwish && n.attr.N[0] > 1
}

// units groups the nodes of each phase and puts them in order.
func (g *graph) units() (phases [3][]*unit) {
	g.findDepths()
	// Fuse what is connected: by an edge, or by reading the same value.
	parent := map[*node]*node{}
	var find func(n *node) *node
	find = func(n *node) *node {
		if p := parent[n]; p != nil && p != n {
			parent[n] = find(p)
			return parent[n]
		}
		return n
	}
	join := func(a, b *node) {
		if a, b = find(a), find(b); a != b {
			parent[b] = a
		}
	}
	for _, n := range g.nodes {
		for i, u := range n.users {
			if fusibleEdge(n, u) && n.depth == u.depth {
				join(n, u)
			}
			if n.shape.Size() == 1 || n.phase == prologue && u.phase == body {
				continue // sharing a number or a parameter is no reason
			}
			for _, other := range n.users[:i] {
				if u.fusible() && other.fusible() && u.depth == other.depth && u.phase == other.phase && u.kind == other.kind && u.domain() == other.domain() {
					join(other, u)
				}
			}
		}
	}
	units := map[*node]*unit{}
	for _, n := range g.nodes {
		if n.op.Leaf() && n.op != expr.OpGaussian && n.op != expr.OpUniform {
			continue
		}
		root := n
		if n.fusible() {
			root = find(n)
		}
		if units[root] == nil {
			units[root] = &unit{domain: n.domain()}
		}
		n.unit = units[root]
		n.unit.nodes = append(n.unit.nodes, n)
	}
	// Depth first: an operand is computed shortly before it is used, which keeps the arenas small. Sums over the batch use values and
	// make none, so they come as soon as they can.
	seen, done := map[*unit]bool{}, map[*unit]bool{}
	ready := func(n *node) bool {
		return !slices.ContainsFunc(n.in, func(in *node) bool { return in.unit != nil && !done[in.unit] })
	}
	var visit func(u *unit)
	visit = func(u *unit) {
		if u == nil || seen[u] {
			return
		}
		seen[u] = true
		for _, n := range u.nodes {
			for _, in := range n.in {
				if in.unit != u {
					visit(in.unit)
				}
			}
		}
		p := u.nodes[0].phase
		if u.nodes[0].batchReduction() {
			p = body
		}
		u.index = len(phases[p])
		phases[p] = append(phases[p], u)
		done[u] = true
		for _, n := range u.nodes {
			for _, user := range n.users {
				if user.batchReduction() && ready(user) {
					visit(user.unit)
				}
			}
		}
	}
	for _, n := range g.ends() {
		visit(n.unit)
	}
	return phases
}

// ends lists outputs and sums over the batch in an order that takes up one image after the other: what depends on the same inputs
// stays together, and comes before what depends on them and others.
func (g *graph) ends() (ends []*node) {
	reads := map[*node]*big.Int{} // sets of inputs and noises, the i-th as 2ⁱ; a set comes after its subsets
	leaves := 0
	for _, n := range g.nodes {
		reads[n] = new(big.Int)
		if n.op.Leaf() && n.kind == expr.Sample {
			reads[n].SetBit(reads[n], leaves, 1)
			leaves++
		}
		for _, in := range n.in {
			reads[n].Or(reads[n], reads[in])
		}
		if slices.Contains(g.outputs, n) || n.batchReduction() {
			ends = append(ends, n)
		}
	}
	slices.SortStableFunc(ends, func(a, b *node) int { return reads[a].Cmp(reads[b]) })
	return ends
}
