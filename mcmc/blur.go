package mcmc

// This file is Gaussian blur: convolution with
//
//	k(i) ∝ exp(-i²/2σ²), i = -r..r, Σ k = 1
//
// along rows, then along columns, the image being reflected about its border pixels (as torchvision's gaussian_blur, whose
// two-dimensional kernel is the product).

import "math"

// blur smooths an image in place with standard deviation sigma, in pixels.
func (g *Augmenter) blur(image []float32, sigma float32) {
	r := len(g.kernel) / 2
	var sum float64
	for i := range g.kernel {
		d := float64(i-r) / float64(sigma)
		k := math.Exp(-d * d / 2)
		g.kernel[i] = float32(k)
		sum += k
	}
	for i := range g.kernel {
		g.kernel[i] /= float32(sum)
	}
	line := g.w * g.c
	for y := range g.h {
		g.reflect(image[y*line:][:line])
		convolve(g.image[y*line:][:line], g.kernel, func(i int) []float32 { return g.row[i*g.c:] })
	}
	for y := range g.h {
		convolve(image[y*line:][:line], g.kernel, func(i int) []float32 {
			return g.image[reflected(y+i-r, g.h)*line:]
		})
	}
}

// reflect copies a row to g.row, with its borders.
func (g *Augmenter) reflect(row []float32) {
	r, c := len(g.kernel)/2, g.c
	copy(g.row[r*c:], row)
	for i := range r {
		copy(g.row[i*c:][:c], row[reflected(i-r, g.w)*c:])
		copy(g.row[(r+g.w+i)*c:][:c], row[reflected(g.w+i, g.w)*c:])
	}
}

// reflected returns i, or its mirror image about the end of [0,n) it lies beyond.
func reflected(i, n int) int {
	switch {
	case i < 0:
		return -i
	case i >= n:
		return 2*(n-1) - i
	}
	return i
}

// convolve sets dst to the sum of the lines, each by its weight; rounding may not carry it beyond 1.
func convolve(dst, kernel []float32, line func(i int) []float32) {
	for i, k := range kernel {
		src := line(i)[:len(dst)]
		if i == 0 {
			for j, v := range src {
				dst[j] = k * v
			}
			continue
		}
		for j, v := range src {
			dst[j] += k * v
		}
	}
	for j, v := range dst {
		dst[j] = min(v, 1)
	}
}
