package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// columns writes the sums over pixels, channel by channel: acc[c] += sum over p < pixels of a term of x[p*C+c] and either
// y[p*C+c] or mean[c], with C = len(acc).
func columns(s simd) {
	s.columnSum("Sums", "", func(sum VecVirtual, x, _ Op) {
		VADDPS(x, sum, sum)
	})
	s.columnSum("Products", "y", func(sum VecVirtual, x, y Op) {
		v := s.vector()
		VMOVUPS(y, v)
		VFMADD231PS(x, v, sum)
	})
	s.columnSum("Squares", "mean", func(sum VecVirtual, x, mean Op) {
		v := s.vector()
		VSUBPS(x, mean, v) // the sign is lost in the square
		VFMADD231PS(v, v, sum)
	})
}

// columnSum takes four vectors of channels at a time, then one, then the rest under a mask, and for each walks down the
// pixels.
func (s simd) columnSum(name, other string, term func(sum VecVirtual, x, other Op)) {
	if other == "" {
		s.text(name, "func(acc, x []float32, pixels int)")
	} else {
		s.text(name, "func(acc, x, "+other+" []float32, pixels int)")
	}
	channels := Load(Param("acc").Len(), GP64()).(GPVirtual)
	acc, x := Load(Param("acc").Base(), GP64()), Load(Param("x").Base(), GP64())
	var y Register
	if other != "" {
		y = Load(Param(other).Base(), GP64())
	}
	stride := GP64()
	MOVQ(channels, stride)
	SHLQ(U8(2), stride)

	block := func(vectors int, load func(Mem) VecVirtual, store func(VecVirtual, Mem), masked bool) {
		sums, means := s.vectors(vectors), make([]Op, vectors)
		for v, sum := range sums {
			clearVector(sum)
			if other == "mean" {
				means[v] = load(Mem{Base: y, Disp: v * s.bytes()})
			}
		}
		n := Load(Param("pixels"), GP64())
		px, py := GP64(), GP64()
		MOVQ(x, px)
		if other == "y" {
			MOVQ(y, py)
		}
		loop := label("pixel")
		Label(loop)
		for v, sum := range sums {
			var a, b Op = Mem{Base: px, Disp: v * s.bytes()}, means[v]
			if other == "y" {
				b = Mem{Base: py, Disp: v * s.bytes()}
			}
			if masked {
				a = load(a.(Mem))
				if other == "y" {
					b = load(b.(Mem))
				}
			}
			term(sum, a, b)
		}
		ADDQ(stride, px)
		if other == "y" {
			ADDQ(stride, py)
		}
		DECQ(n)
		JNZ(LabelRef(loop))
		for v, sum := range sums {
			to := Mem{Base: acc, Disp: v * s.bytes()}
			VADDPS(load(to), sum, sum)
			store(sum, to)
		}
		for _, p := range []Register{acc, x, y} {
			if p != nil {
				ADDQ(U32(vectors*s.bytes()), p)
			}
		}
	}
	for _, vectors := range []int{4, 1} {
		loop, next := label("block"), label("next")
		Label(loop)
		CMPQ(channels, U32(vectors*s.lanes()))
		JL(LabelRef(next))
		block(vectors, s.load, func(v VecVirtual, to Mem) { VMOVUPS(v, to) }, false)
		SUBQ(U32(vectors*s.lanes()), channels)
		JMP(LabelRef(loop))
		Label(next)
	}
	end := label("end")
	TESTQ(channels, channels)
	JZ(LabelRef(end))
	mask := s.mask(channels)
	block(1,
		func(from Mem) VecVirtual { return s.loadMasked(from, mask) },
		func(v VecVirtual, to Mem) { s.storeMasked(v, to, mask) }, true)
	Label(end)
	done()
}

