package cpu

import (
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file runs convolutions in place on channels-last images, without copying patches: the matrix kernel takes one pointer per
// pixel and tap, and a pixel of zeros, kept behind the last image, stands for the padding. The gradient with respect to the image is
// the same convolution with the flipped kernel; the gradient with respect to the kernel is x[p + tap]ᵀ·dy[p].

// convTile chooses the micro-tile that wastes the fewest output channels, the widest of those.
func convTile(set *kernels.Set, outputs int) kernels.ConvTile {
	best := set.Conv[0]
	for _, t := range set.Conv[1:] {
		if roundUp(outputs, t.Cols) < roundUp(outputs, best.Cols) {
			best = t
		}
	}
	return best
}

// gradTile is convTile's counterpart for kernel gradients.
func gradTile(set *kernels.Set, inputs, outputs int) kernels.GradTile {
	best := set.Grad[0]
	area := func(t kernels.GradTile) int { return roundUp(inputs, t.Rows) * roundUp(outputs, t.Cols) }
	for _, t := range set.Grad[1:] {
		if area(t) < area(best) {
			best = t
		}
	}
	return best
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// neighbours gives, for every pixel of a tile and every tap, the offset of the neighbouring pixel in a value of the given shape,
// or that of the pixel of zeros behind it. A single tap is the pixel itself.
func neighbours(shape expr.Shape, images, taps int) []int32 {
	h, w, c := shape[0], shape[1], shape[2]
	zeros := int32(images * h * w * c)
	out := make([]int32, 0, images*h*w*taps)
	for image := range images {
		for y := range h {
			for x := range w {
				if taps == 1 {
					out = append(out, int32(((image*h+y)*w+x)*c))
					continue
				}
				for t := range taps {
					at := zeros
					if ny, nx := y+t/3-1, x+t%3-1; ny >= 0 && ny < h && nx >= 0 && nx < w {
						at = int32(((image*h+ny)*w + nx) * c)
					}
					out = append(out, at)
				}
			}
		}
	}
	return out
}

// conv computes one convolution for a tile.
type conv struct {
	x, y, packed, bias *node
	tile               kernels.ConvTile
	taps, depth        int
	offsets            []int32 // block, tap, row
	zeros              int     // offset of the pixel of zeros
	framed             bool    // few input channels: see thin.go
}

func (p *program) newConv(n *node) *conv {
	x := n.in[0]
	c := &conv{x: x, y: n, packed: n.in[1], taps: n.attr.N[0], depth: x.shape[2]}
	if len(n.in) > 2 {
		c.bias = n.in[2]
	}
	c.tile = convTile(p.kernels, n.shape[2])
	c.zeros = p.tile * x.shape.Size()
	if c.framed = c.taps > 1 && c.depth <= fewInputs; c.framed {
		c.taps, c.depth = 3, 3*c.depth
	}
	c.offsets = p.table(tableKey{"conv", x.shape, c.taps, c.tile.Rows}, func() []int32 {
		of := neighbours(x.shape, p.tile, c.taps)
		if c.framed {
			of = framedRows(x.shape, p.tile)
		}
		return blocks(of, c.taps, c.tile.Rows)
	})
	return c
}

// blocks reorders offsets from pixel, tap to block of pixels, tap, pixel of the block; the last pixel fills the last block.
func blocks(offsets []int32, taps, rows int) []int32 {
	pixels := len(offsets) / taps
	out := make([]int32, 0, roundUp(pixels, rows)*taps)
	for from := 0; from < pixels; from += rows {
		for t := range taps {
			for r := range rows {
				out = append(out, offsets[min(from+r, pixels-1)*taps+t])
			}
		}
	}
	return out
}

func (c *conv) scratch() int { return c.tile.Rows*c.tile.Cols + c.frameFloats() }

func (c *conv) run(f *frame) {
	pixels := f.images * c.y.shape[0] * c.y.shape[1]
	x := f.tileOf(c.x)
	block, rest := f.scratch[:c.tile.Rows*c.tile.Cols], f.scratch[c.tile.Rows*c.tile.Cols:]
	if c.framed {
		addFrame(rest, x, c.x.shape, f.images)
		x = rest
	} else {
		clear(x[c.zeros : c.zeros+c.depth])
	}
	y := f.tileOf(c.y)
	var bias []float32
	if c.bias != nil {
		bias = f.at(c.bias, 0, c.bias.shape.Size())
	}
	packed := f.at(c.packed, 0, c.packed.shape.Size())
	rows, cols, outputs := c.tile.Rows, c.tile.Cols, c.y.shape[2]
	panel := c.taps * c.depth * cols
	for j := 0; j < outputs; j += cols {
		w, from := packed[j/cols*panel:][:panel], 0
		var b []float32
		if bias != nil {
			b = bias[j : j+cols]
		}
		if j+cols <= outputs {
			whole := pixels / rows
			c.tile.Run(y[j:], outputs, x, c.offsets, whole, c.taps, c.depth, w, b)
			from = whole * rows
		}
		for ; from < pixels; from += rows { // a block that does not fit
			c.tile.Run(block, cols, x, c.offsets[from*c.taps:], 1, c.taps, c.depth, w, b)
			for r := range min(rows, pixels-from) {
				copy(y[(from+r)*outputs+j:(from+r)*outputs+min(outputs, j+cols)], block[r*cols:])
			}
		}
	}
}

// pack lays a kernel out in panels of Cols output channels, flipped on the way if asked.
func pack(n *node) func(f *frame) {
	w := n.in[0]
	cols, flip := n.attr.N[0], n.attr.N[1] == 1
	taps, inputs, outputs := w.shape[0], w.shape[1], w.shape[2]
	return func(f *frame) {
		src, dst := f.at(w, 0, w.shape.Size()), f.at(n, 0, n.shape.Size())
		depth, width := inputs, outputs
		if flip {
			depth, width = outputs, inputs
		}
		for j := 0; j*cols < width; j++ {
			panel := dst[j*taps*depth*cols:][:taps*depth*cols]
			clear(panel)
			used := min(cols, width-j*cols)
			for t := range taps {
				for k := range depth {
					row := panel[(t*depth+k)*cols:][:used]
					if !flip {
						copy(row, src[(t*inputs+k)*outputs+j*cols:])
						continue
					}
					column := src[(taps-1-t)*inputs*outputs+k:]
					for o := range row {
						row[o] = column[(j*cols+o)*outputs]
					}
				}
			}
		}
	}
}

func packBias(n *node) func(f *frame) {
	return func(f *frame) {
		dst := f.at(n, 0, n.shape.Size())
		clear(dst)
		copy(dst, f.at(n.in[0], 0, n.in[0].shape.Size()))
	}
}

// kernelGrad adds a tile's kernel gradient to the lane's.
type kernelGrad struct {
	x, dy, sum *node
	tile       kernels.GradTile
	taps       int
	offsets    []int32 // tap, pixel
	pixels     int     // of a full tile
	zeros      int
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

func (g *kernelGrad) scratch() int { return g.tile.Rows * g.tile.Cols }

// gradPixels is the number of pixels a kernel gradient passes over at a time, so that they stay in the first caches.
const gradPixels = 256

func (g *kernelGrad) run(f *frame) {
	inputs, outputs := g.x.shape[2], g.dy.shape[2]
	x, dy := f.tileOf(g.x), f.tileOf(g.dy)
	clear(x[g.zeros : g.zeros+inputs])
	sum := f.at(g.sum, 0, g.sum.shape.Size())
	rows, cols := g.tile.Rows, g.tile.Cols
	pixels := f.images * g.x.shape[0] * g.x.shape[1]
	for from := 0; from < pixels; from += gradPixels {
		n := min(gradPixels, pixels-from)
		for t := range g.taps {
			offsets := g.offsets[t*g.pixels+from:][:n]
			for i := 0; i < inputs; i += rows {
				for j := 0; j < outputs; j += cols {
					if i+rows <= inputs && j+cols <= outputs {
						g.tile.Run(sum[(t*inputs+i)*outputs+j:], outputs, x[i:], offsets, dy[from*outputs+j:], outputs)
						continue
					}
					block := f.scratch[:rows*cols]
					clear(block)
					g.tile.Run(block, cols, x[i:], offsets, dy[from*outputs+j:], outputs)
					for r := range min(rows, inputs-i) {
						row := sum[(t*inputs+i+r)*outputs:][:outputs]
						for c := range min(cols, outputs-j) {
							row[j+c] += block[r*cols+c]
						}
					}
				}
			}
		}
	}
}

// matMul multiplies two matrices per image with the convolution's kernel.
type matMul struct {
	a, b, c          *node
	ta, tb           bool
	rows, inner, out int
	tile             kernels.ConvTile
}

func (p *program) newMatMul(n *node) *matMul {
	m := &matMul{a: n.in[0], b: n.in[1], c: n, ta: n.attr.TA, tb: n.attr.TB}
	m.rows, m.out = n.shape[0]*n.shape[1], n.shape[2]
	m.inner = m.a.shape[2]
	if m.ta {
		m.inner = m.a.shape[0] * m.a.shape[1]
	}
	m.tile = convTile(p.kernels, m.out)
	return m
}

func (m *matMul) scratch() int {
	block, left := m.tile.Rows*m.tile.Cols, 0
	if m.ta {
		left = m.rows * m.inner
	}
	return block + left + roundUp(m.out, m.tile.Cols)*m.inner
}

func (m *matMul) run(f *frame) {
	rows, cols := m.tile.Rows, m.tile.Cols
	block, rest := f.scratch[:rows*cols], f.scratch[rows*cols:]
	offsets := f.identity(rows, m.inner)
	for image := range f.images {
		a, b, c := f.at(m.a, image, m.rows*m.inner), f.at(m.b, image, m.inner*m.out), f.at(m.c, image, m.rows*m.out)
		scratch := rest
		if m.ta {
			transpose(scratch, a, m.inner, m.rows)
			a, scratch = scratch[:m.rows*m.inner], scratch[m.rows*m.inner:]
		}
		for j := 0; j < m.out; j += cols {
			panel, used := scratch[j*m.inner:][:cols*m.inner], min(cols, m.out-j)
			for k := range m.inner {
				row := panel[k*cols:][:cols]
				clear(row)
				if !m.tb {
					copy(row, b[k*m.out+j:k*m.out+j+used])
					continue
				}
				for o := range used {
					row[o] = b[(j+o)*m.inner+k]
				}
			}
			for from := 0; from < m.rows; from += rows {
				n := min(rows, m.rows-from)
				at := offsets
				if n < rows { // repeat the last row rather than read past it
					at = f.repeatLast(offsets, n)
				}
				if n == rows && used == cols {
					m.tile.Run(c[from*m.out+j:], m.out, a[from*m.inner:], at, 1, 1, m.inner, panel, nil)
					continue
				}
				m.tile.Run(block, cols, a[from*m.inner:], at, 1, 1, m.inner, panel, nil)
				for r := range n {
					copy(c[(from+r)*m.out+j:][:used], block[r*cols:])
				}
			}
		}
	}
}

// transpose writes the rows×columns matrix src as columns×rows.
func transpose(dst, src []float32, rows, columns int) {
	const block = 16 // a cache line of each
	for top := 0; top < rows; top += block {
		for left := 0; left < columns; left += block {
			width := min(block, columns-left)
			for r := top; r < min(rows, top+block); r++ {
				for c, x := range src[r*columns+left:][:width] {
					dst[(left+c)*rows+r] = x
				}
			}
		}
	}
}
