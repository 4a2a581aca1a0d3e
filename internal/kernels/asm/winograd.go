package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// winograd writes the transforms around the products of F(m×m, 3×3), whose matrices winograd.go of the package gives. A
// two-dimensional transform is a one-dimensional one of every column, spilled to the stack, and then of every row.
type winograd struct {
	simd
	m int
}

func (w winograd) side() int { return w.m + 2 }

// line transforms a row or a column.
type line func(in []VecVirtual) (out []VecVirtual)

func (w winograd) kernels() {
	w.gather("Input", w.side(), w.inputLine)
	w.output()
	w.weights()
	w.gather("OutputGrad", w.m, w.outputGradLine)
	w.weightsGrad()
}

func (w winograd) begin(name, signature string) {
	// Not NOSPLIT: what is spilled on the stack is too large for that.
	TEXT(fmt.Sprintf("%vWinograd%s%d", w.simd, name, w.m), 0, signature)
	Pragma("noescape")
}

// spilled is memory on the stack for rows×columns vectors between two passes, aligned so that none lies across two cache lines.
func (w winograd) spilled(rows, columns int) func(row, column int) Mem {
	local, base := AllocLocal((rows*columns+1)*w.bytes()), GP64()
	LEAQ(local.Offset(w.bytes()), base)
	ANDQ(I8(-w.bytes()), base)
	return func(row, column int) Mem { return Mem{Base: base, Disp: (row*columns + column) * w.bytes()} }
}

func (w winograd) combine(instruction func(ops ...Op), a, b VecVirtual) VecVirtual {
	v := w.vector()
	instruction(b, a, v)
	return v
}

func (w winograd) add(a, b VecVirtual) VecVirtual { return w.combine(VADDPS, a, b) }
func (w winograd) sub(a, b VecVirtual) VecVirtual { return w.combine(VSUBPS, a, b) } // a - b

// addScaled is a + c·b.
func (w winograd) addScaled(a VecVirtual, c Op, b VecVirtual) VecVirtual {
	v := w.vector()
	VMOVAPS(a, v)
	VFMADD231PS(c, b, v)
	return v
}

// subScaled is a - c·b.
func (w winograd) subScaled(a VecVirtual, c Op, b VecVirtual) VecVirtual {
	v := w.vector()
	VMOVAPS(a, v)
	VFNMADD231PS(c, b, v)
	return v
}

func (w winograd) scale(c Op, a VecVirtual) VecVirtual {
	v := w.vector()
	VMULPS(c, a, v)
	return v
}

// The points of F(4×4): 0, ±near, ±far and ∞.
const (
	near, far   = 0.625, 1.5
	near2, far2 = near * near, far * far
)

// inputLine is Bᵀd.
func (w winograd) inputLine() line {
	if w.m == 2 {
		return func(d []VecVirtual) []VecVirtual {
			return []VecVirtual{w.sub(d[0], d[2]), w.add(d[1], d[2]), w.sub(d[2], d[1]), w.sub(d[1], d[3])}
		}
	}
	product, sum := w.constant(near2*far2), w.constant(near2+far2)
	a, b, a2, b2 := w.constant(near), w.constant(far), w.constant(near2), w.constant(far2)
	return func(d []VecVirtual) []VecVirtual {
		evenA, oddA := w.subScaled(d[4], b2, d[2]), w.subScaled(d[3], b2, d[1])
		evenB, oddB := w.subScaled(d[4], a2, d[2]), w.subScaled(d[3], a2, d[1])
		return []VecVirtual{
			w.addScaled(w.subScaled(d[4], sum, d[2]), product, d[0]),
			w.addScaled(evenA, a, oddA),
			w.subScaled(evenA, a, oddA),
			w.addScaled(evenB, b, oddB),
			w.subScaled(evenB, b, oddB),
			w.addScaled(w.subScaled(d[5], sum, d[3]), product, d[1]),
		}
	}
}

