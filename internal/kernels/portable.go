// The portable kernels, pointwise and over rows: the definition the assembly is tested against, and what runs on machines
// without assembly. Exponentials are taken in float64 and rounded once.

package kernels

import "math"

// Portable returns the kernels in plain Go, which run everywhere.
func Portable() *Set {
	return &Set{
		Name:            "portable",
		Conv:            []ConvTile{{portableRows, portableCols, portableConv}},
		Grad:            []GradTile{{portableRows, portableCols, portableGrad}},
		Winograd:        []Winograd{portableWinograd(4), portableWinograd(2)},
		Add:             portableAdd,
		Sub:             portableSub,
		Mul:             portableMul,
		MulAdd:          portableMulAdd,
		Affine:          portableAffine,
		AddScaled:       portableAddScaled,
		Clamp:           portableClamp,
		Within:          portableWithin,
		Exp:             portableExp,
		Swish:           portableSwish,
		SwishPair:       portableSwishPair,
		ChannelSum:      plainGo.channelSum,
		ChannelDot:      plainGo.channelDot,
		NormSums:        portableNormSums,
		NormSwish:       portableNormSwish,
		NormSwishPair:   portableNormSwishPair,
		NormGrad:        portableNormGrad,
		Moments:         plainGo.moments,
		Dot:             portableDot,
		SquaredDistance: portableSquaredDistance,
		GatherSum:       portableGatherSum,
		Softmax:         portableSoftmax,
		multiplyAdds:    portableMultiplyAdds,
	}
}

func portableAdd(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func portableSub(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

func portableMul(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func portableMulAdd(dst, a, b, c []float32) {
	a, b, c = a[:len(dst)], b[:len(dst)], c[:len(dst)]
	for i := range dst {
		dst[i] = a[i]*b[i] + c[i]
	}
}

func portableAffine(dst, a []float32, scale, shift float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = scale*a[i] + shift
	}
}

func portableAddScaled(dst, a, b []float32, scale float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + scale*b[i]
	}
}

func portableClamp(dst, a []float32, lo, hi float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = min(max(a[i], lo), hi)
	}
}

func portableWithin(dst, a []float32, lo, hi float32) {
	a = a[:len(dst)]
	for i := range dst {
		var inside float32
		if lo < a[i] && a[i] < hi {
			inside = 1
		}
		dst[i] = inside
	}
}

func portableExp(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = float32(math.Exp(float64(a[i])))
	}
}

func portableDot(x, y []float32) float32 {
	y = y[:len(x)]
	var sum [4]float32 // four chains, so that additions overlap
	for len(x) >= 4 && len(y) >= 4 {
		sum[0] += x[0] * y[0]
		sum[1] += x[1] * y[1]
		sum[2] += x[2] * y[2]
		sum[3] += x[3] * y[3]
		x, y = x[4:], y[4:]
	}
	for i := range x {
		sum[0] += x[i] * y[i]
	}
	return (sum[0] + sum[1]) + (sum[2] + sum[3])
}

func portableSquaredDistance(x, y []float32) float32 {
	y = y[:len(x)]
	var sum [4]float32
	for len(x) >= 4 && len(y) >= 4 {
		d0, d1, d2, d3 := x[0]-y[0], x[1]-y[1], x[2]-y[2], x[3]-y[3]
		sum[0] += d0 * d0
		sum[1] += d1 * d1
		sum[2] += d2 * d2
		sum[3] += d3 * d3
		x, y = x[4:], y[4:]
	}
	for i := range x {
		d := x[i] - y[i]
		sum[0] += d * d
	}
	return (sum[0] + sum[1]) + (sum[2] + sum[3])
}

func portableGatherSum(dst, x []float32, offsets []int32, taps, channels int, scale float32) {
	for len(dst) > 0 {
		pixel := dst[:channels]
		clear(pixel)
		for _, offset := range offsets[:taps] {
			from := x[offset:][:len(pixel)]
			for c := range pixel {
				pixel[c] += from[c]
			}
		}
		for c := range pixel {
			pixel[c] *= scale
		}
		dst, offsets = dst[channels:], offsets[taps:]
	}
}

func portableSoftmax(dst, x []float32, columns int) {
	for at := 0; at+columns <= len(dst); at += columns {
		row, from := dst[at:at+columns], x[at:at+columns]
		peak := float32(math.Inf(-1))
		for _, v := range from {
			peak = max(peak, v)
		}
		var sum float64
		for i, v := range from {
			e := math.Exp(float64(v - peak))
			row[i] = float32(e)
			sum += e
		}
		portableAffine(row, row, float32(1/sum), 0)
	}
}

// portableMultiplyAdds keeps eight scalar chains going; the values stay finite, at the fixed point of s = s/2 + 1.
func portableMultiplyAdds(rounds int) float64 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	half, one := float32(0.5), float32(1)
	for range rounds {
		s0, s1, s2, s3 = s0*half+one, s1*half+one, s2*half+one, s3*half+one
		s4, s5, s6, s7 = s4*half+one, s5*half+one, s6*half+one, s7*half+one
	}
	if s0+s1+s2+s3+s4+s5+s6+s7 < 0 { // never: the result has a use, so the loop is not dead code
		return 0
	}
	return float64(rounds) * 8 * 2
}
