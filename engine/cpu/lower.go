package cpu

import (
	"fmt"
	"math"
	"slices"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// This file turns an expression into engine-level nodes: equal computations become one node, normalisation becomes statistics
// and a pointwise map, kernels are packed for the matrix kernel in the prologue, and a bias joins its convolution.

// Engine-level operations beside those of package expr.
const (
	opMoments      = expr.Op(100 + iota) // x -> 2×C: mean and 1/√(variance + eps) of each channel's group
	opRow                                // view: row N[0] of such a 2×C value
	opShared                             // view: the memory that sums over the batch share
	opPack                               // w -> panels of Cols output channels for kernels.ConvTile; N = {Cols, flip}
	opPackWinograd                       // w -> such panels for each place of a Winograd tile; N as for opPack, X = {m}
	opPackThin                           // w -> such panels with the taps among the outputs; N as for opPack
	opPackBias                           // b -> padded by zeros to a multiple of N[0] channels
)

type phase uint8

const (
	prologue phase = iota
	body
	epilogue
)

// node is one engine-level operation and its result.
type node struct {
	op    expr.Op
	phase phase
	kind  expr.Kind
	shape expr.Shape
	attr  expr.Attr
	in    []*node
	users []*node
	place place
	unit  *unit
	depth int
	alias bool  // shares the memory of in[0]
	again bool  // a copy that its users' loop computes for itself
	into  *node // of a sum over the batch: the one whose memory it adds to as well
}

// scalar immediate, if the node is a constant.
func (n *node) constant() (float32, bool) { return float32(n.attr.X[0]), n.op == expr.OpConst }

func (n *node) isReduction() bool {
	return n.op == expr.OpSum && (n.shape == expr.Scalar || n.shape == n.in[0].shape.Channels())
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

// image is what a convolution convolves.
func (n *node) image() *node {
	if x := n.in[0]; x.op != opSplit {
		return x
	}
	return n.in[0].in[0]
}

// batchReduction says whether the node sums over the images.
func (n *node) batchReduction() bool { return n.op == expr.OpBatchSum || n.op == expr.OpConvKernel }

type graph struct {
	set     *kernels.Set
	tile    int     // images that a worker takes through the body together
	nodes   []*node // inputs before users
	outputs []*node
	known   map[computation]*node
	leaves  []*node // params, inputs and noises

	parts matrix.Parts // bf16 numbers for a factor of a convolution; 0: float32
}

func lower(outputs []*expr.Value, set *kernels.Set, tile int, parts matrix.Parts) (*graph, error) {
	if len(outputs) == 0 {
		return nil, fmt.Errorf("cpu: a program without outputs")
	}
	if err := expr.Err(outputs...); err != nil {
		return nil, err
	}
	outputs = expr.Simplify(outputs...)
	if tile <= 0 {
		tile = tileImages(outputs)
	}
	g := &graph{set: set, tile: tile, parts: parts, known: map[computation]*node{}}
	of := map[*expr.Value]*node{}
	for _, v := range expr.Order(outputs...) {
		in := make([]*node, len(v.In()))
		for i, u := range v.In() {
			in[i] = of[u]
		}
		of[v] = g.lowerOne(v, in)
	}
	for _, v := range outputs {
		g.outputs = append(g.outputs, of[v])
	}
	g.settle()
	g.joinBiases()
	g.settle()
	g.gather()
	g.settle()
	g.shareSums()
	g.settle()
	g.computeAgain()
	names := map[string]*node{}
	for _, n := range g.nodes {
		if n.phase == body {
			for _, in := range n.in {
				if in.phase == epilogue {
					return nil, fmt.Errorf("cpu: %v of each image depends on a sum over the batch, which takes a second program", n.op)
				}
			}
		}
		if n.attr.Name != "" {
			if other := names[n.attr.Name]; other != nil {
				return nil, fmt.Errorf("cpu: two different leaves named %q", n.attr.Name)
			}
			names[n.attr.Name] = n
			g.leaves = append(g.leaves, n)
		}
	}
	return g, nil
}

func (g *graph) lowerOne(v *expr.Value, in []*node) *node {
	switch v.Op() {
	case expr.OpNormalise, expr.OpInvStd:
		x := in[0]
		moments := g.add(opMoments, v.Kind(), expr.Shape{1, 2, x.shape[2]}, v.Attr(), x)
		row := func(i int) *node {
			return g.add(opRow, v.Kind(), x.shape.Channels(), expr.Attr{N: [2]int{i}}, moments)
		}
		if v.Op() == expr.OpInvStd {
			return row(1)
		}
		minus := g.add(expr.OpAffine, v.Kind(), x.shape.Channels(), expr.Attr{X: [2]float64{-1}}, row(0))
		centred := g.add(expr.OpAdd, v.Kind(), x.shape, expr.Attr{}, x, minus)
		return g.add(expr.OpMul, v.Kind(), x.shape, expr.Attr{}, centred, row(1))
	case expr.OpConv:
		return g.conv(v, in)
	case expr.OpFlip:
		if k := in[0]; k.op == expr.OpConvKernel { // turned, it is that of the operands exchanged
			return g.add(k.op, k.kind, v.Shape(), k.attr, k.in[1], k.in[0])
		}
	}
	if v.Op().Pointwise() {
		for i, n := range in {
			for n.op == expr.OpSpread { // loops read shared values in place
				n = n.in[0]
			}
			if s := n.shape; s != v.Shape() && s != v.Shape().Channels() && s != expr.Scalar {
				n = g.add(expr.OpBroadcast, n.kind, v.Shape(), expr.Attr{}, n)
			}
			in[i] = n
		}
	}
	return g.add(v.Op(), v.Kind(), v.Shape(), v.Attr(), in...)
}

// conv chooses how to convolve and packs the kernel for it, for the micro-tile that suits its number of outputs.
func (g *graph) conv(v *expr.Value, in []*node) *node {
	x, w, flip := in[0], in[1], 0
	outputs := v.Shape()[2]
	if w.op == expr.OpFlip {
		w, flip = w.in[0], 1
	}
	if g.inParts(x, outputs) {
		return g.convInParts(v, x, w, flip)
	}
	tile, taps := convTile(g.set, outputs), w.shape[0]
	if thin(outputs, taps, tile.Cols) {
		cols := convTile(g.set, 9*outputs).Cols
		packed := g.add(opPackThin, expr.Shared, expr.Shape{1, x.shape[2], roundUp(9*outputs, cols)}, expr.Attr{N: [2]int{cols, flip}}, w)
		return g.add(expr.OpConv, v.Kind(), v.Shape(), expr.Attr{N: [2]int{taps}}, x, packed)
	}
	panels := (outputs + tile.Cols - 1) / tile.Cols
	m := 0
	pack, places, attr := opPack, taps, expr.Attr{N: [2]int{tile.Cols, flip}}
	if w := chooseWinograd(g.set, g.tile, x.shape, v.Shape(), taps); w != nil {
		m = w.M
		pack, places, attr.X[0] = opPackWinograd, w.Side()*w.Side(), float64(m)
	}
	packed := g.add(pack, expr.Shared, expr.Shape{1, panels, places * x.shape[2] * tile.Cols}, attr, w)
	return g.add(expr.OpConv, v.Kind(), v.Shape(), expr.Attr{N: [2]int{taps, m}}, x, packed)
}

// computation is what makes two nodes the same.
type computation struct {
	op    expr.Op
	kind  expr.Kind
	shape expr.Shape
	attr  expr.Attr
	minus [2]bool  // of the real coefficients: 0 is not -0
	in    [3]*node // of which no operation has more
}

// add returns the node for this computation, the existing one if there is one.
func (g *graph) add(op expr.Op, kind expr.Kind, shape expr.Shape, attr expr.Attr, in ...*node) *node {
	key := computation{op: op, kind: kind, shape: shape, attr: attr}
	for i, x := range attr.X {
		key.minus[i] = math.Signbit(x)
	}
	copy(key.in[:], in)
	if n := g.known[key]; n != nil {
		return n
	}
	n := &node{op: op, kind: kind, shape: shape, attr: attr, in: in, alias: op == opRow}
	n.phase = body
	if kind == expr.Shared {
		n.phase = prologue
		for _, i := range in {
			if i.phase != prologue {
				n.phase = epilogue
			}
		}
	}
	g.known[key] = n
	g.nodes = append(g.nodes, n)
	return n
}

// settle keeps the nodes that the outputs need, inputs before users, and finds the users of each.
func (g *graph) settle() {
	seen := map[*node]bool{}
	g.nodes = g.nodes[:0]
	type frame struct {
		n    *node
		next int
	}
	for _, root := range g.outputs {
		if seen[root] {
			continue
		}
		seen[root] = true
		root.users = nil
		stack := []frame{{n: root}}
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

// joinBiases lets a convolution add its bias while it writes its result.
func (g *graph) joinBiases() {
	isOutput := map[*node]bool{}
	for _, n := range g.outputs {
		isOutput[n] = true
	}
	for _, n := range g.nodes {
		if n.op != expr.OpAdd {
			continue
		}
		for i := range 2 {
			c, b := n.in[i], n.in[1-i]
			if c.op != expr.OpConv || len(c.in) != 2 || c.in[1].op == opPackThin || len(c.users) != 1 || isOutput[c] || c.shape != n.shape ||
				b.phase != prologue || b.shape != n.shape.Channels() {
				continue
			}
			cols := c.in[1].attr.N[0]
			padded := (b.shape[2] + cols - 1) / cols * cols
			bias := g.add(opPackBias, expr.Shared, expr.Shape{1, 1, padded}, expr.Attr{N: [2]int{cols}}, b)
			n.op, n.in, n.attr = expr.OpConv, []*node{c.in[0], c.in[1], bias}, c.attr
			break
		}
	}
}

// shareSums lets sums over the batch that are added up afterwards, such as what each term of a loss has to say about a parameter, add
// to the same memory.
func (g *graph) shareSums() {
	// partsOf lists the sums that n consists of, if n adding to other memory is nobody else's business.
	partsOf := func(n *node) []*node {
		switch {
		case len(n.users) != 1 || slices.Contains(g.outputs, n):
			return nil
		case n.op == opShared:
			return n.in
		case n.batchReduction():
			return []*node{n}
		}
		return nil
	}
	for _, n := range g.nodes {
		if n.op != expr.OpAdd || n.phase != epilogue || n.in[0].shape != n.in[1].shape {
			continue
		}
		a, b := partsOf(n.in[0]), partsOf(n.in[1])
		if a == nil || b == nil {
			continue
		}
		parts := slices.Concat(a, b)
		for _, part := range parts {
			part.into = parts[0]
		}
		parts[0].into = nil
		n.op, n.in, n.alias, n.attr = opShared, parts, true, expr.Attr{}
	}
}

// tileImages is the number of images per tile: as many as the second-level cache has room for of the largest value. If those are fewer
// than four, it is eight, or what the next cache has room for: small layers must fill the matrix kernel and use their weights more
// than once.
func tileImages(outputs []*expr.Value) int {
	const second, third = 1 << 17, 1 << 20 // floats
	largest := 1
	for _, v := range expr.Order(outputs...) {
		if v.Kind() == expr.Sample {
			largest = max(largest, v.Shape().Size())
		}
	}
	if n := second / largest; n >= 4 {
		return min(n, 16)
	}
	return max(1, min(third/largest, 8))
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
