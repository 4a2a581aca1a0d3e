//go:build xla

package xla

// This file writes linear maps over pixels. Each takes a form that GPUs have fast kernels for, without grouped or dilated convolutions:
//
//   - Conv is a convolution with the channels last, as they lie in memory;
//   - Conv by a flipped kernel, the gradient by the image, is the same convolution on a kernel that is turned round and transposed
//     first, once for all steps of a chain;
//   - ConvKernel, the gradient by the kernel, is a convolution of the images by the gradients, images taking the place of channels:
//     k[t, i, o] = Σ_n Σ_p x[n, p + t, i]·y[n, p, o]. XLA knows this form as a kernel's gradient and calls the library routine for it.
//     On XLA's CPU plugin it took a half to three quarters of the time of nine matrix products, one for each tap;
//   - Pool and Unpool are sums of strided slices, which XLA fuses with what is around them.

import (
	"slices"

	"github.com/joule-ebm/joule/engine/xla/stablehlo"
	"github.com/joule-ebm/joule/expr"
)

func conv(l *lowering, v *expr.Value, in []tensor) tensor {
	s := v.In()[1].Shape()
	return l.product(in[0], in[1], func(x, w tensor, p stablehlo.Precision) tensor {
		if s[0] == 1 {
			return l.Dot(x, l.Reshape(w, s[1], s[2]), stablehlo.Axes{OverA: []int{3}, OverB: []int{0}}, p)
		}
		return l.convolution(x, l.Reshape(w, 3, 3, s[1], s[2]), "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]", p, l.dims(v)...)
	})
}

func flip(l *lowering, _ *expr.Value, in []tensor) tensor {
	return l.Transpose(l.Reverse(in[0], 0), 0, 2, 1)
}

func convKernel(l *lowering, v *expr.Value, in []tensor) tensor {
	s := v.Shape()
	return l.overDevices(l.product(in[0], l.present(in[1]), func(x, y tensor, p stablehlo.Precision) tensor {
		if s[0] == 1 {
			over := []int{0, 1, 2}
			return l.Reshape(l.Dot(x, y, stablehlo.Axes{OverA: over, OverB: over}, p), s[:]...)
		}
		return l.Reshape(l.convolution(x, y, "[f, 0, 1, b]x[i, 0, 1, o]->[0, 1, b, f]", p, 3, 3, s[1], s[2]), s[:]...)
	}))
}

// pool is, along each axis, the sum of the pixels before, at and behind each even one.
func pool(l *lowering, v *expr.Value, in []tensor) tensor {
	y := in[0]
	for axis := 1; axis <= 2; axis++ {
		n := v.Shape()[axis-1]
		padded := l.PadAxis(y, axis, 1, 2*n-y.Dims[axis])
		part := func(t int) tensor { return l.SliceAxis(padded, axis, t, t+2*n-1, 2) }
		y = l.Same("add", l.Same("add", part(0), part(1)), part(2))
	}
	return l.Same("multiply", y, l.Like(y, 1.0/9))
}

// unpool is its transpose: along each axis an even pixel lies in one window, and an odd one in two, which it is the sum of.
func unpool(l *lowering, v *expr.Value, in []tensor) tensor {
	y := l.Same("multiply", in[0], l.Like(in[0], 1.0/9))
	for axis := 1; axis <= 2; axis++ {
		n := y.Dims[axis]
		next := l.Like(y, 0)
		if n > 1 {
			next = l.PadAxis(l.SliceAxis(y, axis, 1, n, 1), axis, 0, 1)
		}
		apart := slices.Insert(slices.Clone(y.Dims), axis+1, 1)
		pairs := l.Concatenate(axis+1, l.Reshape(y, apart...), l.Reshape(l.Same("add", y, next), apart...))
		together := slices.Clone(y.Dims)
		together[axis] = 2 * n
		y = l.SliceAxis(l.Reshape(pairs, together...), axis, 0, v.Shape()[axis-1], 1)
	}
	return y
}

func matMul(l *lowering, v *expr.Value, in []tensor) tensor {
	matrix := func(t tensor) tensor { return l.Reshape(t, t.Dims[0], t.Dims[1]*t.Dims[2], t.Dims[3]) }
	x := stablehlo.Axes{BatchA: []int{0}, BatchB: []int{0}, OverA: []int{2}, OverB: []int{1}}
	if v.Attr().TA {
		x.OverA = []int{1}
	}
	if v.Attr().TB {
		x.OverB = []int{2}
	}
	return l.Reshape(l.Dot(matrix(in[0]), matrix(in[1]), x, stablehlo.Highest), l.dims(v)...)
}

// flops are the floating-point operations of v for an image, as a direct computation would do them.
func flops(v *expr.Value) float64 {
	size := float64(v.Shape().Size())
	switch v.Op() {
	case expr.OpConv:
		w := v.In()[1].Shape()
		return 2 * size * float64(w[0]*w[1])
	case expr.OpConvKernel:
		x := v.In()[0].Shape()
		return 2 * size * float64(x[0]*x[1])
	case expr.OpMatMul:
		a := v.In()[0].Shape()
		if v.Attr().TA {
			return 2 * size * float64(a[0]*a[1])
		}
		return 2 * size * float64(a[2])
	}
	return 0
}
