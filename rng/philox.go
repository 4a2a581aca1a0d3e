// Philox4x32-10: a block of four words from a counter and a key by ten rounds of
// multiplication, exclusive or and a swap of words, the key stepping by a Weyl
// sequence between rounds.
//
// Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1,
// 2, 3" (SC 2011); the constants are theirs.

package rng

// philox returns the block of random words at counter c under key k.
func philox(c [4]uint32, k [2]uint32) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57 // multipliers
		w0, w1 = 0x9E3779B9, 0xBB67AE85 // key steps: the golden ratio, the square root of 3 less 1
	)
	c0, c1, c2, c3 := c[0], c[1], c[2], c[3]
	k0, k1 := k[0], k[1]
	for range 10 {
		p0 := uint64(c0) * m0
		p1 := uint64(c2) * m1
		c0, c1, c2, c3 = uint32(p1>>32)^c1^k0, uint32(p1), uint32(p0>>32)^c3^k1, uint32(p0)
		k0 += w0
		k1 += w1
	}
	return [4]uint32{c0, c1, c2, c3}
}
