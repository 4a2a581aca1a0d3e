package cpu

import "github.com/joule-ebm/joule/internal/kernels"

// This file computes gradients with respect to kernels the direct way,
//
//	k[t, i, o] = Σ_images Σ_p x[p + t, i]·dy[p, o]
//
// for each tap a matrix product x[p + t]ᵀ·dy[p], inputs × pixels by pixels × outputs: a sum over the batch, to which each tile of images adds.

// kernelGrad adds a tile's kernel gradient to the lane's.
type kernelGrad struct {
	x, dy, sum *node
	tile       kernels.GradTile
	taps       int
	offsets    []int32 // of x[p + t], by tap, then pixel
	pixels     int     // of a full tile of images: the offsets of a tap
	zeros      int     // offset of the pixel of zeros that stands for the padding
}

func (p *program) newKernelGrad(n *node) *kernelGrad {
	x, dy := n.in[0], n.in[1]
	g := &kernelGrad{x: x, dy: dy, sum: n, taps: n.shape[0], zeros: p.tile * x.shape.Size()}
	g.tile = gradTile(p.kernels, x.shape[2], dy.shape[2])
	g.pixels = p.tile * x.shape[0] * x.shape[1]
	g.offsets = p.table(tableKey{"kernel", x.shape, g.taps, 0}, func() []int32 {
		byPixel := neighbours(x.shape, p.tile, g.taps)
		out := make([]int32, len(byPixel))
		for i, o := range byPixel {
			out[i%g.taps*g.pixels+i/g.taps] = o
		}
		return out
	})
	return g
}

// scratch is a block of results.
func (g *kernelGrad) scratch() int { return g.tile.Rows * g.tile.Cols }

// gradPixels is the number of pixels a kernel gradient passes over at a time, so that they stay in the first caches.
const gradPixels = 256

func (g *kernelGrad) run(f *frame) {
	inputs, outputs := g.x.shape[2], g.dy.shape[2]
	x, dy := f.tileOf(g.x), f.tileOf(g.dy)
	clear(x[g.zeros : g.zeros+inputs])
	sum := f.at(g.sum, 0, g.sum.shape.Size())
	pixels := f.images * g.x.shape[0] * g.x.shape[1]
	for from := 0; from < pixels; from += gradPixels {
		n := min(gradPixels, pixels-from)
		for t := range g.taps {
			g.addTap(sum[t*inputs*outputs:], x, g.offsets[t*g.pixels+from:][:n], dy[from*outputs:], f.scratch)
		}
	}
}

// addTap adds to the inputs×outputs numbers of one tap the product of x at the offsets and dy: whole blocks directly, what sticks out of the
// sum by way of a block in scratch memory.
func (g *kernelGrad) addTap(sum, x []float32, offsets []int32, dy, scratch []float32) {
	inputs, outputs := g.x.shape[2], g.dy.shape[2]
	rows, cols := g.tile.Rows, g.tile.Cols
	for i := 0; i < inputs; i += rows {
		for j := 0; j < outputs; j += cols {
			if i+rows <= inputs && j+cols <= outputs {
				g.tile.Run(sum[i*outputs+j:], outputs, x[i:], offsets, dy[j:], outputs)
				continue
			}
			block := scratch[:rows*cols]
			clear(block)
			g.tile.Run(block, cols, x[i:], offsets, dy[j:], outputs)
			for r := range min(rows, inputs-i) {
				row := sum[(i+r)*outputs:][:outputs]
				for c := range min(cols, outputs-j) {
					row[j+c] += block[r*cols+c]
				}
			}
		}
	}
}
