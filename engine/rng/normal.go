// Standard normal numbers by inversion of the distribution function Φ, one
// 32-bit word each:
//
//	p = (2k+1)/2^33, k the low 31 bits of the word     so 0 < p < 1/2
//	|z| = -Φ⁻¹(p), the top bit of the word is the sign of z
//
// The function -Φ⁻¹ is cubic in p on each of 512 segments: every factor of two in
// p, of which there are 32, is cut into 16 equal parts, so the segments grow
// finer towards the tail as fast as the function steepens. (Lee, Cheung,
// Villasenor and Luk, "Inversion-based hardware Gaussian random number generator: a
// case study of function evaluation via hierarchical segmentation", FPT 2006.)
// There is no rejection, no branch and no call of log or sqrt. The relative error is
// at most 2.2e-7, about that of a few float32 roundings; |z| runs from 2.9e-10 to 6.34.

package rng

import (
	"math"
	"math/bits"
)

//go:generate go run gen_table.go

// normal maps a uniform word to a standard normal number.
func normal(w uint32) float32 {
	c, t := segment(w)
	return cubic(c, t, w)
}

// segment returns the cubic that serves word w and the place on its segment, t
// in (0, 2^27], counted down from the upper end: at p = 1/2 all terms vanish
// with t, which keeps the relative precision of small z.
func segment(w uint32) (c *[4]float32, t float32) {
	m := w<<1 | 1 // 2^33 p: the sign bit drops out at the top
	octave := bits.LeadingZeros32(m)
	m <<= octave // now the top bit is set, the next four choose the segment
	return &quantile[(octave<<4|int(m>>27&15))&511], float32(int32(1<<27 - m&(1<<27-1)))
}

// cubic evaluates the polynomial c at t and takes the sign from word w. The
// conversions forbid fused multiply-add, which would round differently on the
// architectures that have it.
func cubic(c *[4]float32, t float32, w uint32) float32 {
	z := float32(t*c[3]) + c[2]
	z = float32(t*z) + c[1]
	z = float32(t*z) + c[0]
	return math.Float32frombits(math.Float32bits(z) | w&(1<<31))
}

// Quantile is the table that normal numbers are made with, for engines that make the same numbers on other devices: the coefficients,
// lowest first, of each segment's cubic. It must not be changed.
func Quantile() *[512][4]float32 { return &quantile }