// normSums writes NormSums: some vectors of channels at a time walk down the pixels, with all their sums and rows in registers.
func normSums(s simd) {
	s.text("NormSums", "func(dst, a, b, x, scale, shift, sum, dot []float32, pixels int)")
	channels := Load(Param("sum").Len(), GP64()).(GPVirtual)
	var bases []Register
	for _, name := range []string{"dst", "a", "b", "x", "scale", "shift", "sum", "dot"} {
		bases = append(bases, Load(Param(name).Base(), GP64()))
	}
	dst, a, b, x, scale, shift, sum, dot := bases[0], bases[1], bases[2], bases[3], bases[4], bases[5], bases[6], bases[7]
	stride := GP64()
	MOVQ(channels, stride)
	SHLQ(U8(2), stride)
	many := 2
	if s == avx512 {
		many = 4
	}
	for _, vectors := range []int{many, 1} {
		block, next, loop := label("block"), label("next"), label("pixel")
		Label(block)
		CMPQ(channels, U32(vectors*s.lanes()))
		JL(LabelRef(next))
		scales, shifts, sums, dots := s.vectors(vectors), s.vectors(vectors), s.vectors(vectors), s.vectors(vectors)
		for v := range vectors {
			VMOVUPS(Mem{Base: scale, Disp: v * s.bytes()}, scales[v])
			VMOVUPS(Mem{Base: shift, Disp: v * s.bytes()}, shifts[v])
			clearVector(sums[v])
			clearVector(dots[v])
		}
		n, at := Load(Param("pixels"), GP64()), GP64()
		XORQ(at, at)
		Label(loop)
		for v := range vectors {
			mem := func(base Register) Mem { return Mem{Base: base, Index: at, Scale: 1, Disp: v * s.bytes()} }
			product, other := s.load(mem(a)), s.load(mem(x))
			VMULPS(mem(b), product, product)
			VMOVUPS(product, mem(dst))
			VFMADD213PS(shifts[v], scales[v], other)
			VADDPS(product, sums[v], sums[v])
			VFMADD231PS(product, other, dots[v])
		}
		ADDQ(stride, at)
		DECQ(n)
		JNZ(LabelRef(loop))
		for v := range vectors {
			for _, total := range []struct {
				to   Register
				with VecVirtual
			}{{sum, sums[v]}, {dot, dots[v]}} {
				to := Mem{Base: total.to, Disp: v * s.bytes()}
				VADDPS(to, total.with, total.with)
				VMOVUPS(total.with, to)
			}
		}
		for _, base := range bases {
			ADDQ(U32(vectors*s.bytes()), base)
		}
		SUBQ(U32(vectors*s.lanes()), channels)
		JMP(LabelRef(block))
		Label(next)
	}
	done()
}

// gatherSum writes GatherSum: pixel by pixel, four vectors of channels at a time, then two, then one, then the rest under a mask, and
// for each walks over the taps.
func gatherSum(s simd) {
	s.text("GatherSum", "func(dst, x []float32, offsets []int32, taps, channels int, scale float32)")
	dst, end := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	LEAQ(Mem{Base: dst, Index: end, Scale: 4}, end)
	x, offsets := Load(Param("x").Base(), GP64()), Load(Param("offsets").Base(), GP64())
	taps := Load(Param("taps"), GP64())
	scale := s.argument("scale")
	pixel, finished := label("pixel"), label("finished")
	Label(pixel)
	CMPQ(dst, end)
	JGE(LabelRef(finished))
	channels := Load(Param("channels"), GP64()).(GPVirtual)
	from := GP64() // x, advanced by the channels done
	MOVQ(x, from)

	block := func(vectors int, add func(from Mem, sum VecVirtual), store func(VecVirtual, Mem)) {
		sums := s.vectors(vectors)
		for _, sum := range sums {
			clearVector(sum)
		}
		t, offset := GP64(), GP64()
		XORQ(t, t)
		loop := label("tap")
		Label(loop)
		MOVLQSX(Mem{Base: offsets, Index: t, Scale: 4}, offset)
		for v, sum := range sums {
			add(Mem{Base: from, Index: offset, Scale: 4, Disp: v * s.bytes()}, sum)
		}
		INCQ(t)
		CMPQ(t, taps)
		JL(LabelRef(loop))
		for v, sum := range sums {
			VMULPS(scale, sum, sum)
			store(sum, Mem{Base: dst, Disp: v * s.bytes()})
		}
	}
	for _, vectors := range []int{4, 2, 1} {
		loop, next := label("block"), label("next")
		Label(loop)
		CMPQ(channels, U32(vectors*s.lanes()))
		JL(LabelRef(next))
		block(vectors,
			func(from Mem, sum VecVirtual) { VADDPS(from, sum, sum) },
			func(v VecVirtual, to Mem) { VMOVUPS(v, to) })
		ADDQ(U32(vectors*s.bytes()), dst)
		ADDQ(U32(vectors*s.bytes()), from)
		SUBQ(U32(vectors*s.lanes()), channels)
		JMP(LabelRef(loop))
		Label(next)
	}
	last := label("last")
	TESTQ(channels, channels)
	JZ(LabelRef(last))
	mask := s.mask(channels)
	block(1,
		func(from Mem, sum VecVirtual) { VADDPS(s.loadMasked(from, mask), sum, sum) },
		func(v VecVirtual, to Mem) { s.storeMasked(v, to, mask) })
	LEAQ(Mem{Base: dst, Index: channels, Scale: 4}, dst)
	Label(last)
	taken := GP64()
	LEAQ(Mem{Base: offsets, Index: taps, Scale: 4}, taken)
	MOVQ(taken, offsets)
	JMP(LabelRef(pixel))
	Label(finished)
	done()
}
