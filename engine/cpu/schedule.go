package cpu

import (
	"math/big"
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// This file puts the groups of each phase in an order of execution that keeps little in memory at a time. Three rules:
//
//   - depth first: an operand is computed shortly before it is used;
//   - a sum over the batch uses up values and makes none that an image needs, so it comes as soon as its operands are there;
//   - results that depend on the same images come one after the other: of a loss on data and samples, all that concerns the data before
//     all that concerns the samples, and what depends on both last.

// schedule fuses the nodes, and lists the groups of each phase in order.
func (g *graph) schedule() (phases [3][]*group) {
	g.fuse()
	s := scheduler{phases: &phases, seen: map[*group]bool{}, done: map[*group]bool{}}
	for _, n := range g.roots() {
		s.visit(n.group)
	}
	return phases
}

// scheduler lists groups in topological order.
type scheduler struct {
	phases     *[3][]*group
	seen, done map[*group]bool
}

// visit lists the group after all that it needs, and then the sums over the batch that it makes possible.
func (s *scheduler) visit(g *group) {
	if g == nil || s.seen[g] {
		return
	}
	s.seen[g] = true
	for _, n := range g.nodes {
		for _, in := range n.in {
			if in.group != g {
				s.visit(in.group)
			}
		}
	}
	p := g.phase()
	g.index = len(s.phases[p])
	s.phases[p] = append(s.phases[p], g)
	s.done[g] = true
	for _, n := range g.nodes {
		for _, user := range n.users {
			if user.isBatchReduction() && s.ready(user) {
				s.visit(user.group)
			}
		}
	}
}

// ready says whether all operands of a node are computed before what comes next.
func (s *scheduler) ready(n *node) bool {
	return !slices.ContainsFunc(n.in, func(in *node) bool { return in.group != nil && !s.done[in.group] })
}

// roots lists outputs and sums over the batch in the order in which they are to be computed. It is by the set of sample leaves that each
// depends on, as a binary number: with data = 1, samples = 2 and noise = 4, a gradient by the data (1) comes before one by the
// samples (2) before what depends on both (3). A set comes after its subsets.
func (g *graph) roots() (roots []*node) {
	reads := map[*node]*big.Int{}
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
		if slices.Contains(g.outputs, n) || n.isBatchReduction() {
			roots = append(roots, n)
		}
	}
	slices.SortStableFunc(roots, func(a, b *node) int { return reads[a].Cmp(reads[b]) })
	return roots
}
