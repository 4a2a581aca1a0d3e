// Package rng gives reproducible random numbers to many workers at once.
//
// A [Stream] is named by a seed and a path of integers, such as (seed, chain,
// step), and needs no state shared with any other stream: the i-th number of a
// stream is a function of its name and i alone. So a computation draws the same
// numbers whatever the number of threads, and a resumed one the same as one that
// was never stopped. The numbers are the same on every architecture.
package rng

import "math/bits"

// Stream is a counter-based (Philox4x32-10) random stream; a value, copyable.
// A copy continues from the same place, giving the same numbers as the original.
// It must not be used from two goroutines at once. Use [New] to make one; the
// zero value works, but is the same stream everywhere.
type Stream struct {
	key0, key1   uint32    // with name, identifies the stream: 128 bits hashed from seed and path
	name0, name1 uint32    // the high counter words
	next         uint64    // the low counter words: the next block of four words
	block        [4]uint32 // the last block made
	left         uint32    // words of block not yet handed out, the last ones
}

// New returns the stream named by seed and path. Streams with different names
// are independent; New(1, 2), New(1, 2, 0) and New(2, 1) are all different.
func New(seed uint64, path ...uint64) Stream {
	// The name is hashed by Philox itself, one element a call. For a given
	// state each call is a bijection of the counter, so siblings never collide,
	// and unrelated paths collide with probability 2^-128.
	k0, k1, n0, n1 := philox(uint32(seed), uint32(seed>>32), 0, 0, hashKey0, hashKey1)
	for _, p := range path {
		k0, k1, n0, n1 = philox(uint32(p), uint32(p>>32), n0, n1, k0^hashKey0, k1^hashKey1)
	}
	return Stream{key0: k0, key1: k1, name0: n0, name1: n1}
}

// Arbitrary words (from the fraction of the square roots of 2 and 3) that keep
// the hashing of names apart from the streams' own use of Philox: without them
// the name of a child would be a block of its parent's numbers.
const (
	hashKey0 = 0x6A09E667
	hashKey1 = 0xBB67AE85
)

// nextBlock makes the next four words.
func (s *Stream) nextBlock() (uint32, uint32, uint32, uint32) {
	n := s.next
	s.next++
	return philox(uint32(n), uint32(n>>32), s.name0, s.name1, s.key0, s.key1)
}

// Uint32 returns 32 random bits.
func (s *Stream) Uint32() uint32 {
	if s.left == 0 {
		b := &s.block
		b[0], b[1], b[2], b[3] = s.nextBlock()
		s.left = 4
	}
	w := s.block[(4-s.left)&3]
	s.left--
	return w
}

// Uint64 returns 64 random bits: two words of the stream, the low one first.
func (s *Stream) Uint64() uint64 {
	lo := s.Uint32()
	return uint64(s.Uint32())<<32 | uint64(lo)
}

// Float32 returns a uniform number in [0,1), a multiple of 2^-24.
func (s *Stream) Float32() float32 { return uniform(s.Uint32()) }

// uniform keeps the top 24 bits: as many as a float32 holds, so that rounding
// can never give 1.
func uniform(w uint32) float32 { return float32(w>>8) * (1.0 / (1 << 24)) }

// Normal returns a standard normal number, N(0,1), accurate to float32
// precision. It uses one word of the stream; see normal.go.
func (s *Stream) Normal() float32 { return normal(s.Uint32()) }

// IntN returns a uniform integer in [0,n), without bias. For n < 2 it returns 0.
func (s *Stream) IntN(n int) int {
	// Lemire, "Fast random integer generation in an interval" (2019): scale a
	// word by n and reject the few low parts that some results would have once
	// more than others.
	switch {
	case n < 2:
		return 0
	case uint64(n) <= 1<<32-1:
		m := uint64(s.Uint32()) * uint64(n)
		if uint32(m) < uint32(n) {
			for reject := -uint32(n) % uint32(n); uint32(m) < reject; {
				m = uint64(s.Uint32()) * uint64(n)
			}
		}
		return int(m >> 32)
	default:
		hi, lo := bits.Mul64(s.Uint64(), uint64(n))
		if lo < uint64(n) {
			for reject := -uint64(n) % uint64(n); lo < reject; {
				hi, lo = bits.Mul64(s.Uint64(), uint64(n))
			}
		}
		return int(hi)
	}
}

// FillNormal sets every element of dst to a standard normal number: the same as
// len(dst) calls of [Stream.Normal], but faster.
func (s *Stream) FillNormal(dst []float32) {
	for len(dst) > 0 && s.left > 0 {
		dst[0] = s.Normal()
		dst = dst[1:]
	}
	for len(dst) >= 4 {
		w0, w1, w2, w3 := s.nextBlock()
		dst[0] = normal(w0)
		dst[1] = normal(w1)
		dst[2] = normal(w2)
		dst[3] = normal(w3)
		dst = dst[4:]
	}
	for i := range dst {
		dst[i] = s.Normal()
	}
}

// FillUniform sets every element of dst to a uniform number in [0,1): the same
// as len(dst) calls of [Stream.Float32], but faster.
func (s *Stream) FillUniform(dst []float32) {
	for len(dst) > 0 && s.left > 0 {
		dst[0] = s.Float32()
		dst = dst[1:]
	}
	for len(dst) >= 4 {
		w0, w1, w2, w3 := s.nextBlock()
		dst[0] = uniform(w0)
		dst[1] = uniform(w1)
		dst[2] = uniform(w2)
		dst[3] = uniform(w3)
		dst = dst[4:]
	}
	for i := range dst {
		dst[i] = s.Float32()
	}
}
