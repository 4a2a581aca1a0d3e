package expr

// Conv is the convolution with zero padding of a sample value, H×W×I, by a shared kernel, T×I×O, at stride 1: for 9 taps
//
//	y[p, o] = Σ_t Σ_i x[p + t, i]·w[t, i, o]
//
// with t over the 3×3 neighbourhood (cross-correlation, as the field calls convolution); for 1 tap a linear map of each pixel.
func Conv(x, w *Value) *Value {
	if err := Err(x, w); err != nil {
		return Invalid(err)
	}
	if t := w.shape[0]; w.kind != Shared || (t != 1 && t != 9) || x.shape[2] != w.shape[1] {
		return mistake(OpConv, "a %v value of shape %v by a %v kernel of shape %v (want H×W×I and T×I×O with T 1 or 9)", x.kind, x.shape, w.kind, w.shape)
	}
	return node(OpConv, Sample, Shape{x.shape[0], x.shape[1], w.shape[2]}, Attr{}, Spread(x), w)
}

// Flip turns a kernel by 180° and exchanges its inputs and outputs: convolution with Flip(w) is the transpose of convolution
// with w.
func Flip(w *Value) *Value {
	if err := Err(w); err != nil {
		return Invalid(err)
	}
	if w.kind != Shared {
		return mistake(OpFlip, "of a sample value")
	}
	return node(OpFlip, Shared, Shape{w.shape[0], w.shape[2], w.shape[1]}, Attr{}, w)
}

// ConvKernel is the derivative of ⟨y, Conv(x, w)⟩ with respect to a kernel w of the given taps, summed over the batch:
//
//	k[t, i, o] = Σ_images Σ_p x[p + t, i]·y[p, o]
func ConvKernel(x, y *Value, taps int) *Value {
	if err := Err(x, y); err != nil {
		return Invalid(err)
	}
	if x.shape[0] != y.shape[0] || x.shape[1] != y.shape[1] || (taps != 1 && taps != 9) {
		return mistake(OpConvKernel, "shapes %v and %v, %d taps", x.shape, y.shape, taps)
	}
	return node(OpConvKernel, Shared, Shape{taps, x.shape[2], y.shape[2]}, Attr{}, Spread(x), Spread(y))
}

func pooled(s Shape) Shape { return Shape{(s[0] + 1) / 2, (s[1] + 1) / 2, s[2]} }

// Pool is the average over 3×3 pixels at stride 2, padded by zeros that count: H×W×C to ⌈H/2⌉×⌈W/2⌉×C.
func Pool(x *Value) *Value {
	if err := Err(x); err != nil {
		return Invalid(err)
	}
	return node(OpPool, Sample, pooled(x.shape), Attr{}, Spread(x))
}

// Unpool is the transpose of Pool: it takes pooled values back to the shape to.
func Unpool(x *Value, to Shape) *Value {
	if err := Err(x); err != nil {
		return Invalid(err)
	}
	if pooled(to) != x.shape {
		return mistake(OpUnpool, "%v is not the pooled shape of %v", x.shape, to)
	}
	return node(OpUnpool, Sample, to, Attr{}, Spread(x))
}

// MatMul multiplies, image by image, H×W×C values read as matrices of H·W rows and C columns, each transposed first if asked.
func MatMul(a, b *Value, transposeA, transposeB bool) *Value {
	if err := Err(a, b); err != nil {
		return Invalid(err)
	}
	shape := Shape{a.shape[0], a.shape[1], columns(b, transposeB)}
	if transposeA {
		shape = Shape{1, a.shape[2], shape[2]}
	}
	return matMul(a, b, transposeA, transposeB, shape)
}

func rows(v *Value, transpose bool) int {
	if transpose {
		return v.shape[2]
	}
	return v.shape[0] * v.shape[1]
}

func columns(v *Value, transpose bool) int { return rows(v, !transpose) }

// matMul is MatMul with the rows of the result laid out as an image of the given shape.
func matMul(a, b *Value, ta, tb bool, shape Shape) *Value {
	if columns(a, ta) != rows(b, tb) {
		return mistake(OpMatMul, "%d columns by %d rows", columns(a, ta), rows(b, tb))
	}
	return node(OpMatMul, Sample, shape, Attr{TA: ta, TB: tb}, Spread(a), Spread(b))
}

// Slice takes channels lo to hi-1 of the last axis.
func Slice(v *Value, lo, hi int) *Value {
	if err := Err(v); err != nil {
		return Invalid(err)
	}
	if lo < 0 || hi > v.shape[2] || lo >= hi {
		return mistake(OpSlice, "channels %d to %d of %v", lo, hi, v.shape)
	}
	return unary(OpSlice, v, Shape{v.shape[0], v.shape[1], hi - lo}, Attr{N: [2]int{lo, hi}})
}

// Embed is the transpose of Slice: v becomes the channels from lo on of a value with the given number of channels, the rest zero.
func Embed(v *Value, lo, channels int) *Value {
	if err := Err(v); err != nil {
		return Invalid(err)
	}
	if lo < 0 || lo > channels-v.shape[2] {
		return mistake(OpEmbed, "%v at channel %d of %d", v.shape, lo, channels)
	}
	return unary(OpEmbed, v, Shape{v.shape[0], v.shape[1], channels}, Attr{N: [2]int{lo, channels}})
}
