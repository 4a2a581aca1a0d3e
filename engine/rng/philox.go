// Philox4x32-10: a block of four words from a counter and a key by ten rounds of
// multiplication, exclusive or and a swap of words, the key stepping by a Weyl
// sequence between rounds.
//
// Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1,
// 2, 3" (SC 2011); the constants are theirs.

package rng

const (
	multiplier0, multiplier1 = 0xD2511F53, 0xCD9E8D57
	step0, step1             = 0x9E3779B9, 0xBB67AE85 // golden ratio, √3 - 1
)

// philox returns the block of random words at counter c under key k. Scalars
// stay in registers where arrays would not, and the compiler unrolls no loops.
func philox(c0, c1, c2, c3, k0, k1 uint32) (uint32, uint32, uint32, uint32) {
	c0, c1, c2, c3 = round(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+step0, k1+step1
	c0, c1, c2, c3 = round(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+step0, k1+step1
	c0, c1, c2, c3 = round(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+step0, k1+step1
	c0, c1, c2, c3 = round(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+step0, k1+step1
	c0, c1, c2, c3 = round(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+step0, k1+step1
	c0, c1, c2, c3 = round(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+step0, k1+step1
	c0, c1, c2, c3 = round(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+step0, k1+step1
	c0, c1, c2, c3 = round(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+step0, k1+step1
	c0, c1, c2, c3 = round(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+step0, k1+step1
	return round(c0, c1, c2, c3, k0, k1)
}

func round(c0, c1, c2, c3, k0, k1 uint32) (uint32, uint32, uint32, uint32) {
	p0 := uint64(c0) * multiplier0
	p1 := uint64(c2) * multiplier1
	return uint32(p1>>32) ^ c1 ^ k0, uint32(p1), uint32(p0>>32) ^ c3 ^ k1, uint32(p0)
}
