package cpu

import (
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file has the convolutions at the image end of a network, where one side has a channel or three: the first layer, whose inner
// sums would be too short, and its gradient with respect to the image, whose outputs would fill a fraction of a vector.

// With few input channels the image is copied into a frame of zeros. The three pixels of a row of the neighbourhood then lie one
// after the other, and the nine taps of C channels are three of 3·C: the same weights in the same order.

// fewInputs is the largest number of input channels for which that is done.
const fewInputs = 4

// frameFloats is the memory of a tile's framed images.
func (c *conv) frameFloats() int {
	if !c.framed {
		return 0
	}
	s := c.x.shape
	return len(c.offsets) / (c.taps * s[0] * s[1]) * (s[0] + 2) * (s[1] + 2) * s[2]
}

// addFrame copies images into frames of zeros.
func addFrame(dst, x []float32, shape expr.Shape, images int) {
	row, framed := shape[1]*shape[2], (shape[1]+2)*shape[2]
	clear(dst[:images*(shape[0]+2)*framed])
	for image := range images {
		for y := range shape[0] {
			copy(dst[(image*(shape[0]+2)+y+1)*framed+shape[2]:][:row], x[(image*shape[0]+y)*row:])
		}
	}
}

// framedRows gives, for every pixel, where the three rows of its neighbourhood begin in the framed images.
func framedRows(shape expr.Shape, images int) []int32 {
	var out []int32
	for image := range images {
		for y := range shape[0] {
			for x := range shape[1] {
				for t := range 3 {
					out = append(out, int32(((image*(shape[0]+2)+y+t)*(shape[1]+2)+x)*shape[2]))
				}
			}
		}
	}
	return out
}

// With few outputs the taps become outputs too: each pixel is multiplied once by the weights of all taps, and the products are
// added up where they belong,
//
//	z[p, t, o] = Σ_i x[p, i]·w[t, i, o]        y[p, o] = Σ_t z[p + t, t, o]
type thinConv struct {
	x, y, packed *node
	tile         kernels.ConvTile
	columns      int     // of z, a multiple of tile.Cols
	pixels       []int32 // offsets of an image's pixels
	sums         []int32 // for every pixel and tap, the offset in z of what goes into it
}

// thin says whether a convolution gains from that.
func thin(outputs, taps, cols int) bool { return taps == 9 && outputs*9 <= 2*cols }

func (p *program) newThinConv(n *node) *thinConv {
	x := n.in[0]
	c := &thinConv{x: x, y: n, packed: n.in[1]}
	outputs := n.shape[2]
	c.tile = convTile(p.kernels, 9*outputs)
	c.columns = roundUp(9*outputs, c.tile.Cols)
	one := expr.Shape{x.shape[0], x.shape[1], 1}
	for _, pixel := range blocks(neighbours(one, 1, 1), 1, c.tile.Rows) {
		c.pixels = append(c.pixels, pixel*int32(x.shape[2]))
	}
	for i, pixel := range neighbours(one, 1, 9) {
		at := int(pixel)*c.columns + i%9*outputs
		if int(pixel) == one.Size() { // outside the image
			at = len(c.pixels) * c.columns
		}
		c.sums = append(c.sums, int32(at))
	}
	return c
}

func (c *thinConv) scratch() int { return len(c.pixels)*c.columns + c.y.shape[2] }

func (c *thinConv) run(f *frame) {
	depth, cols := c.x.shape[2], c.tile.Cols
	weights := f.at(c.packed, 0, c.packed.shape.Size())
	z := f.scratch[:c.scratch()]
	clear(z[len(c.pixels)*c.columns:])
	for image := range f.images {
		x := f.at(c.x, image, c.x.shape.Size())
		for j := 0; j < c.columns; j += cols {
			c.tile.Run(z[j:], c.columns, x, c.pixels, len(c.pixels)/c.tile.Rows, 1, depth, weights[j*depth:][:depth*cols], nil)
		}
		f.kernels.GatherSum(f.at(c.y, image, c.y.shape.Size()), z, c.sums, 9, c.y.shape[2], 1)
	}
}

// packThin lays a kernel out in panels of Cols columns, column t·O + o being output o of tap t, flipped on the way if asked.
func packThin(n *node) func(f *frame) {
	w := n.in[0]
	cols, flip := n.attr.N[0], n.attr.N[1] == 1
	inputs, outputs := w.shape[1], w.shape[2]
	return func(f *frame) {
		src, dst := f.at(w, 0, w.shape.Size()), f.at(n, 0, n.shape.Size())
		depth, width := inputs, outputs
		if flip {
			depth, width = outputs, inputs
		}
		clear(dst)
		for t := range 9 {
			for k := range depth {
				for o := range width {
					column, from := t*width+o, (t*inputs+k)*outputs+o
					if flip {
						from = ((8-t)*inputs+o)*outputs + k
					}
					dst[(column/cols*depth+k)*cols+column%cols] = src[from]
				}
			}
		}
	}
}