// outputLine is Aᵀm.
func (w winograd) outputLine() line {
	if w.m == 2 {
		return func(m []VecVirtual) []VecVirtual {
			return []VecVirtual{w.add(w.add(m[0], m[1]), m[2]), w.sub(w.sub(m[1], m[2]), m[3])}
		}
	}
	a, a2, a3 := w.constant(near), w.constant(near2), w.constant(near2*near)
	b, b2, b3 := w.constant(far), w.constant(far2), w.constant(far2*far)
	return func(m []VecVirtual) []VecVirtual {
		evenA, oddA := w.add(m[1], m[2]), w.sub(m[1], m[2])
		evenB, oddB := w.add(m[3], m[4]), w.sub(m[3], m[4])
		return []VecVirtual{
			w.add(w.add(m[0], evenA), evenB),
			w.addScaled(w.scale(a, oddA), b, oddB),
			w.addScaled(w.scale(a2, evenA), b2, evenB),
			w.addScaled(w.addScaled(m[5], a3, oddA), b3, oddB),
		}
	}
}

// outputGradLine is A·y.
func (w winograd) outputGradLine() line {
	if w.m == 2 {
		return func(y []VecVirtual) []VecVirtual {
			return []VecVirtual{y[0], w.add(y[0], y[1]), w.sub(y[0], y[1]), w.sub(w.zero(), y[1])}
		}
	}
	a, a2, a3 := w.constant(near), w.constant(near2), w.constant(near2*near)
	b, b2, b3 := w.constant(far), w.constant(far2), w.constant(far2*far)
	return func(y []VecVirtual) []VecVirtual {
		evenA, oddA := w.addScaled(y[0], a2, y[2]), w.addScaled(w.scale(a, y[1]), a3, y[3])
		evenB, oddB := w.addScaled(y[0], b2, y[2]), w.addScaled(w.scale(b, y[1]), b3, y[3])
		return []VecVirtual{y[0], w.add(evenA, oddA), w.sub(evenA, oddA), w.add(evenB, oddB), w.sub(evenB, oddB), y[3]}
	}
}

// The scales of G for F(4×4).
const nearScale, farScale = 1 / (2 * near2 * (near2 - far2)), 1 / (2 * far2 * (far2 - near2))

// weightGradLine is Gᵀm.
func (w winograd) weightGradLine() line {
	if w.m == 2 {
		half := w.constant(0.5)
		return func(m []VecVirtual) []VecVirtual {
			sum := w.add(m[1], m[2])
			return []VecVirtual{w.addScaled(m[0], half, sum), w.scale(half, w.sub(m[1], m[2])), w.addScaled(m[3], half, sum)}
		}
	}
	centre := w.constant(1 / (near2 * far2))
	a, a1, a2 := w.constant(nearScale), w.constant(nearScale*near), w.constant(nearScale*near2)
	b, b1, b2 := w.constant(farScale), w.constant(farScale*far), w.constant(farScale*far2)
	return func(m []VecVirtual) []VecVirtual {
		evenA, oddA := w.add(m[1], m[2]), w.sub(m[1], m[2])
		evenB, oddB := w.add(m[3], m[4]), w.sub(m[3], m[4])
		return []VecVirtual{
			w.addScaled(w.addScaled(w.scale(centre, m[0]), a, evenA), b, evenB),
			w.addScaled(w.scale(a1, oddA), b1, oddB),
			w.addScaled(w.addScaled(m[5], a2, evenA), b2, evenB),
		}
	}
}

// weightLine is G·g.
func (w winograd) weightLine() line {
	if w.m == 2 {
		half := w.constant(0.5)
		return func(g []VecVirtual) []VecVirtual {
			ends := w.add(g[0], g[2])
			return []VecVirtual{g[0], w.scale(half, w.add(ends, g[1])), w.scale(half, w.sub(ends, g[1])), g[2]}
		}
	}
	centre := w.constant(1 / (near2 * far2))
	a, a1, a2 := w.constant(nearScale), w.constant(nearScale*near), w.constant(nearScale*near2)
	b, b1, b2 := w.constant(farScale), w.constant(farScale*far), w.constant(farScale*far2)
	return func(g []VecVirtual) []VecVirtual {
		evenA, evenB := w.addScaled(w.scale(a, g[0]), a2, g[2]), w.addScaled(w.scale(b, g[0]), b2, g[2])
		return []VecVirtual{
			w.scale(centre, g[0]),
			w.addScaled(evenA, a1, g[1]),
			w.subScaled(evenA, a1, g[1]),
			w.addScaled(evenB, b1, g[1]),
			w.subScaled(evenB, b1, g[1]),
			g[2],
		}
	}
}

