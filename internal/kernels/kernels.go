// Package kernels holds the inner loops of the CPU engine: the gather-GEMM micro-tiles that carry convolutions and matrix
// products, their kernel gradients, and the pointwise, reduction and pooling loops that run between them.
//
// Each loop exists as portable Go, which defines it, and as AVX-512 and AVX2+FMA assembly, which the generator in the asm
// directory writes. A Set is one such family; Best picks the fastest one the machine can run. Kernels know nothing of
// graphs or images: they see slices of float32, channels last, and they trust the lengths given to them.
package kernels

import (
	"fmt"
	"strings"
)

//go:generate go -C asm run . -pkg kernels -out ../kernels_amd64.s -stubs ../stubs_amd64.go

// Set is one family of kernels. All slices are float32 and dense. In the pointwise kernels n = len(dst), the operands hold
// at least n values, and dst may be the same slice as any operand. Every result depends on the operands and their lengths
// alone: the order of summation is fixed.
//
// Lengths are the caller's promise. The portable kernels panic where it is broken; the assembly does not look.
type Set struct {
	Name string // "avx512", "avx2" or "portable"

	Conv []ConvTile // widest first, then tallest first
	Grad []GradTile // widest first

	Winograd []Winograd // largest first

	Add       func(dst, a, b []float32)                    // a + b
	Sub       func(dst, a, b []float32)                    // a - b
	Mul       func(dst, a, b []float32)                    // a * b
	MulAdd    func(dst, a, b, c []float32)                 // a*b + c
	Affine    func(dst, a []float32, scale, shift float32) // scale*a + shift
	AddScaled func(dst, a, b []float32, scale float32)     // a + scale*b
	Clamp     func(dst, a []float32, lo, hi float32)       // min(max(a, lo), hi); NaN stays NaN
	Within    func(dst, a []float32, lo, hi float32)       // 1 where lo < a < hi, else 0 (NaN gives 0)
	Exp       func(dst, a []float32)                       // e^a

	// Swish writes the order-th derivative of a*sigmoid(a). Orders 0, 1 and 2 are fast; any order >= 0 is correct.
	Swish func(dst, a []float32, order int)
	// SwishPair writes Swish of order 0 to value and of order 1 to slope, both len(value) long, for one exponential.
	// Either may be the same slice as a.
	SwishPair func(value, slope, a []float32)

	// ChannelSum adds to acc[c] the sum of x[p*C+c] over pixels p, where C = len(acc) and len(x) is a multiple of C.
	ChannelSum func(acc, x []float32)
	// ChannelDot adds to acc[c] the sum of x[p*C+c]*y[p*C+c] over pixels p.
	ChannelDot func(acc, x, y []float32)
	// NormSums is Mul, MulAdd, ChannelSum and ChannelDot at once, as the derivative of a normalisation takes them: for so many pixels of
	// C = len(sum) channels, a multiple of 16, it writes dst = a*b, and adds to sum[c] the sum of dst over the pixels, to dot[c] that of
	// dst*(x*scale[c] + shift[c]). There is at least one pixel.
	NormSums func(dst, a, b, x, scale, shift, sum, dot []float32, pixels int)
	// NormSwish and NormSwishPair are MulAdd and Swish of order 0, or SwishPair, at once: of x*scale[c] + shift[c] for pixels of
	// C = len(scale) channels, a multiple of 16. NormGrad writes a*factor[c] + (x*scale[c] + shift[c]), the derivative of a
	// normalisation. There is at least one pixel.
	NormSwish     func(value, x, scale, shift []float32)
	NormSwishPair func(value, slope, x, scale, shift []float32)
	NormGrad      func(dst, a, x, factor, scale, shift []float32)
	// Moments writes the mean over pixels of each of the C = len(mean) channels of x, and the biased variance about that
	// mean (two passes, so a large mean does not cancel the variance away).
	Moments func(mean, variance, x []float32)

	Dot             func(x, y []float32) float32 // sum of x*y over len(x) values
	SquaredDistance func(x, y []float32) float32 // sum of (x-y)^2 over len(x) values

	// GatherSum is pooling: dst[p*channels+c] = scale * sum over t < taps of x[offsets[p*taps+t]+c], for the
	// len(dst)/channels pixels p of dst. dst and x do not overlap.
	GatherSum func(dst, x []float32, offsets []int32, taps, channels int, scale float32)
	// Softmax normalises rows of the given number of columns: exp(x) / sum exp(x), the row's maximum subtracted first.
	// dst may be the same slice as x.
	Softmax func(dst, x []float32, columns int)

	// multiplyAdds runs a loop of independent fused multiply-adds and returns how many floating-point operations it did.
	multiplyAdds func(rounds int) float64
}

// ConvTile computes blocks of Rows pixels by Cols output channels of a gather-GEMM, block b of so many being
//
//	dst[(b*Rows+r)*stride+j] = bias[j] + sum_{t<taps} sum_{k<depth} x[offsets[(b*taps+t)*Rows+r]+k] * w[(t*depth+k)*Cols+j]
//
// for every r < Rows and j < Cols; a nil bias means zero. A 3x3 convolution has taps = 9 and the offsets of each pixel's
// neighbours, with a pixel of zeros somewhere in x standing for the padding; a matrix product has taps = 1. Blocks are
// always written whole (callers point dst at scratch for the edges), and nothing but the elements named is touched.
// The layout of w depends on Cols alone, so tiles of equal Cols share packed weights.
type ConvTile struct {
	Rows, Cols int
	Run        func(dst []float32, stride int, x []float32, offsets []int32, blocks, taps, depth int, w, bias []float32)
}

// GradTile accumulates one block of Rows input channels by Cols output channels of the gradient of a convolution kernel,
// for one tap:
//
//	dst[r*stride+j] += sum_{p<len(offsets)} x[offsets[p]+r] * dy[p*dyStride+j]
type GradTile struct {
	Rows, Cols int
	Run        func(dst []float32, stride int, x []float32, offsets []int32, dy []float32, dyStride int)
}

// Best returns the fastest set this machine can run.
func Best() *Set { return All()[0] }

// All returns every set this machine can run, fastest first; the last is Portable.
func All() []*Set { return append(native(), Portable()) }

// ByName returns the set of that name, or an error listing the names this machine can run.
func ByName(name string) (*Set, error) {
	var names []string
	for _, s := range All() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return nil, fmt.Errorf("kernels: no set %q on this machine; choose one of %s", name, strings.Join(names, ", "))
}
