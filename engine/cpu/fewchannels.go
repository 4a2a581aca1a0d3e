package cpu

import (
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file has the 3×3 convolutions at the image end of a network, where one side has a channel or three: the first layer, whose inner
// sums of 3 numbers would be too short for the micro-tile, and its gradient with respect to the image, whose 3 outputs would fill a
// fraction of a vector.
//
// Few inputs: the image is copied into a larger one with a border of zeros. The three pixels of a row of the neighbourhood then lie one
// after the other, with no exception at the border, so that the nine taps of C channels are three of 3·C: the same weights in the same order.
//
//	0 0 0 0        neighbourhood of a:   taps {0 0 0} {0 a b} {0 c d}
//	0 a b 0
//	0 c d 0
//	0 0 0 0

// fewInputs is the largest number of input channels for which that is done.
const fewInputs = 4

// paddedFloats is the memory of a tile's padded images.
func (c *conv) paddedFloats() int {
	if !c.padded {
		return 0
	}
	s := c.x.shape
	return len(c.offsets) / (c.taps * s[0] * s[1]) * (s[0] + 2) * (s[1] + 2) * s[2]
}

// padImages copies images into larger ones with a border of zeros.
func padImages(dst, x []float32, shape expr.Shape, images int) {
	row, padded := shape[1]*shape[2], (shape[1]+2)*shape[2]
	clear(dst[:images*(shape[0]+2)*padded])
	for image := range images {
		for y := range shape[0] {
			copy(dst[(image*(shape[0]+2)+y+1)*padded+shape[2]:][:row], x[(image*shape[0]+y)*row:])
		}
	}
}

// paddedRows gives, for every pixel, where the three rows of its neighbourhood begin in the padded images.
func paddedRows(shape expr.Shape, images int) []int32 {
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

// fewOutputsConv computes a convolution to few outputs. The taps become outputs too: each pixel is multiplied once by the weights of all
// taps, and the products are added up where they belong,
//
//	z[p, t, o] = Σ_i x[p, i]·w[t, i, o]        y[p, o] = Σ_t z[p + t, t, o]
//
// With one output and vectors of 16, that is a matrix product of 9 columns out of 16 instead of nine of one out of 16.
type fewOutputsConv struct {
	x, y, packed *node
	tile         kernels.ConvTile
	columns      int     // of z, a multiple of tile.Cols
	pixels       []int32 // offsets of an image's pixels
	sums         []int32 // for every pixel and tap, the offset in z of what goes into it
}

// fewOutputs says whether a convolution gains from that.
func fewOutputs(outputs, taps, cols int) bool { return taps == 9 && outputs*9 <= 2*cols }

func (p *program) newFewOutputsConv(n *node) *fewOutputsConv {
	x := n.in[0]
	c := &fewOutputsConv{x: x, y: n, packed: n.in[1]}
	outputs := n.shape[2]
	c.tile = convTile(p.kernels, 9*outputs)
	c.columns = roundUp(9*outputs, c.tile.Cols)
	one := expr.Shape{x.shape[0], x.shape[1], 1} // offsets of its pixels are their numbers
	for _, pixel := range blocks(neighbours(one, 1, 1), 1, c.tile.Rows) {
		c.pixels = append(c.pixels, pixel*int32(x.shape[2]))
	}
	for i, pixel := range neighbours(one, 1, 9) {
		at := int(pixel)*c.columns + i%9*outputs
		if int(pixel) == one.Size() { // outside the image: zeros, kept behind z
			at = len(c.pixels) * c.columns
		}
		c.sums = append(c.sums, int32(at))
	}
	return c
}

// scratch is z, and zeros behind it.
func (c *fewOutputsConv) scratch() int { return len(c.pixels)*c.columns + c.y.shape[2] }

func (c *fewOutputsConv) run(f *frame) {
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

// packFewOutputs lays a kernel out in panels of Cols columns, column t·O + o being output o of tap t, flipped on the way if asked.
func packFewOutputs(n *node) func(f *frame) {
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