// channelLoop repeats body for a vector of channels at a time; c counts bytes.
func (w winograd) channelLoop(channels Register, body func(c GPVirtual)) {
	c, end := GP64(), GP64()
	XORQ(c, c)
	MOVQ(channels, end)
	SHLQ(U8(2), end)
	loop := label("channels")
	Label(loop)
	body(c)
	ADDQ(U32(w.bytes()), c)
	CMPQ(c, end)
	JL(LabelRef(loop))
}

// rows transforms the rows that are spilled, of so many columns, and writes them to the elements of a tile, one after the other.
func (w winograd) rows(dst, stride Register, c GPVirtual, spilled func(row, column int) Mem, columns int, transform line) {
	to := GP64()
	LEAQ(Mem{Base: dst, Index: c, Scale: 1}, to)
	for row := range w.side() {
		var in []VecVirtual
		for column := range columns {
			in = append(in, w.load(spilled(row, column)))
		}
		for _, v := range transform(in) {
			VMOVUPS(v, Mem{Base: to})
			ADDQ(stride, to)
		}
	}
}

// next is where the offsets of the next tile are, each of so many pixels, or those of this one if it is the last.
func (w winograd) next(offsets, tiles Register, pixels int) Register {
	next := GP64()
	LEAQ(Mem{Base: offsets, Disp: 4 * pixels}, next)
	CMPQ(tiles, U8(1))
	CMOVQLE(offsets, next)
	return next
}

// prefetch asks for so many pixels. A tile's are pieces of several rows, which processors do not foresee.
func (w winograd) prefetch(x Register, c GPVirtual, offsets Register, pixels int) {
	base := GP64()
	LEAQ(Mem{Base: x, Index: c, Scale: 1}, base)
	for p := range pixels {
		at := GP64()
		MOVLQSX(Mem{Base: offsets, Disp: 4 * p}, at)
		PREFETCHT0(Mem{Base: base, Index: at, Scale: 4})
	}
}

// gather writes the transforms of side×side pixels to the elements of a tile.
func (w winograd) gather(name string, side int, matrix func() line) {
	w.begin(name, "func(dst []float32, stride int, x []float32, offsets []int32, tiles, channels int)")
	dst, x := Load(Param("dst").Base(), GP64()), Load(Param("x").Base(), GP64())
	stride, offsets := Load(Param("stride"), GP64()), Load(Param("offsets").Base(), GP64())
	channels, tiles := Load(Param("channels"), GP64()), Load(Param("tiles"), GP64())
	SHLQ(U8(2), stride)
	transform, spilled := matrix(), w.spilled(w.side(), side)
	loop, end := label("tile"), label("end")
	Label(loop)
	TESTQ(tiles, tiles)
	JZ(LabelRef(end))
	w.channelLoop(channels, func(c GPVirtual) {
		from := GP64()
		LEAQ(Mem{Base: x, Index: c, Scale: 1}, from)
		for column := range side {
			var d []VecVirtual
			for row := range side {
				at := GP64()
				MOVLQSX(Mem{Base: offsets, Disp: 4 * (row*side + column)}, at)
				d = append(d, w.load(Mem{Base: from, Index: at, Scale: 4}))
			}
			for row, v := range transform(d) {
				VMOVUPS(v, spilled(row, column))
			}
		}
		w.rows(dst, stride, c, spilled, side, transform)
	})
	ADDQ(U32(4*side*side), offsets)
	LEAQ(Mem{Base: dst, Index: channels, Scale: 4}, dst)
	DECQ(tiles)
	JMP(LabelRef(loop))
	Label(end)
	done()
}

