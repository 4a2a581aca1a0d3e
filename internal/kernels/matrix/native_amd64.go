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
		pack:  vectorPack,
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

// vectors is the unit in instructions of AVX-512, or nil where there are none.
func vectors() *Unit {
	if !cpu.X86.HasAVX512F || !cpu.X86.HasAVX512DQ {
		return nil
	}
	u := &Unit{Name: "avx512", split: vectorSplit, pack: vectorPack}
	for i, multiply := range []func(dst []float32, stride int, start []float32, startStride int, a []uint16, plane, aStride int,
		blocks, segments []int32, steps int, b []uint16, rows int){avx512Product1, avx512Product2} {
		for r := range u.products[i] {
			for c := range u.products[i][r] {
				u.products[i][r][c] = func(dst []float32, stride int, start []float32, startStride int, a []uint16, plane, aStride int,
					blocks, segments []int32, steps int, b []uint16, panel int) {
					for t := range c + 1 {
						multiply(dst[t*tileSide:], stride, start[t*tileSide:], startStride, a, plane, aStride, blocks, segments, steps,
							b[t*panel:], (r+1)*tileSide)
					}
				}
			}
		}
	}
	return u
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

func vectorPack(hi, lo []uint16, rows []float32) {
	if lo == nil {
		avx512Pack1(hi, rows)
		return
	}
	avx512Pack2(hi, lo, rows)
}
