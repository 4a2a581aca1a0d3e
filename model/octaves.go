package model

// This file divides a field over an image, such as a gradient, by octaves of frequency. Means of 2×2 pixels are taken again and again; octave l
// is what the l-th means have that the next have not,
//
//	v_l² = ⟨(f_l - ↑f_(l+1))²⟩,     f_0 = f,     f_(l+1) = the means of 2×2 of f_l,
//
// finest first, and the last is ⟨f²⟩ of the coarsest means: a Laplacian pyramid of boxes (Burt and Adelson, 1983). Of images whose sides are
// powers of two they add up to ⟨f²⟩. The steps of chains go by octaves as well (mcmc/drift.go).

import (
	"math"

	"github.com/joule-ebm/joule/expr"
)

// coarsest is the least shorter side of means that are divided further.
const coarsest = 4

// Octaves is the number of octaves of an image's frequencies, the coarsest means included.
func Octaves(image expr.Shape) (n int) {
	for h, w := image[0], image[1]; min(h, w) >= coarsest; h, w = (h+1)/2, (w+1)/2 {
		n++
	}
	return n + 1
}

// octaves are log v_l of a field of the image's shape. What is 0 counts as the smallest that a float32 can hold.
func octaves(field []float32, image expr.Shape) (logs []float64) {
	h, w, c := image[0], image[1], image[2]
	f := make([]float64, len(field))
	for i, v := range field {
		f[i] = float64(v)
	}
	add := func(squares float64) {
		logs = append(logs, math.Log(max(math.Sqrt(squares/float64(len(f))), math.SmallestNonzeroFloat32)))
	}
	for range Octaves(image) - 1 {
		means, mh, mw := halved(f, h, w, c)
		squares := 0.0
		for i, v := range f {
			y, x, k := i/(w*c), i/c%w, i%c
			d := v - means[(y/2*mw+x/2)*c+k]
			squares += d * d
		}
		add(squares)
		f, h, w = means, mh, mw
	}
	squares := 0.0
	for _, v := range f {
		squares += v * v
	}
	add(squares)
	return logs
}

// halved are the means of 2×2 pixels, at an odd edge of those there are.
func halved(f []float64, h, w, c int) (means []float64, mh, mw int) {
	mh, mw = (h+1)/2, (w+1)/2
	means = make([]float64, mh*mw*c)
	for i, v := range f {
		y, x, k := i/(w*c), i/c%w, i%c
		of := (min(h, y&^1+2) - y&^1) * (min(w, x&^1+2) - x&^1)
		means[(y/2*mw+x/2)*c+k] += v / float64(of)
	}
	return means, mh, mw
}
