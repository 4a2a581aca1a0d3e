package cpu

import (
	"sync"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file runs 3×3 convolutions by Winograd's algorithm F(m×m, 3×3), whose transforms and source are in package kernels. The outputs are
// cut into tiles of m×m pixels, each made from (m+2)×(m+2) inputs that overlap with the next tile's. With d a tile of inputs, g the kernel
// and y a tile of outputs, for m = 4:
//
//	prologue   V[e] = (G g Gᵀ)[e]             36 matrices of inputs × outputs, one for each element e of a transformed tile
//	1          U[e, t] = (Bᵀ d B)[e]         36 matrices of tiles × inputs
//	2          M[e] = U[e]·V[e]               36 products of matrices: 2.25 multiply-adds a pixel, input and output instead of 9
//	3          y[t] = Aᵀ M[·, t] A + bias
//
// Steps 1 to 3 take some tiles at a time, so that U and M stay in the second-level cache.

// chooseWinograd is the cheapest Winograd convolution for these shapes and so many images at a time, or nil where the direct way is as good.
func chooseWinograd(set *kernels.Set, images int, in, out expr.Shape, taps int) *kernels.Winograd {
	if taps != 9 || out[2]%convTile(set, out[2]).Cols != 0 {
		return nil
	}
	const read = 6
	return cheapestWinograd(set, images, in, out, read)
}

// cheapestWinograd compares costs in multiply-adds: the products, the transform of each number of inputs and outputs, and what each of the
// kernel's numbers costs beside its products, to be read or written. The last two were fitted to measurements.
func cheapestWinograd(set *kernels.Set, images int, in, out expr.Shape, perWeight float64) *kernels.Winograd {
	const transform = 7
	product, pixels := float64(in[2]*out[2]), float64(images*in[0]*in[1])
	var best *kernels.Winograd
	least := 9 * product * (pixels + perWeight)
	for i := range set.Winograd {
		w := &set.Winograd[i]
		if in[2]%w.Lanes != 0 || out[2]%w.Lanes != 0 || w.M > 2 && min(in[0], in[1]) < minSideF4 {
			continue
		}
		tiles, elements := float64(images*ceilDiv(in[0], w.M)*ceilDiv(in[1], w.M)), float64(w.Side()*w.Side())
		cost := elements * (tiles*(product+transform*float64(in[2]+out[2])) + perWeight*product)
		if cost < least {
			best, least = w, cost
		}
	}
	return best
}

// minSideF4 is the side of an image from which on F(4×4) is used: its rounding error is larger than that of F(2×2), and the normalisation of
// a few pixels multiplies errors.
const minSideF4 = 5

// winograd is the transforms for one m, nil if there are none.
func (p *program) winograd(m int) *kernels.Winograd {
	for i := range p.kernels.Winograd {
		if w := &p.kernels.Winograd[i]; w.M == m {
			return w
		}
	}
	return nil
}

// packWinograd transforms a kernel, flipped first if asked, into panels of Cols outputs for each element of a tile. It takes all threads:
// while parameters are taken up there is nothing else to do.
func packWinograd(n *node, w *kernels.Winograd, threads int) func(f *frame) {
	kernel := n.in[0]
	cols, flipped := n.attr.N[0], n.attr.N[1] == 1
	depth, width := kernel.shape[1], kernel.shape[2]
	if flipped {
		depth, width = width, depth
	}
	stride := depth * width
	return func(f *frame) {
		src, dst := f.at(kernel, 0, kernel.shape.Size()), f.at(n, 0, n.shape.Size())
		if flipped {
			turned := f.scratch[:len(src)]
			parallel(9, threads, func(t int) { transpose(turned[t*stride:], src[(8-t)*stride:][:stride], width, depth) })
			src = turned
		}
		parallel(stride/cols, threads, func(row int) { // of all panels
			j, k := row/depth*cols, row%depth
			w.Weights(dst[row*cols:], stride, src[k*width+j:], stride, cols)
		})
	}
}

// parallel does n things, each of so many threads its share.
func parallel(n, threads int, do func(i int)) {
	var wg sync.WaitGroup
	for thread := range threads {
		wg.Go(func() {
			for i := thread * n / threads; i < (thread+1)*n/threads; i++ {
				do(i)
			}
		})
	}
	wg.Wait()
}

// winogradConv computes one convolution for a tile of images. In what follows a tile is one of pixels.
type winogradConv struct {
	x, y, packed, bias *node // bias may be nil
	w                  *kernels.Winograd
	tile               kernels.ConvTile   // the micro-tile of the products
	remainderTiles     []kernels.ConvTile // those as wide, tallest first, for rows that do not fill it
	blockTiles         int                // tiles at a time
	perImage           int                // tiles of an image
	inputs, outputs    []int32            // offsets of each tile's pixels in x and in y
	rows               []int32            // offsets of the rows of U[e], and of some more to fill the last micro-tile
	zeros              int                // offset of the pixel of zeros
}

// blockFloats is the memory of a block of transformed inputs and products, that leaves room for weights in the second-level cache.
const blockFloats = 1 << 17

// cacheSetPadding, in floats, lies behind each of the matrices of a transform: without it their rows would be a power of two apart, and
// compete for the same sets of the cache.
const cacheSetPadding = 16

func (p *program) newWinogradConv(n *node, w *kernels.Winograd) *winogradConv {
	x := n.in[0]
	c := &winogradConv{x: x, y: n, packed: n.in[1], w: w, zeros: p.tile * x.shape.Size()}
	if len(n.in) > 2 {
		c.bias = n.in[2]
	}
	c.tile = convTile(p.kernels, n.shape[2])
	for _, t := range p.kernels.Conv {
		if t.Cols == c.tile.Cols {
			c.remainderTiles = append(c.remainderTiles, t)
		}
	}
	c.perImage = ceilDiv(n.shape[0], w.M) * ceilDiv(n.shape[1], w.M)
	elements := w.Side() * w.Side()
	c.blockTiles = max(c.tile.Rows, blockFloats/(elements*(x.shape[2]+n.shape[2]))/c.tile.Rows*c.tile.Rows)
	c.blockTiles = min(c.blockTiles, p.tile*c.perImage)
	c.inputs, c.outputs = p.winogradInputs(x.shape, w), p.winogradOutputs(n.shape, w)
	for r := range c.blockTiles + c.tile.Rows {
		c.rows = append(c.rows, int32(r*x.shape[2]))
	}
	return c
}

// winogradInputs lists the pixels of every tile's inputs; beyond the image they are the pixel of zeros.
func (p *program) winogradInputs(x expr.Shape, w *kernels.Winograd) []int32 {
	return p.table(tableKey{"winograd input", x, w.M, 0}, func() []int32 { return p.tilePixels(x, w.M, w.Side(), 1) })
}

// winogradOutputs lists the pixels of every tile's outputs; what is beyond the image goes to the pixel of zeros, which its readers clear first.
func (p *program) winogradOutputs(y expr.Shape, w *kernels.Winograd) []int32 {
	return p.table(tableKey{"winograd output", y, w.M, 0}, func() []int32 { return p.tilePixels(y, w.M, w.M, 0) })
}

// tilePixels lists the offsets of side×side pixels for every tile of m×m, starting margin pixels above and to the left of its corner.
func (p *program) tilePixels(shape expr.Shape, m, side, margin int) (pixels []int32) {
	height, width, channels := shape[0], shape[1], shape[2]
	across := ceilDiv(width, m)
	perImage := ceilDiv(height, m) * across
	for t := range p.tile * perImage {
		image, top, left := t/perImage, t%perImage/across*m-margin, t%across*m-margin
		for i := range side * side {
			y, x, at := top+i/side, left+i%side, p.tile*shape.Size()
			if y >= 0 && y < height && x >= 0 && x < width {
				at = ((image*height+y)*width + x) * channels
			}
			pixels = append(pixels, int32(at))
		}
	}
	return pixels
}

// strides are the distances from one matrix U[e], and M[e], to the next.
func (c *winogradConv) strides() (in, out int) {
	return len(c.rows)*c.x.shape[2] + cacheSetPadding, len(c.rows)*c.y.shape[2] + cacheSetPadding
}

// scratch is U and M.
func (c *winogradConv) scratch() int {
	in, out := c.strides()
	return c.w.Side() * c.w.Side() * (in + out)
}

// remainderTile is the micro-tile that wastes the fewest of so many rows, the tallest of those: of 12, 8 and 4 rows for 5 that are left, 8.
func (c *winogradConv) remainderTile(rows int) kernels.ConvTile {
	best := c.remainderTiles[0]
	for _, t := range c.remainderTiles[1:] {
		if roundUp(rows, t.Rows) < roundUp(rows, best.Rows) {
			best = t
		}
	}
	return best
}

func (c *winogradConv) run(f *frame) {
	x, y := f.tileOf(c.x), f.tileOf(c.y)
	depth, outputs := c.x.shape[2], c.y.shape[2]
	clear(x[c.zeros : c.zeros+depth])
	var bias []float32
	if c.bias != nil {
		bias = f.at(c.bias, 0, c.bias.shape.Size())
	}
	weights := f.at(c.packed, 0, c.packed.shape.Size())
	in, out := c.strides()
	elements, pixels := c.w.Side()*c.w.Side(), c.w.M*c.w.M
	transformed, products := f.scratch[:elements*in], f.scratch[elements*in:]
	for first, tiles := 0, f.images*c.perImage; first < tiles; first += c.blockTiles {
		n := min(c.blockTiles, tiles-first)
		c.w.Input(transformed, in, x, c.inputs[first*elements:], n, depth)
		c.multiply(products, out, transformed, in, weights, n)
		c.w.Output(y, c.outputs[first*pixels:], products, out, n, outputs, bias)
	}
}

// multiply computes M[e] = U[e]·V[e] for n tiles: whole micro-tiles, and one or more of another height for the rows that are left.
func (c *winogradConv) multiply(products []float32, out int, transformed []float32, in int, weights []float32, n int) {
	depth, outputs := c.x.shape[2], c.y.shape[2]
	whole := n / c.tile.Rows
	done := whole * c.tile.Rows
	remainder := c.remainderTile(n - done)
	more := ceilDiv(n-done, remainder.Rows)
	for e := range c.w.Side() * c.w.Side() {
		a, b := transformed[e*in:], products[e*out:]
		for j := 0; j < outputs; j += c.tile.Cols {
			w := weights[(e*outputs+j)*depth:][:depth*c.tile.Cols]
			c.tile.Run(b[j:], outputs, a, c.rows, whole, 1, depth, w, nil)
			if more > 0 {
				remainder.Run(b[done*outputs+j:], outputs, a, c.rows[done:], more, 1, depth, w, nil)
			}
		}
	}
}
