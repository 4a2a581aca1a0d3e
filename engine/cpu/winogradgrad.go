package cpu

import (
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file runs the gradients of 3×3 kernels by Winograd's algorithm: for each of the (m+2)² places in a transformed tile one matrix
// product, inputs × tiles by tiles × outputs.

// chooseWinogradGrad is chooseWinograd's counterpart for kernel gradients.
func chooseWinogradGrad(set *kernels.Set, images int, in, out expr.Shape, taps int) *kernels.Winograd {
	tile := gradTile(set, in[2], out[2])
	if taps != 9 || in[2]%tile.Rows != 0 || out[2]%tile.Cols != 0 {
		return nil
	}
	const sum = 16 // to add to one, and to transform it in the end
	return cheapestWinograd(set, images, in, out, sum)
}

// winogradGrad computes the gradient of a kernel for a tile of images, some tiles of pixels at a time: for each place the products of
// transformed inputs and transformed gradients of the outputs add up to the transformed gradient of the kernel.
type winogradGrad struct {
	x, dy, sum      *node
	w               *kernels.Winograd
	tile            kernels.GradTile
	block           int     // tiles of pixels at a time
	perImage        int     // tiles of pixels of an image
	from, to        []int32 // offsets of a tile's inputs and of its outputs
	rows            []int32 // offsets of the rows of a matrix of transformed inputs
	zerosX, zerosDY int     // offsets of the pixels of zeros
}

func (p *program) newWinogradGrad(n *node, w *kernels.Winograd) *winogradGrad {
	x, dy := n.in[0], n.in[1]
	g := &winogradGrad{x: x, dy: dy, sum: n, w: w, tile: gradTile(p.kernels, x.shape[2], dy.shape[2]),
		perImage: cuts(x.shape[0], w.M) * cuts(x.shape[1], w.M), from: p.winogradInputs(x.shape, w), to: p.winogradOutputs(dy.shape, w),
		zerosX: p.tile * x.shape.Size(), zerosDY: p.tile * dy.shape.Size()}
	g.block = min(p.tile*g.perImage, max(leastRows, blockFloats/(w.Side()*w.Side()*(x.shape[2]+dy.shape[2]))))
	for r := range g.block {
		g.rows = append(g.rows, int32(r*x.shape[2]))
	}
	return g
}

// leastRows is the number of tiles of pixels from which on it pays to bring in the sums that they add to.
const leastRows = 64

func (g *winogradGrad) strides() (x, dy int) {
	return g.block*g.x.shape[2] + apart, g.block*g.dy.shape[2] + apart
}

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
	places, pixels, product := g.w.Side()*g.w.Side(), g.w.M*g.w.M, inputs*outputs
	transformed, gradients, sums := f.scratch[:places*xStride], f.scratch[places*xStride:][:places*dyStride], f.scratch[places*(xStride+dyStride):][:places*product]
	clear(sums)
	for first, tiles := 0, f.images*g.perImage; first < tiles; first += g.block {
		n := min(g.block, tiles-first)
		g.w.Input(transformed, xStride, x, g.from[first*places:], n, inputs)
		g.w.OutputGrad(gradients, dyStride, dy, g.to[first*pixels:], n, outputs)
		for place := range places {
			a, b, sum := transformed[place*xStride:], gradients[place*dyStride:], sums[place*product:]
			for i := 0; i < inputs; i += g.tile.Rows {
				for j := 0; j < outputs; j += g.tile.Cols {
					g.tile.Run(sum[i*outputs+j:], outputs, a[i:], g.rows[:n], b[j:], outputs)
				}
			}
		}
	}
	g.w.WeightsGrad(f.at(g.sum, 0, g.sum.shape.Size()), product, sums, product, product)
}
