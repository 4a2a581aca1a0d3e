package dataset

// Dequantisation: 8-bit images become points of [0, 1) with a density, x = (u + U(0,1)) / 256, or, where there should be no chance,
// the middles x = (u + ½) / 256 of the intervals that bytes stand for.
// Source: Uria, Murray, Larochelle, "RNADE", NIPS 2013; Theis, van den Oord, Bethge, "A note on the evaluation of
// generative models", ICLR 2016.

import "github.com/joule-ebm/joule/engine/rng"

// Dequantise writes (u + U(0,1))/256 for every pixel u, drawing from s in order. dst and pixels have equal lengths.
//
// The uniform is a multiple of 2^-16, so that u + U is exact in float32: rounding never carries a value into the next
// level, x stays below 1, and floor(256 x) is always u again.
func Dequantise(dst []float32, pixels []uint8, s *rng.Stream) {
	s.FillUniform(dst)
	for i, u := range pixels {
		dst[i] = (float32(u) + float32(int32(dst[i]*65536))/65536) / 256
	}
}

// Intensities gives the values (u + ½)/256 of pixels, in [0, 1).
func Intensities(pixels []uint8) []float32 {
	x := make([]float32, len(pixels))
	for i, u := range pixels {
		x[i] = (float32(u) + 0.5) / 256
	}
	return x
}
