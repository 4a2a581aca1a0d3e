package cpu

import (
	"slices"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file makes a program of a lowered graph: the passes from nodes to instructions, in order.

// program is a compiled computation: what to do, and the memory of those who do it. Its methods are in call.go (what may be asked of
// it), run.go (running it), worker.go, share.go, lanes.go and group.go.
type program struct {
	graph     *graph
	kernels   *kernels.Set
	threads   int
	tile      int // images of a tile, at most
	laneCount int // partial sums over the batch, at most
	group     engine.Group
	profile   func(Work)

	params       []*node          // leaves that Bind gives values to
	phases       [3][]*group      // in the order of execution
	instructions [3][]instruction // of those groups
	lastStepOnly []bool           // body instructions that sum over the batch: a chain runs them on its last step alone
	arenaSize    [arenaCount]int  // floats
	scratch      int              // floats that the most demanding instruction needs beside the arenas
	tables       map[tableKey][]int32

	memory    *pool
	bound     [][]float32 // the caller's values of params; nil before Bind
	justBound bool        // the prologue has not run since Bind
	sized     bool        // the prologue depends on the batch size
	cache     prologueCache
	workers   []*frame
}

// plan turns the graph into instructions: fusion and order, then translation of the fused loops, whose first and last accesses tell what
// may be overwritten in place, then addresses, then the rest.
func (p *program) plan() error {
	p.tables = map[tableKey][]int32{}
	p.params = slices.DeleteFunc(slices.Clone(p.graph.leaves), func(n *node) bool { return n.op != expr.OpParam })
	p.phases = p.graph.schedule()
	for _, groups := range p.phases {
		for _, g := range groups {
			if g.isLoop() {
				g.loop = p.newLoop(g)
			}
		}
	}
	p.assignAddresses()
	p.sized = slices.ContainsFunc(p.graph.nodes, func(n *node) bool { return n.op == expr.OpBatchSize })
	for i, groups := range p.phases {
		for _, g := range groups {
			in, err := p.instruction(g)
			if err != nil {
				return err
			}
			if p.profile != nil && phase(i) != epilogue {
				in.run = timed(in.run, g, p.profile)
			}
			p.instructions[i] = append(p.instructions[i], in)
			p.scratch = max(p.scratch, in.scratch)
			if phase(i) == body {
				p.lastStepOnly = append(p.lastStepOnly, g.nodes[0].isBatchReduction())
			}
		}
	}
	return nil
}

// Flops implements engine.Program.
func (p *program) Flops() float64 { return p.graph.flops() }

// tableKey names a table of pixel offsets: what it is for, the shape it is of, and two numbers that differ from use to use.
type tableKey struct {
	kind   string
	shape  expr.Shape
	n, per int
}

// table builds a table of offsets once for all instructions that need the same.
func (p *program) table(key tableKey, build func() []int32) []int32 {
	if t := p.tables[key]; t != nil {
		return t
	}
	t := build()
	p.tables[key] = t
	return t
}
