package cpu

import "github.com/joule-ebm/joule/expr"

// This file averages over 3×3 pixels at stride 2, with zeros beyond the border that count, and does the transpose of that (Unpool). Both
// gather: each pixel of the result is 1/9 of a sum of pixels listed in a table.
//
//	y[p] = 1/9 Σ_t x[2p + t]        x[q] = 1/9 Σ y[p] over the p that q is a neighbour of

// poolTaps lists the pixels that each pooled pixel averages: 3×3 around every second pixel; -1 is the padding.
func poolTaps(from expr.Shape) (taps [][]int) {
	for y := 0; y < from[0]; y += 2 {
		for x := 0; x < from[1]; x += 2 {
			var pixels []int
			for t := range 9 {
				ny, nx := y+t/3-1, x+t%3-1
				at := -1
				if ny >= 0 && ny < from[0] && nx >= 0 && nx < from[1] {
					at = ny*from[1] + nx
				}
				pixels = append(pixels, at)
			}
			taps = append(taps, pixels)
		}
	}
	return taps
}

// unpoolTaps lists the pooled pixels that each pixel went into, at most four.
func unpoolTaps(to expr.Shape) (taps [][]int) {
	h, w := (to[0]+1)/2, (to[1]+1)/2
	for y := range to[0] {
		for x := range to[1] {
			pixels := []int{-1, -1, -1, -1}
			for t := range pixels {
				py, px := y/2+t/2, x/2+t%2
				if t/2 == 1 && y%2 == 0 || t%2 == 1 && x%2 == 0 || py >= h || px >= w {
					continue // even pixels lie in the middle of one window
				}
				pixels[t] = py*w + px
			}
			taps = append(taps, pixels)
		}
	}
	return taps
}

// pool averages the listed pixels of each image of a tile.
func (p *program) pool(n *node, from expr.Shape, taps [][]int) func(f *frame) {
	channels := from[2]
	zeros := p.tile * from.Size()
	per := len(taps[0])
	offsets := p.table(tableKey{n.op.String(), from, n.shape[0], n.shape[1]}, func() []int32 {
		var out []int32
		for image := range p.tile {
			for _, pixels := range taps {
				for _, at := range pixels {
					if at < 0 {
						out = append(out, int32(zeros))
					} else {
						out = append(out, int32(image*from.Size()+at*channels))
					}
				}
			}
		}
		return out
	})
	return func(f *frame) {
		x := f.tileOf(n.in[0])
		clear(x[zeros:][:channels])
		y := f.tileOf(n)[:f.images*n.shape.Size()]
		f.kernels.GatherSum(y, x, offsets[:len(y)/channels*per], per, channels, 1.0/9)
	}
}
