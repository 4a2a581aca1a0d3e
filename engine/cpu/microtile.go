package cpu

import (
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file has what convolutions and matrix products have in common: the choice of a micro-tile, the block of sums that a kernel keeps in
// registers, and the tables of offsets by which it reads pixels where they lie.

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

// ceilDiv is ⌈n/by⌉: how many pieces of a length cover another.
func ceilDiv(n, by int) int { return (n + by - 1) / by }

// neighbours gives, for every pixel of so many images and every tap of its 3×3 neighbourhood, the offset of that pixel in a value of the
// given shape, or where it is outside the image that of the pixel of zeros behind the last image. A single tap is the pixel itself. For one
// image of 2×2 pixels and a channel, whose pixel of zeros is at 4, the neighbours of the first pixel are
//
//	4 4 4
//	4 0 1
//	4 2 3
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

// blocks reorders offsets from (pixel, tap) to (block of rows pixels, tap, pixel of the block), the order in which a micro-tile reads them;
// the last pixel is repeated to fill the last block. Five pixels of one tap in blocks of 4 are 0 1 2 3 | 4 4 4 4.
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