func (w winograd) output() {
	w.begin("Output", "func(dst []float32, offsets []int32, src []float32, stride int, tiles, channels int, bias []float32)")
	side := w.side()
	dst, src := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64())
	stride, offsets := Load(Param("stride"), GP64()), Load(Param("offsets").Base(), GP64())
	channels, tiles := Load(Param("channels"), GP64()), Load(Param("tiles"), GP64())
	bias := Load(Param("bias").Base(), GP64())
	SHLQ(U8(2), stride)
	transform, spilled := w.outputLine(), w.spilled(side, w.m)
	loop, end := label("tile"), label("end")
	Label(loop)
	TESTQ(tiles, tiles)
	JZ(LabelRef(end))
	next := w.next(offsets, tiles, w.m*w.m)
	w.channelLoop(channels, func(c GPVirtual) {
		w.prefetch(dst, c, next, w.m*w.m) // to write: outputs are often larger than the second-level cache
		from := GP64()
		LEAQ(Mem{Base: src, Index: c, Scale: 1}, from)
		for row := range side {
			var products []VecVirtual
			for range side {
				products = append(products, w.load(Mem{Base: from}))
				ADDQ(stride, from)
			}
			for column, v := range transform(products) {
				VMOVUPS(v, spilled(row, column))
			}
		}
		shift, unbiased := w.zero(), label("unbiased")
		TESTQ(bias, bias)
		JZ(LabelRef(unbiased))
		VMOVUPS(Mem{Base: bias, Index: c, Scale: 1}, shift)
		Label(unbiased)
		to := GP64()
		LEAQ(Mem{Base: dst, Index: c, Scale: 1}, to)
		for column := range w.m {
			var products []VecVirtual
			for row := range side {
				products = append(products, w.load(spilled(row, column)))
			}
			for row, v := range transform(products) {
				at := GP64()
				MOVLQSX(Mem{Base: offsets, Disp: 4 * (row*w.m + column)}, at)
				VADDPS(shift, v, v)
				VMOVUPS(v, Mem{Base: to, Index: at, Scale: 4})
			}
		}
	})
	ADDQ(U32(4*w.m*w.m), offsets)
	LEAQ(Mem{Base: src, Index: channels, Scale: 4}, src)
	DECQ(tiles)
	JMP(LabelRef(loop))
	Label(end)
	done()
}

func (w winograd) weights() {
	w.begin("Weights", "func(dst []float32, stride int, w []float32, tapStride, channels int)")
	const taps = 3
	side := w.side()
	dst, g := Load(Param("dst").Base(), GP64()), Load(Param("w").Base(), GP64())
	stride, tapStride := Load(Param("stride"), GP64()), Load(Param("tapStride"), GP64())
	channels := Load(Param("channels"), GP64())
	SHLQ(U8(2), stride)
	SHLQ(U8(2), tapStride)
	transform, spilled := w.weightLine(), w.spilled(side, taps)
	w.channelLoop(channels, func(c GPVirtual) {
		for column := range taps {
			from := GP64()
			LEAQ(Mem{Base: g, Index: c, Scale: 1}, from)
			for range column {
				ADDQ(tapStride, from)
			}
			var d []VecVirtual
			for row := range taps {
				if row > 0 {
					for range taps {
						ADDQ(tapStride, from)
					}
				}
				d = append(d, w.load(Mem{Base: from}))
			}
			for row, v := range transform(d) {
				VMOVUPS(v, spilled(row, column))
			}
		}
		w.rows(dst, stride, c, spilled, taps, transform)
	})
	done()
}

func (w winograd) weightsGrad() {
	w.begin("WeightsGrad", "func(dst []float32, tapStride int, src []float32, stride int, channels int)")
	const taps = 3
	dst, src := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64())
	tapStride, stride := Load(Param("tapStride"), GP64()), Load(Param("stride"), GP64())
	channels := Load(Param("channels"), GP64())
	SHLQ(U8(2), tapStride)
	SHLQ(U8(2), stride)
	transform, spilled := w.weightGradLine(), w.spilled(w.side(), taps)
	w.channelLoop(channels, func(c GPVirtual) {
		from := GP64()
		LEAQ(Mem{Base: src, Index: c, Scale: 1}, from)
		for row := range w.side() {
			var products []VecVirtual
			for range w.side() {
				products = append(products, w.load(Mem{Base: from}))
				ADDQ(stride, from)
			}
			for column, v := range transform(products) {
				VMOVUPS(v, spilled(row, column))
			}
		}
		for column := range taps {
			var in []VecVirtual
			for row := range w.side() {
				in = append(in, w.load(spilled(row, column)))
			}
			to := GP64()
			LEAQ(Mem{Base: dst, Index: c, Scale: 1}, to)
			for range column {
				ADDQ(tapStride, to)
			}
			for row, v := range transform(in) {
				if row > 0 {
					for range taps {
						ADDQ(tapStride, to)
					}
				}
				VADDPS(Mem{Base: to}, v, v)
				VMOVUPS(v, Mem{Base: to})
			}
		}
	})
	done()
}
