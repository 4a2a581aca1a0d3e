package cpu

import (
	"sync"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file runs 3×3 convolutions by Winograd's algorithm (see kernels/winograd.go): the image is cut into tiles of m×m pixels, and
// for each of the (m+2)² places in a transformed tile one matrix product, tiles × inputs by inputs × outputs, takes the place of
// the nine of the direct way. Kernels are transformed in the prologue.

// chooseWinograd is the cheapest Winograd convolution for these shapes and so many images at a time, or nil where the direct way is
// as good.
func chooseWinograd(set *kernels.Set, images int, in, out expr.Shape, taps int) *kernels.Winograd {
	if taps != 9 || out[2]%convTile(set, out[2]).Cols != 0 {
		return nil
	}
	const weight = 6 // to bring one in
	return cheapestWinograd(set, images, in, out, weight)
}

// cheapestWinograd compares costs in multiply-adds. What a transform costs a number, and what each of the kernel's numbers costs beside
// its products, were fitted to measurements.
func cheapestWinograd(set *kernels.Set, images int, in, out expr.Shape, number float64) *kernels.Winograd {
	const transform = 7
	product, pixels := float64(in[2]*out[2]), float64(images*in[0]*in[1])
	var best *kernels.Winograd
	least := 9 * product * (pixels + number)
	for i := range set.Winograd {
		w := &set.Winograd[i]
		if in[2]%w.Lanes != 0 || out[2]%w.Lanes != 0 || w.M > 2 && min(in[0], in[1]) < fewestPixels {
			continue
		}
		tiles, places := float64(images*cuts(in[0], w.M)*cuts(in[1], w.M)), float64(w.Side()*w.Side())
		cost := places * (tiles*(product+transform*float64(in[2]+out[2])) + number*product)
		if cost < least {
			best, least = w, cost
		}
	}
	return best
}

// fewestPixels is the side from which on the larger tiles are used: the normalisation of a few pixels multiplies rounding errors.
const fewestPixels = 5

// cuts is the number of tiles of m pixels that cover a side.
func cuts(side, m int) int { return (side + m - 1) / m }

func (p *program) winograd(m int) *kernels.Winograd {
	for i := range p.kernels.Winograd {
		if w := &p.kernels.Winograd[i]; w.M == m {
			return w
		}
	}
	return nil
}

// packWinograd transforms a kernel, flipped first if asked, into panels of Cols outputs for each place. It takes all threads: while
// parameters are taken up there is nothing else to do.
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
			share(9, threads, func(t int) { transpose(turned[t*stride:], src[(8-t)*stride:][:stride], width, depth) })
			src = turned
		}
		share(stride/cols, threads, func(row int) { // of all panels
			j, k := row/depth*cols, row%depth
			w.Weights(dst[row*cols:], stride, src[k*width+j:], stride, cols)
		})
	}
}

// share does n things, each of so many threads its share.
func share(n, threads int, do func(i int)) {
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

// winogradConv computes one convolution for a tile of images, some tiles of pixels at a time.
type winogradConv struct {
	x, y, packed, bias *node
	w                  *kernels.Winograd
	tile               kernels.ConvTile
	few                []kernels.ConvTile // tiles as wide, tallest first, for the rows that do not fill it
	block              int                // tiles of pixels at a time
	perImage           int                // tiles of pixels of an image
	from, to           []int32            // offsets of a tile's inputs and of its outputs
	rows               []int32            // offsets of the rows of a matrix of transformed inputs, and of some to fill the last tile
	zeros              int                // offset of the pixel of zeros
}

// blockFloats is the memory of a block of transformed tiles, inputs and products, that leaves room for weights in the second-level
// cache.
const blockFloats = 1 << 17

// apart keeps the places of transformed tiles out of each other's cache sets, in floats.
const apart = 16

func (p *program) newWinogradConv(n *node, w *kernels.Winograd) *winogradConv {
	x := n.in[0]
	c := &winogradConv{x: x, y: n, packed: n.in[1], w: w, zeros: p.tile * x.shape.Size()}
	if len(n.in) > 2 {
		c.bias = n.in[2]
	}
	c.tile = convTile(p.kernels, n.shape[2])
	for _, t := range p.kernels.Conv {
		if t.Cols == c.tile.Cols {
			c.few = append(c.few, t)
		}
	}
	c.perImage = cuts(n.shape[0], w.M) * cuts(n.shape[1], w.M)
	places := w.Side() * w.Side()
	c.block = max(c.tile.Rows, blockFloats/(places*(x.shape[2]+n.shape[2]))/c.tile.Rows*c.tile.Rows)
	c.block = min(c.block, p.tile*c.perImage)
	c.from, c.to = p.winogradInputs(x.shape, w), p.winogradOutputs(n.shape, w)
	for r := range c.block + c.tile.Rows {
		c.rows = append(c.rows, int32(r*x.shape[2]))
	}
	return c
}

// winogradInputs lists the pixels of every tile's inputs, winogradOutputs those of its outputs; beyond the image they are the pixel of
// zeros.
func (p *program) winogradInputs(x expr.Shape, w *kernels.Winograd) []int32 {
	return p.table(tableKey{"winograd input", x, w.M, 0}, func() []int32 { return p.pixelsOfTiles(x, w.M, w.Side(), 1) })
}

func (p *program) winogradOutputs(y expr.Shape, w *kernels.Winograd) []int32 {
	return p.table(tableKey{"winograd output", y, w.M, 0}, func() []int32 { return p.pixelsOfTiles(y, w.M, w.M, 0) })
}

// pixelsOfTiles lists side×side pixels for every tile of m×m, from so far before its corner on.
func (p *program) pixelsOfTiles(shape expr.Shape, m, side, before int) (pixels []int32) {
	height, width, channels := shape[0], shape[1], shape[2]
	across := cuts(width, m)
	perImage := cuts(height, m) * across
	for t := range p.tile * perImage {
		image, top, left := t/perImage, t%perImage/across*m-before, t%across*m-before
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

func (c *winogradConv) strides() (in, out int) {
	return len(c.rows)*c.x.shape[2] + apart, len(c.rows)*c.y.shape[2] + apart
}

func (c *winogradConv) scratch() int {
	in, out := c.strides()
	return c.w.Side() * c.w.Side() * (in + out)
}

// rest is the tile that wastes the fewest of so many rows, the tallest of those.
func (c *winogradConv) rest(rows int) kernels.ConvTile {
	best := c.few[0]
	for _, t := range c.few[1:] {
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
	places, pixels := c.w.Side()*c.w.Side(), c.w.M*c.w.M
	transformed, products := f.scratch[:places*in], f.scratch[places*in:]
	for first, tiles := 0, f.images*c.perImage; first < tiles; first += c.block {
		n := min(c.block, tiles-first)
		whole := n / c.tile.Rows
		done := whole * c.tile.Rows
		rest := c.rest(n - done)
		more := cuts(n-done, rest.Rows)
		c.w.Input(transformed, in, x, c.from[first*places:], n, depth)
		for place := range places {
			a, b := transformed[place*in:], products[place*out:]
			for j := 0; j < outputs; j += c.tile.Cols {
				w := weights[(place*outputs+j)*depth:][:depth*c.tile.Cols]
				c.tile.Run(b[j:], outputs, a, c.rows, whole, 1, depth, w, nil)
				if more > 0 {
					rest.Run(b[done*outputs+j:], outputs, a, c.rows[done:], more, 1, depth, w, nil)
				}
			}
		}
		c.w.Output(y, c.to[first*pixels:], products, out, n, outputs, bias)
	}
}
