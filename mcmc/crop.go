package mcmc

// This file is the random resized crop, and mirroring. A box of random area and aspect ratio is cut out and scaled to the size of the
// image by bilinear interpolation between pixel centres:
//
//	source = (target + 1/2)·box/size - 1/2, not below 0
//
// (torchvision's RandomResizedCrop and resize; align_corners false). A box is never larger than the image, so the question of smoothing
// before shrinking does not arise.

import (
	"math"

	"github.com/joule-ebm/joule/engine/rng"
)

// box is a part of an image, in pixels.
type box struct{ top, left, height, width int }

const aspectLow, aspectHigh = 3.0 / 4, 4.0 / 3

// randomBox returns a box within an image of h x w pixels, with an area of at least scale times the image's. Ten draws may fail to fit,
// as many do for long images; then it is the largest box in the centre with an allowed aspect ratio.
func randomBox(h, w int, scale float32, s *rng.Stream) box {
	low, high := math.Log(aspectLow), math.Log(aspectHigh)
	for range 10 {
		area := float64(h*w) * float64(between(scale, 1, s))
		aspect := math.Exp(low + (high-low)*float64(s.Float32()))
		bw := int(math.RoundToEven(math.Sqrt(area * aspect)))
		bh := int(math.RoundToEven(math.Sqrt(area / aspect)))
		if 0 < bw && bw <= w && 0 < bh && bh <= h {
			return box{top: s.IntN(h - bh + 1), left: s.IntN(w - bw + 1), height: bh, width: bw}
		}
	}
	bh, bw := h, w
	switch aspect := float64(w) / float64(h); {
	case aspect < aspectLow:
		bh = int(math.RoundToEven(float64(w) / aspectLow))
	case aspect > aspectHigh:
		bw = int(math.RoundToEven(float64(h) * aspectHigh))
	}
	return box{top: (h - bh) / 2, left: (w - bw) / 2, height: bh, width: bw}
}

// column says from which two elements of a row, and with what share of the second, a column of the result is interpolated.
type column struct {
	a, b int
	t    float32
}

// interpolate returns the two of n pixels that pixel i of size lies between, and the share of the second.
func interpolate(i, n, size int) (a, b int, t float32) {
	x := max(0, (float32(i)+0.5)*(float32(n)/float32(size))-0.5)
	a = min(int(x), n-1)
	return a, min(a+1, n-1), x - float32(a)
}

// resize fills dst with the part b of src, scaled to the full size.
func (g *Augmenter) resize(dst, src []float32, b box) {
	w, c := g.w, g.c
	for x := range g.columns {
		p, q, t := interpolate(x, b.width, w)
		g.columns[x] = column{(b.left + p) * c, (b.left + q) * c, t}
	}
	for y := range g.h {
		p, q, t := interpolate(y, b.height, g.h)
		above := src[(b.top+p)*w*c:][:w*c]
		below := src[(b.top+q)*w*c:][:w*c]
		out := dst[y*w*c:][:w*c]
		for x, col := range g.columns {
			for k := range c {
				u := above[col.a+k] + col.t*(above[col.b+k]-above[col.a+k])
				v := below[col.a+k] + col.t*(below[col.b+k]-below[col.a+k])
				out[x*c+k] = u + t*(v-u)
			}
		}
	}
}

// flip mirrors an image left to right in place.
func flip(image []float32, w, c int) {
	for row := image; len(row) > 0; row = row[w*c:] {
		for l, r := 0, (w-1)*c; l < r; l, r = l+c, r-c {
			for k := range c {
				row[l+k], row[r+k] = row[r+k], row[l+k]
			}
		}
	}
}
