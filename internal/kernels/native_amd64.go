// The sets of x86-64, chosen by what the processor and the operating system offer.

package kernels

import "golang.org/x/sys/cpu"

// native returns the sets of assembly this machine can run, fastest first. The cpu package reports AVX-512 only where the
// operating system saves its registers.
func native() []*Set {
	var sets []*Set
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasBMI2 {
		sets = append(sets, avx512())
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		sets = append(sets, avx2())
	}
	return sets
}

func avx512() *Set {
	return &Set{
		Name: "avx512",
		Conv: []ConvTile{
			{12, 32, avx512Conv12x32},
			{8, 32, avx512Conv8x32},
			{4, 32, avx512Conv4x32},
			{12, 16, avx512Conv12x16},
			{8, 16, avx512Conv8x16},
			{4, 16, avx512Conv4x16},
		},
		Grad: []GradTile{
			{8, 32, avx512Grad8x32},
			{8, 16, avx512Grad8x16},
		},
		Winograd: []Winograd{
			{4, 16, avx512WinogradInput4, avx512WinogradOutput4, avx512WinogradWeights4, avx512WinogradOutputGrad4, avx512WinogradWeightsGrad4},
			{2, 16, avx512WinogradInput2, avx512WinogradOutput2, avx512WinogradWeights2, avx512WinogradOutputGrad2, avx512WinogradWeightsGrad2},
		},
		Add:       avx512Add,
		Sub:       avx512Sub,
		Mul:       avx512Mul,
		MulAdd:    avx512MulAdd,
		Affine:    avx512Affine,
		AddScaled: avx512AddScaled,
		Clamp:     avx512Clamp,
		Within:    avx512Within,
		Exp:       avx512Exp,
		Swish: func(dst, a []float32, order int) {
			switch order {
			case 0:
				avx512Swish0(dst, a)
			case 1:
				avx512Swish1(dst, a)
			case 2:
				avx512Swish2(dst, a)
			default:
				portableSwish(dst, a, order)
			}
		},
		SwishPair:       avx512SwishPair,
		ChannelSum:      withAVX512.channelSum,
		ChannelDot:      withAVX512.channelDot,
		NormSums:        avx512NormSums,
		NormSwish:       avx512NormSwish,
		NormSwishPair:   avx512NormSwishPair,
		NormGrad:        avx512NormGrad,
		Moments:         withAVX512.moments,
		Dot:             avx512Dot,
		SquaredDistance: avx512SquaredDistance,
		GatherSum:       avx512GatherSum,
		Softmax: func(dst, x []float32, columns int) {
			softmax(dst, x, columns, 16, avx512Maximum, avx512ExpSum, avx512Affine)
		},
		multiplyAdds: func(rounds int) float64 {
			avx512MultiplyAdds(rounds)
			return float64(rounds) * chains * 16 * 2
		},
	}
}

func avx2() *Set {
	return &Set{
		Name: "avx2",
		Conv: []ConvTile{
			{6, 16, avx2Conv6x16},
			{4, 16, avx2Conv4x16},
		},
		Grad: []GradTile{
			{4, 16, avx2Grad4x16},
		},
		Winograd: []Winograd{
			{4, 8, avx2WinogradInput4, avx2WinogradOutput4, avx2WinogradWeights4, avx2WinogradOutputGrad4, avx2WinogradWeightsGrad4},
			{2, 8, avx2WinogradInput2, avx2WinogradOutput2, avx2WinogradWeights2, avx2WinogradOutputGrad2, avx2WinogradWeightsGrad2},
		},
		Add:       avx2Add,
		Sub:       avx2Sub,
		Mul:       avx2Mul,
		MulAdd:    avx2MulAdd,
		Affine:    avx2Affine,
		AddScaled: avx2AddScaled,
		Clamp:     avx2Clamp,
		Within:    avx2Within,
		Exp:       avx2Exp,
		Swish: func(dst, a []float32, order int) {
			switch order {
			case 0:
				avx2Swish0(dst, a)
			case 1:
				avx2Swish1(dst, a)
			case 2:
				avx2Swish2(dst, a)
			default:
				portableSwish(dst, a, order)
			}
		},
		SwishPair:       avx2SwishPair,
		ChannelSum:      withAVX2.channelSum,
		ChannelDot:      withAVX2.channelDot,
		NormSums:        avx2NormSums,
		NormSwish:       avx2NormSwish,
		NormSwishPair:   avx2NormSwishPair,
		NormGrad:        avx2NormGrad,
		Moments:         withAVX2.moments,
		Dot:             avx2Dot,
		SquaredDistance: avx2SquaredDistance,
		GatherSum:       avx2GatherSum,
		Softmax: func(dst, x []float32, columns int) {
			softmax(dst, x, columns, 8, avx2Maximum, avx2ExpSum, avx2Affine)
		},
		multiplyAdds: func(rounds int) float64 {
			avx2MultiplyAdds(rounds)
			return float64(rounds) * chains * 8 * 2
		},
	}
}

// chains is the number of vectors multiplied and added in one round of the multiplyAdds kernels.
const chains = 12

// softmax composes the row kernels; the maximum wants a whole vector of columns.
func softmax(dst, x []float32, columns, lanes int, maximum func([]float32) float32,
	expSum func(dst, x []float32, shift float32) float32, affine func(dst, a []float32, scale, shift float32)) {
	if columns < lanes {
		portableSoftmax(dst, x, columns)
		return
	}
	for at := 0; at+columns <= len(dst); at += columns {
		row, from := dst[at:at+columns], x[at:at+columns]
		sum := expSum(row, from, maximum(from))
		affine(row, row, 1/sum, 0)
	}
}

func (set instructions) columns(acc, x, y, mean []float32, what quantity) {
	pixels := len(x) / len(acc)
	if pixels == 0 {
		return
	}
	switch set {
	case withAVX512:
		switch what {
		case sums:
			avx512Sums(acc, x, pixels)
		case products:
			avx512Products(acc, x, y, pixels)
		case squares:
			avx512Squares(acc, x, mean, pixels)
		}
	case withAVX2:
		switch what {
		case sums:
			avx2Sums(acc, x, pixels)
		case products:
			avx2Products(acc, x, y, pixels)
		case squares:
			avx2Squares(acc, x, mean, pixels)
		}
	default:
		portableColumns(acc, x, y, mean, what)
	}
}
