package model

// This file measures how much there is in an image, whatever a model says of it: the length of its shortest simple code,
//
//	L(u) = min over the predictors of H(u - prediction)     bits a value,
//
// the entropy of what is left of the pixels when each is predicted by its neighbours. Models find images in which there is little likely
// though they have seen none (Serrà et al., "Input complexity and out-of-distribution detection with likelihood-based generative models",
// ICLR 2020, who take the length of a PNG or JPEG 2000 file). The predictors are the filters of PNG (ISO/IEC 15948, clause 9).

import (
	"math"

	"github.com/joule-ebm/joule/expr"
)

// paeth is whichever of the three is nearest to left + up - corner.
func paeth(left, up, corner int) int {
	distance := func(v int) int { return max(left+up-corner-v, v-left-up+corner) }
	switch l, u, c := distance(left), distance(up), distance(corner); {
	case l <= u && l <= c:
		return left
	case u <= c:
		return up
	}
	return corner
}

// codeLength is L of the pixels of one image of that shape, in bits a value, from 0 to 8.
func codeLength(pixels []uint8, image expr.Shape) float64 {
	w, c := image[1], image[2]
	var counts [5][256]int // of each predictor: nothing, the neighbour to the left, the one above, their mean, Paeth's
	for i, value := range pixels {
		var left, up, corner int // 0 outside of the image
		inside, below := i/c%w > 0, i >= w*c
		if inside {
			left = int(pixels[i-c])
		}
		if below {
			up = int(pixels[i-w*c])
		}
		if inside && below {
			corner = int(pixels[i-w*c-c])
		}
		for k, prediction := range [...]int{0, left, up, (left + up) / 2, paeth(left, up, corner)} {
			counts[k][value-uint8(prediction)]++
		}
	}
	least := math.Inf(1)
	for k := range counts {
		least = min(least, entropy(counts[k][:]))
	}
	return least
}

// entropy is that of the distribution with such counts, in bits.
func entropy(counts []int) (bits float64) {
	total := 0
	for _, n := range counts {
		total += n
	}
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(total)
			bits -= p * math.Log2(p)
		}
	}
	return bits
}
