package matrix

import (
	"golang.org/x/sys/cpu"
)

// native is the matrix unit of this processor, or nil. The operating system has to agree to its use: the tiles are a large state
// that it saves when it takes a thread off its core.
func native() *Unit {
	x := &cpu.X86
	if x.HasAMXTile && x.HasAMXBF16 && x.HasAVX512F && x.HasAVX512DQ && tilesPermitted() {
		return assembly()
	}
	return nil
}

// assembly is the unit in instructions of AMX and AVX-512. Each product takes the tiles for itself and gives them back, in one
// function, within which the scheduler cannot move the goroutine to another thread.
func assembly() *Unit {
	return &Unit{
		Name:  "amx",
		split: vectorSplit,
		products: [2][2][2]product{
			{{amxProduct1x16x16, amxProduct1x16x32}, {amxProduct1x32x16, amxProduct1x32x32}},
			{{amxProduct2x16x16, amxProduct2x16x32}, {amxProduct2x32x16, amxProduct2x32x32}},
		},
		multiplyAdds: func(rounds int) float64 {
			amxProducts(rounds)
			return float64(rounds) * 4 * 2 * tileSide * tileSide * stepDepth
		},
	}
}

// vectorSplit is portableSplit in vectors of sixteen numbers.
func vectorSplit(hi, lo []uint16, x []float32) {
	n := len(x) &^ 15
	if lo == nil {
		avx512Round(hi, x[:n])
		portableSplit(hi[n:], nil, x[n:])
		return
	}
	avx512Split(hi, lo, x[:n])
	portableSplit(hi[n:], lo[n:], x[n:])
}
