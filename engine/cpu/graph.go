package cpu

import (
	"math"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// This file has the engine's intermediate representation: a graph of nodes, each an operation and its result, that the passes rewrite.

// The operations of nodes are those of package expr without Normalise and InvStd, and these. More are in unitconv.go.
const (
	opMoments        = expr.Op(100 + iota) // x -> 2×C: mean and 1/√(variance + eps) of each channel's group
	opRow                                  // view: row N[0] of such a 2×C value
	opSharedSum                            // view: the accumulator that sums over the batch share
	opPack                                 // w -> panels of Cols output channels for kernels.ConvTile; N = {Cols, flip}
	opPackWinograd                         // w -> such panels for each element of a Winograd tile; N as for opPack, X = {m}
	opPackFewOutputs                       // w -> such panels with the taps among the outputs; N as for opPack
	opPackBias                             // b -> padded by zeros to a multiple of N[0] channels
)

// phase is when a node is computed.
type phase uint8

const (
	prologue phase = iota // once for each set of parameters
	body                  // for each tile, and on each step of a chain
	epilogue              // once, after all tiles
)

// node is one operation and its result.
type node struct {
	op    expr.Op
	phase phase
	kind  expr.Kind
	shape expr.Shape
	attr  expr.Attr // of an expr.OpConv: N = {taps, m of Winograd's F(m×m) or 0}
	in    []*node
	users []*node // of which in holds this node, once for each time it does

	view           bool  // it has no memory of its own, but is part of in[0]'s
	rematerialised bool  // a copy that the loop of its users computes for itself; see rematerialise.go
	sumInto        *node // of a sum over the batch: the one whose accumulator it adds to; see accumulate.go

	level   int     // see fuse.go
	group   *group  // what it is computed in; nil for leaves other than noise
	address address // of its memory; see arena.go
}

// constant is the number that the node is, if it is one.
func (n *node) constant() (float32, bool) { return float32(n.attr.X[0]), n.op == expr.OpConst }

// isReduction says whether the node sums over the pixels of an image, to a number per channel or to one number, as loops can.
func (n *node) isReduction() bool {
	return n.op == expr.OpSum && (n.shape == expr.Scalar || n.shape == n.in[0].shape.Channels())
}

// isBatchReduction says whether the node sums over the images.
func (n *node) isBatchReduction() bool { return n.op == expr.OpBatchSum || n.op == expr.OpConvKernel }

// isRow says whether r has one number per channel of a value of the shape.
func isRow(r *node, shape expr.Shape) bool {
	return r.shape == shape.Channels() && r.shape != shape && r.shape != expr.Scalar
}

// image is what a convolution convolves.
func (n *node) image() *node {
	if x := n.in[0]; x.op != opSplit {
		return x
	}
	return n.in[0].in[0]
}

// graph is a computation on its way to be a program.
type graph struct {
	set     *kernels.Set
	parts   matrix.Parts // bf16 numbers for a factor of a convolution; 0: float32
	tile    int          // images that a worker takes through the body together
	nodes   []*node      // inputs before users
	outputs []*node
	leaves  []*node // those with names: parameters, inputs and noises
	cse     map[computation]*node
}

// computation is what makes two nodes the same: the key of common subexpression elimination.
type computation struct {
	op    expr.Op
	kind  expr.Kind
	shape expr.Shape
	attr  expr.Attr
	minus [2]bool  // signs of the real coefficients: as keys 0 and -0 are equal
	in    [3]*node // of which no operation has more
}

// add returns the node for this computation, the existing one if there is one.
func (g *graph) add(op expr.Op, kind expr.Kind, shape expr.Shape, attr expr.Attr, in ...*node) *node {
	key := computation{op: op, kind: kind, shape: shape, attr: attr}
	for i, x := range attr.X {
		key.minus[i] = math.Signbit(x)
	}
	copy(key.in[:], in)
	if n := g.cse[key]; n != nil {
		return n
	}
	n := &node{op: op, kind: kind, shape: shape, attr: attr, in: in, view: op == opRow}
	n.phase = body
	if kind == expr.Shared {
		n.phase = prologue
		for _, i := range in {
			if i.phase != prologue {
				n.phase = epilogue
			}
		}
	}
	g.cse[key] = n
	g.nodes = append(g.nodes, n)
	return n
}

// eliminateDead keeps the nodes that the outputs need, puts them in topological order, inputs before users, and lists the users of each. It
// is called after every pass that changes inputs.
func (g *graph) eliminateDead() {
	seen := map[*node]bool{}
	g.nodes = g.nodes[:0]
	type frame struct {
		n    *node
		next int // input to visit next
	}
	for _, root := range g.outputs {
		if seen[root] {
			continue
		}
		seen[root] = true
		root.users = nil
		stack := []frame{{n: root}} // explicit: a chain unrolled into one expression is deep
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == len(top.n.in) {
				g.nodes = append(g.nodes, top.n)
				stack = stack[:len(stack)-1]
				continue
			}
			in := top.n.in[top.next]
			top.next++
			if !seen[in] {
				seen[in] = true
				in.users = nil
				stack = append(stack, frame{n: in})
			}
		}
	}
	for _, n := range g.nodes {
		for _, in := range n.in {
			in.users = append(in.users, n)
		}
	}
}

// flops counts the multiplications and additions of convolutions and matrix products, per image.
func (g *graph) flops() float64 {
	total := 0.0
	for _, n := range g.nodes {
		if n.phase == body || n.op == expr.OpConvKernel {
			total += n.flops()
		}
	}
	return total
}

func (n *node) flops() float64 {
	switch n.op {
	case expr.OpConv:
		return 2 * float64(n.shape.Size()*n.attr.N[0]*n.image().shape[2])
	case expr.OpConvKernel:
		return 2 * float64(n.shape.Size()*n.in[0].shape[0]*n.in[0].shape[1])
	case expr.OpMatMul:
		inner := n.in[0].shape[2]
		if n.attr.TA {
			inner = n.in[0].shape[0] * n.in[0].shape[1]
		}
		return 2 * float64(n.shape.Size()*inner)
	}
	return 0
}
