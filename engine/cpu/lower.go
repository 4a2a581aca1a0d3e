package cpu

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// This file turns an expression into a graph of nodes, and runs the passes that rewrite it. Normalise(x) becomes statistics and a pointwise
// map, Conv(x, w) a convolution by a packed kernel:
//
//	m = Moments(x)                      2×C: means, and 1/√(variance + eps)
//	y = (x + (-1)·m[0])·m[1]            for Normalise(x); m[1] for InvStd(x)
//
//	p = Pack(w)                         shared, so in the prologue: once for all steps of a chain
//	y = Conv(x, p)

// lower makes the graph of the outputs, for tiles of so many images; 0: as many as suit the caches.
func lower(outputs []*expr.Value, set *kernels.Set, tile int, parts matrix.Parts) (*graph, error) {
	if len(outputs) == 0 {
		return nil, fmt.Errorf("cpu: a program without outputs")
	}
	if err := expr.Err(outputs...); err != nil {
		return nil, err
	}
	outputs = expr.Simplify(outputs...)
	if tile <= 0 {
		tile = defaultTile(outputs)
	}
	g := &graph{set: set, tile: tile, parts: parts, cse: map[computation]*node{}}
	nodeOf := map[*expr.Value]*node{}
	for _, v := range expr.Order(outputs...) {
		in := make([]*node, len(v.In()))
		for i, u := range v.In() {
			in[i] = nodeOf[u]
		}
		nodeOf[v] = g.lowerValue(v, in)
	}
	for _, v := range outputs {
		g.outputs = append(g.outputs, nodeOf[v])
	}
	g.eliminateDead()
	for _, pass := range []func(){g.fuseBiases, g.foldAffine, g.shareAccumulators, g.rematerialise} {
		pass()
		g.eliminateDead()
	}
	if err := g.checkPhases(); err != nil {
		return nil, err
	}
	return g, g.findLeaves()
}

// checkPhases is an error if an image's value needs a sum over all images, which is not known before all tiles are done.
func (g *graph) checkPhases() error {
	for _, n := range g.nodes {
		for _, in := range n.in {
			if n.phase == body && in.phase == epilogue {
				return fmt.Errorf("cpu: %v of each image depends on a sum over the batch, which takes a second program", n.op)
			}
		}
	}
	return nil
}

// findLeaves lists the leaves that have names, which must differ.
func (g *graph) findLeaves() error {
	names := map[string]bool{}
	for _, n := range g.nodes {
		if n.attr.Name == "" {
			continue
		}
		if names[n.attr.Name] {
			return fmt.Errorf("cpu: two different leaves named %q", n.attr.Name)
		}
		names[n.attr.Name] = true
		g.leaves = append(g.leaves, n)
	}
	return nil
}

// lowerValue is the node for a value, given those for its inputs.
func (g *graph) lowerValue(v *expr.Value, in []*node) *node {
	if !v.Op().Pointwise() {
		for i, n := range in {
			if n.view { // loops alone read the images of a view, which do not lie one after the other
				in[i] = g.add(expr.OpBroadcast, n.kind, n.shape, expr.Attr{}, n)
			}
		}
	}
	switch v.Op() {
	case expr.OpNormalise, expr.OpInvStd:
		return g.lowerNormalisation(v, in[0])
	case expr.OpConv:
		return g.lowerConv(v, in)
	case expr.OpFlip:
		if k := in[0]; k.op == expr.OpConvKernel { // flipping the gradient of a kernel exchanges what it is made of
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

// lowerNormalisation is Normalise or InvStd of x by the moments of x.
func (g *graph) lowerNormalisation(v *expr.Value, x *node) *node {
	moments := g.add(opMoments, v.Kind(), expr.Shape{1, 2, x.shape[2]}, v.Attr(), x)
	row := func(i int) *node {
		return g.add(opRow, v.Kind(), x.shape.Channels(), expr.Attr{N: [2]int{i}}, moments)
	}
	if v.Op() == expr.OpInvStd {
		return row(1)
	}
	minusMean := g.add(expr.OpAffine, v.Kind(), x.shape.Channels(), expr.Attr{X: [2]float64{-1}}, row(0))
	centred := g.add(expr.OpAdd, v.Kind(), x.shape, expr.Attr{}, x, minusMean)
	return g.add(expr.OpMul, v.Kind(), x.shape, expr.Attr{}, centred, row(1))
}

// lowerConv chooses the algorithm of a convolution, and packs the kernel for it. A kernel that is flipped first is flipped by the packing.
//
//	matrix unit   if the precision allows                                  unitconv.go
//	few outputs   to a channel or three, as a gradient by the image        fewchannels.go
//	Winograd      F(4×4, 3×3) or F(2×2, 3×3), where it costs less          winograd.go
//	direct        otherwise; few input channels in a way of their own      conv.go, fewchannels.go
func (g *graph) lowerConv(v *expr.Value, in []*node) *node {
	x, w, flip := in[0], in[1], 0
	outputs := v.Shape()[2]
	if w.op == expr.OpFlip {
		w, flip = w.in[0], 1
	}
	if g.onUnit(x, outputs) {
		return g.unitConv(v, x, w, flip)
	}
	tile, taps := convTile(g.set, outputs), w.shape[0]
	if fewOutputs(outputs, taps, tile.Cols) {
		cols := convTile(g.set, 9*outputs).Cols
		packed := g.add(opPackFewOutputs, expr.Shared, expr.Shape{1, x.shape[2], roundUp(9*outputs, cols)}, expr.Attr{N: [2]int{cols, flip}}, w)
		return g.add(expr.OpConv, v.Kind(), v.Shape(), expr.Attr{N: [2]int{taps}}, x, packed)
	}
	m := 0
	pack, elements, attr := opPack, taps, expr.Attr{N: [2]int{tile.Cols, flip}}
	if w := chooseWinograd(g.set, g.tile, x.shape, v.Shape(), taps); w != nil {
		m = w.M
		pack, elements, attr.X[0] = opPackWinograd, w.Side()*w.Side(), float64(m)
	}
	packed := g.add(pack, expr.Shared, expr.Shape{1, ceilDiv(outputs, tile.Cols), elements * x.shape[2] * tile.Cols}, attr, w)
	return g.add(expr.OpConv, v.Kind(), v.Shape(), expr.Attr{N: [2]int{taps, m}}, x, packed)
}

// defaultTile is the number of images per tile: as many as the second-level cache has room for of the largest value. If those are fewer
// than four, it is eight, or what the third-level cache has room for: small layers must fill the micro-tiles of the matrix products and use
// their weights more than once. For images of 32×32 with 64 channels, 64Ki floats, that is 128Ki/64Ki = 2 < 4, so min(1Mi/64Ki, 8) = 8.
func defaultTile(outputs []*expr.Value) int {
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
