package cpu

import (
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file computes the gradients of 3×3 kernels by Winograd's algorithm, the transpose of winograd.go's by the kernel: with d and dy the
// tiles of inputs and of gradients of the outputs, for a tile of images,
//
//	1   U[e, t] = (Bᵀ d B)[e]             for m = 4, 36 matrices of tiles × inputs
//	2   W[e, t] = (A dy Aᵀ)[e]            36 matrices of tiles × outputs
//	3   S[e] += U[e]ᵀ·W[e]                36 products of matrices, summed over all tiles
//	4   k += Gᵀ S G                       once, in the end
//
// Steps 1 to 3 take some tiles at a time.

// chooseWinogradGrad is chooseWinograd's counterpart for kernel gradients.
func chooseWinogradGrad(set *kernels.Set, images int, in, out expr.Shape, taps int) *kernels.Winograd {
	tile := gradTile(set, in[2], out[2])
	if taps != 9 || in[2]%tile.Rows != 0 || out[2]%tile.Cols != 0 {
		return nil
	}
	const addAndTransform = 16
	return cheapestWinograd(set, images, in, out, addAndTransform)
}

// winogradGrad adds the gradient of a kernel for a tile of images to the lane's. In what follows a tile is one of pixels.
type winogradGrad struct {
	x, dy, sum      *node
	w               *kernels.Winograd
	tile            kernels.GradTile // the micro-tile of the products
	blockTiles      int              // tiles at a time
	perImage        int              // tiles of an image
	inputs, outputs []int32          // offsets of each tile's pixels in x and in dy
	rows            []int32          // offsets of the rows of U[e]
	zerosX, zerosDY int              // offsets of the pixels of zeros
}

func (p *program) newWinogradGrad(n *node, w *kernels.Winograd) *winogradGrad {
	x, dy := n.in[0], n.in[1]
	g := &winogradGrad{x: x, dy: dy, sum: n, w: w, tile: gradTile(p.kernels, x.shape[2], dy.shape[2]),
		perImage: ceilDiv(x.shape[0], w.M) * ceilDiv(x.shape[1], w.M), inputs: p.winogradInputs(x.shape, w), outputs: p.winogradOutputs(dy.shape, w),
		zerosX: p.tile * x.shape.Size(), zerosDY: p.tile * dy.shape.Size()}
	g.blockTiles = min(p.tile*g.perImage, max(minBlockTiles, blockFloats/(w.Side()*w.Side()*(x.shape[2]+dy.shape[2]))))
	for r := range g.blockTiles {
		g.rows = append(g.rows, int32(r*x.shape[2]))
	}
	return g
}

// minBlockTiles is the number of tiles from which on it pays to bring in the sums S that they add to.
const minBlockTiles = 64

// strides are the distances from one matrix U[e], and W[e], to the next.
func (g *winogradGrad) strides() (x, dy int) {
	return g.blockTiles*g.x.shape[2] + cacheSetPadding, g.blockTiles*g.dy.shape[2] + cacheSetPadding
}

// scratch is U, W and S.
func (g *winogradGrad) scratch() int {
	x, dy := g.strides()
	return g.w.Side() * g.w.Side() * (x + dy + g.x.shape[2]*g.dy.shape[2])
}

func (g *winogradGrad) run(f *frame) {
	x, dy := f.tileOf(g.x), f.tileOf(g.dy)
	inputs, outputs := g.x.shape[2], g.dy.shape[2]
	clear(x[g.zerosX : g.zerosX+inputs])
	clear(dy[g.zerosDY : g.zerosDY+outputs])
	xStride, dyStride := g.strides()
	elements, pixels, product := g.w.Side()*g.w.Side(), g.w.M*g.w.M, inputs*outputs
	transformed, scratch := f.scratch[:elements*xStride], f.scratch[elements*xStride:]
	gradients, scratch := scratch[:elements*dyStride], scratch[elements*dyStride:]
	sums := scratch[:elements*product]
	clear(sums)
	for first, tiles := 0, f.images*g.perImage; first < tiles; first += g.blockTiles {
		n := min(g.blockTiles, tiles-first)
		g.w.Input(transformed, xStride, x, g.inputs[first*elements:], n, inputs)
		g.w.OutputGrad(gradients, dyStride, dy, g.outputs[first*pixels:], n, outputs)
		for e := range elements {
			a, b, sum := transformed[e*xStride:], gradients[e*dyStride:], sums[e*product:]
			for i := 0; i < inputs; i += g.tile.Rows {
				for j := 0; j < outputs; j += g.tile.Cols {
					g.tile.Run(sum[i*outputs+j:], outputs, a[i:], g.rows[:n], b[j:], outputs)
				}
			}
		}
	}
	g.w.WeightsGrad(f.at(g.sum, 0, g.sum.shape.Size()), product, sums, product, product)
}
