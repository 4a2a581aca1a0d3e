package onnx

// This file writes linear maps over pixels.

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

func conv(l *lowering, v *expr.Value) string {
	w := v.In()[1]
	return l.node("Conv", convolution(w.Shape()[0]), l.in(v, 0), l.kernel(w))
}

// convolution are the attributes of one with so many taps, with zeros outside the image.
func convolution(taps int) attributes {
	if taps == 1 {
		return attributes{"kernel_shape": []int64{1, 1}}
	}
	return attributes{"kernel_shape": []int64{3, 3}, "pads": []int64{1, 1, 1, 1}}
}

// kernel is a kernel as ONNX has it, [O,I,3,3] or [O,I,1,1]. One that is flipped, for the gradient by the image, is made of the other in the
// graph, so that no weight is in the file twice; runtimes do that once, when they read the file.
func (l *lowering) kernel(w *expr.Value) string {
	w = l.first[w]
	s := w.Shape()
	if w.Op() == expr.OpFlip {
		t := l.node("Transpose", attributes{"perm": []int64{1, 0, 2, 3}}, l.kernel(w.In()[0]))
		if s[0] == 1 {
			return t
		}
		from, to := l.integers(-1, -1), l.integers(-4, -4) // of three taps, the last to the first
		return l.node("Slice", nil, t, from, to, l.integers(2, 3), l.integers(-1, -1))
	}
	return l.once(fmt.Sprintf("kernel %p", w), func() string {
		side := int64(1)
		if s[0] == 9 {
			side = 3
		}
		values := make([]float32, 0, s.Size())
		for o := range s[2] {
			for i := range s[1] {
				for t := range s[0] {
					values = append(values, l.shared[w][(t*s[1]+i)*s[2]+o])
				}
			}
		}
		return l.constant(tensor(l.sharedName(w, "kernel"), []int64{int64(s[2]), int64(s[1]), side, side}, values))
	})
}

// window are the attributes of pooling: 3×3 pixels at stride 2.
func window() attributes {
	return attributes{"kernel_shape": []int64{3, 3}, "strides": []int64{2, 2}, "pads": []int64{1, 1, 1, 1}}
}

func pool(l *lowering, v *expr.Value) string {
	with := window()
	with["count_include_pad"] = int64(1)
	return l.node("AveragePool", with, l.in(v, 0))
}

// unpool is the transpose of pool: each pixel goes, a ninth of it, to the nine it was the mean of. The channels take the place of images,
// since all have one kernel.
func unpool(l *lowering, v *expr.Value) string {
	from, to := v.In()[0].Shape(), v.Shape()
	with := window()
	with["output_padding"] = []int64{int64(to[0] + 1 - 2*from[0]), int64(to[1] + 1 - 2*from[1])}
	ninths := make([]float32, 9)
	for i := range ninths {
		ninths[i] = 1. / 9
	}
	kernel := l.once("ninths", func() string { return l.constant(tensor(l.newName("ninths"), []int64{1, 1, 3, 3}, ninths)) })
	planes := l.node("Reshape", nil, l.in(v, 0), l.integers(-1, 1, int64(from[0]), int64(from[1])))
	return l.node("Reshape", nil, l.node("ConvTranspose", with, planes, kernel), l.integers(dims(-1, to)...))
}

// matMul multiplies matrices of a row for each pixel and a column for each channel. With the channels first they lie there transposed, and
// so the product is taken the other way round: (AB)ᵀ = BᵀAᵀ.
func matMul(l *lowering, v *expr.Value) string {
	matrix := func(i int, transpose bool) string {
		s := v.In()[i].Shape()
		m := l.node("Reshape", nil, l.in(v, i), l.integers(0, int64(s[2]), int64(s[0]*s[1])))
		if transpose {
			m = l.node("Transpose", attributes{"perm": []int64{0, 2, 1}}, m)
		}
		return m
	}
	product := l.node("MatMul", nil, matrix(1, v.Attr().TB), matrix(0, v.Attr().TA))
	return l.node("Reshape", nil, product, l.integers(dims(0, v.Shape())...))
}
