package cpu

import "github.com/joule-ebm/joule/internal/kernels"

// This file runs direct convolutions, for 9 taps or 1,
//
//	y[p, o] = b[o] + Σ_t Σ_i x[p + t, i]·w[t, i, o]
//
// as a matrix product of pixels × (taps·inputs) by (taps·inputs) × outputs, without writing the first matrix down: the images lie channels
// last, so that its rows are made of pieces of the image, and the kernel is given the offset of each piece. A pixel of zeros behind the last
// image stands for the padding. The gradient with respect to the image is the same convolution with the flipped kernel.

// conv computes one convolution for a tile of images.
type conv struct {
	x, y, packed, bias *node // bias may be nil
	tile               kernels.ConvTile
	taps, depth        int     // of the inner sum: taps pieces of depth numbers
	offsets            []int32 // of pieces; see blocks
	zeros              int     // offset of the pixel of zeros
	padded             bool    // x has few channels: see fewchannels.go
}

func (p *program) newConv(n *node) *conv {
	x := n.in[0]
	c := &conv{x: x, y: n, packed: n.in[1], taps: n.attr.N[0], depth: x.shape[2]}
	if len(n.in) > 2 {
		c.bias = n.in[2]
	}
	c.tile = convTile(p.kernels, n.shape[2])
	c.zeros = p.tile * x.shape.Size()
	if c.padded = c.taps > 1 && c.depth <= fewInputs; c.padded {
		c.taps, c.depth = 3, 3*c.depth
	}
	c.offsets = p.table(tableKey{"conv", x.shape, c.taps, c.tile.Rows}, func() []int32 {
		of := neighbours(x.shape, p.tile, c.taps)
		if c.padded {
			of = paddedRows(x.shape, p.tile)
		}
		return blocks(of, c.taps, c.tile.Rows)
	})
	return c
}

// scratch is a block of results, and the padded images.
func (c *conv) scratch() int { return c.tile.Rows*c.tile.Cols + c.paddedFloats() }

func (c *conv) run(f *frame) {
	x, block := f.tileOf(c.x), f.scratch[:c.tile.Rows*c.tile.Cols]
	if c.padded {
		padded := f.scratch[len(block):]
		padImages(padded, x, c.x.shape, f.images)
		x = padded
	} else {
		clear(x[c.zeros : c.zeros+c.depth])
	}
	packed := f.at(c.packed, 0, c.packed.shape.Size())
	cols, outputs := c.tile.Cols, c.y.shape[2]
	panel := c.taps * c.depth * cols
	for j := 0; j < outputs; j += cols {
		var bias []float32
		if c.bias != nil {
			bias = f.at(c.bias, 0, c.bias.shape.Size())[j : j+cols]
		}
		c.runPanel(f, j, x, packed[j/cols*panel:][:panel], bias, block)
	}
}

// runPanel computes the outputs of one panel of the packed kernel, from channel j on, for all pixels: whole blocks directly, what sticks
// out of y by way of a block in scratch memory.
func (c *conv) runPanel(f *frame, j int, x, w, bias, block []float32) {
	y, rows, cols, outputs := f.tileOf(c.y), c.tile.Rows, c.tile.Cols, c.y.shape[2]
	pixels, from := f.images*c.y.shape[0]*c.y.shape[1], 0
	if j+cols <= outputs {
		whole := pixels / rows
		c.tile.Run(y[j:], outputs, x, c.offsets, whole, c.taps, c.depth, w, bias)
		from = whole * rows
	}
	for ; from < pixels; from += rows {
		c.tile.Run(block, cols, x, c.offsets[from*c.taps:], 1, c.taps, c.depth, w, bias)
		for r := range min(rows, pixels-from) {
			copy(y[(from+r)*outputs+j:(from+r)*outputs+min(outputs, j+cols)], block[r*cols:])
		}
	}
}

// pack lays a kernel out in panels of Cols output channels, flipped on the way if asked: panel j has w[t, i, j·Cols + o] for every t, i and
// o < Cols, in that order, with zeros beyond the last output. So a micro-tile reads its weights one after the other.
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
