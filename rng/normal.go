// Standard normal numbers by inversion of the distribution function Φ, one
// 32-bit word each:
//
//	p = (2k+1)/2^33, k the low 31 bits of the word     so 0 < p < 1/2
//	|z| = -Φ⁻¹(p), the top bit of the word is the sign of z
//
// The function -Φ⁻¹ is cubic in p on each of 512 segments: every factor of two in
// p, of which there are 32, is cut into 16 equal parts, so the segments grow
// finer towards the tail as fast as the function steepens. (Hierarchical
// segmentation, as in Lee, Cheung, Villasenor, Luk and Leong, "A hardware
// Gaussian noise generator using the Wallace/inversion method", is common in
// hardware.) There is no rejection, no branch and no call of log or sqrt. Results
// are within two units in the last place of the exact value, the smallest is
// 2.9e-10 and the largest 6.34.

package rng

import (
	"math"
	"math/bits"
)

//go:generate go run gen_table.go

// normal maps a uniform word to a standard normal number.
func normal(w uint32) float32 {
	m := w<<1 | 1 // 2^33 p: the sign bit drops out at the top
	octave := bits.LeadingZeros32(m)
	m <<= octave // now the top bit is set, the next four choose the segment
	c := &quantile[(octave<<4|int(m>>27&15))&511]
	// The place in the segment, counted down from its upper end: at p = 1/2 all
	// terms vanish with t, which keeps the relative precision of small z.
	t := float32(1<<27 - m&(1<<27-1))
	// The conversions forbid fused multiply-add, which would round differently
	// on the architectures that have it.
	z := float32(t*c[3]) + c[2]
	z = float32(t*z) + c[1]
	z = float32(t*z) + c[0]
	return signed(z, w)
}

// signed returns z with the sign bit of w; z must not be negative.
func signed(z float32, w uint32) float32 {
	return math.Float32frombits(math.Float32bits(z) | w&(1<<31))
}
