package matrix

import "math"

// This file writes float32 numbers as sums of bf16 numbers: the upper half of a float32's bits.

// bf16 rounds to the nearest bf16 number, ties to even. What is not a number stays so; numbers above 3.39·10³⁸ become infinite.
func bf16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// split is x as hi + lo, off by at most 2⁻¹⁷ of |x| where lo is a normal number. An infinity is not a number any more: its lo
// part is none.
func split(x float32) (hi, lo uint16) {
	hi = bf16(x)
	return hi, bf16(x - math.Float32frombits(uint32(hi)<<16))
}

func portablePack(hi, lo []uint16, rows []float32) {
	for i, v := range rows[:tileWords] {
		k, j := i/tileSide, i%tileSide
		at := k/2*2*tileSide + 2*j + k%2
		h, l := split(v)
		if hi[at] = h; lo != nil {
			lo[at] = l
		}
	}
}

func portableSplit(hi, lo []uint16, x []float32) {
	hi = hi[:len(x)]
	if lo == nil {
		for i, v := range x {
			hi[i] = bf16(v)
		}
		return
	}
	lo = lo[:len(x)]
	for i, v := range x {
		hi[i], lo[i] = split(v)
	}
}
