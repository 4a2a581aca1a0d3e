package dataset

// The order of training: an endless sequence of epochs, each a permutation of the set, where the n-th image drawn is a
// function of (seed, n) alone. A run that resumes at step n needs no saved state, and nothing of size N is kept.
//
// The permutation of an epoch is a Feistel network on the smallest number of bits that can hold an index: swap
// (l, r) -> (r, l xor F(r)) a few times, a bijection whatever F is. Results beyond the set are sent round again ("cycle
// walking"), which keeps it a bijection on [0, N) and costs fewer than two passes on average.
// Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002.

import (
	"math/bits"

	"github.com/joule-ebm/joule/engine/rng"
)

// feistelRounds is even, so that unequal halves end where they began, and well past the four that make a Feistel
// network pseudorandom, because the halves here are small.
const feistelRounds = 8

// orderPath keeps the order's random numbers apart from every other use of the same seed.
const orderPath = 0x6f72646572 // "order"

// At is the index of the n-th image drawn, n counting from 0 across epochs. Draws kN to (k+1)N-1 are epoch k and visit
// each of the N images once. It panics on an empty set.
func (s *Set) At(seed, n uint64) int {
	size := uint64(s.Len())
	epoch, x := n/size, n%size
	width := bits.Len64(size - 1)
	for {
		x = feistel(x, width, seed, epoch)
		if x < size {
			return int(x)
		}
	}
}

// Draw copies the first n images in [Set.At]'s order into a set of their own: n different ones chosen by seed, of n up to the length.
func (s *Set) Draw(n int, seed uint64) *Set {
	chosen := make([]int, n)
	for i := range chosen {
		chosen[i] = s.At(seed, uint64(i))
	}
	return s.Subset(chosen)
}

// AtMost is the set itself, unless it has more than n images: then n of them, as Draw chooses them. An n of 0 takes all.
func (s *Set) AtMost(n int, seed uint64) *Set {
	if n <= 0 || n >= s.Len() {
		return s
	}
	return s.Draw(n, seed)
}

// feistel permutes the numbers of the given width in bits.
func feistel(x uint64, width int, seed, epoch uint64) uint64 {
	low, high := width/2, width-width/2
	l, r := x>>low, x&(1<<low-1)
	for round := range uint64(feistelRounds) {
		stream := rng.New(seed, orderPath, epoch, round, r)
		l, r = r, l^stream.Uint64()&(1<<high-1)
		low, high = high, low
	}
	return l<<low | r
}
