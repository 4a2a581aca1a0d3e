package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// reductions writes the kernels that turn slices into one number.
func reductions(s simd) {
	s.reduction("Dot", func(sum, x, y VecVirtual) {
		VFMADD231PS(x, y, sum)
	})
	s.reduction("SquaredDistance", func(sum, x, y VecVirtual) {
		VSUBPS(y, x, x)
		VFMADD231PS(x, x, sum)
	})
	s.maximum()
	s.expSum()
}

// reduction adds up a term of x and y, which is zero where both are zero, over len(x) values in four vectors of sums.
func (s simd) reduction(name string, term func(sum, x, y VecVirtual)) {
	const unroll = 4
	s.text(name, "func(x, y []float32) float32")
	n := Load(Param("x").Len(), GP64()).(GPVirtual)
	x, y := Load(Param("x").Base(), GP64()), Load(Param("y").Base(), GP64())
	sums := s.vectors(unroll)
	for _, sum := range sums {
		clearVector(sum)
	}
	for _, vectors := range []int{unroll, 1} {
		loop, next := label("loop"), label("next")
		Label(loop)
		CMPQ(n, U32(vectors*s.lanes()))
		JL(LabelRef(next))
		for v := range vectors {
			term(sums[v], s.load(Mem{Base: x, Disp: v * s.bytes()}), s.load(Mem{Base: y, Disp: v * s.bytes()}))
		}
		ADDQ(U32(vectors*s.bytes()), x)
		ADDQ(U32(vectors*s.bytes()), y)
		SUBQ(U32(vectors*s.lanes()), n)
		JMP(LabelRef(loop))
		Label(next)
	}
	end := label("end")
	TESTQ(n, n)
	JZ(LabelRef(end))
	mask := s.mask(n)
	term(sums[1], s.loadMasked(Mem{Base: x}, mask), s.loadMasked(Mem{Base: y}, mask))
	Label(end)
	VADDPS(sums[1], sums[0], sums[0])
	VADDPS(sums[3], sums[2], sums[2])
	VADDPS(sums[2], sums[0], sums[0])
	Store(s.fold(sums[0], VADDPS), ReturnIndex(0))
	done()
}

// maximum returns the greatest value of x, which holds at least one vector: the last vector read ends with x and may
// overlap the one before.
func (s simd) maximum() {
	s.text("Maximum", "func(x []float32) float32")
	n := Load(Param("x").Len(), GP64())
	x := Load(Param("x").Base(), GP64())
	peak := s.load(Mem{Base: x})
	i := GP64()
	SUBQ(U32(s.lanes()), n)
	XORQ(i, i)
	loop, next := label("loop"), label("next")
	Label(loop)
	CMPQ(i, n)
	JGE(LabelRef(next))
	VMAXPS(Mem{Base: x, Index: i, Scale: 4}, peak, peak)
	ADDQ(U32(s.lanes()), i)
	JMP(LabelRef(loop))
	Label(next)
	VMAXPS(Mem{Base: x, Index: n, Scale: 4}, peak, peak)
	Store(s.fold(peak, VMAXPS), ReturnIndex(0))
	done()
}

// expSum writes e^(x-shift) to dst and returns the sum.
func (s simd) expSum() {
	s.text("ExpSum", "func(dst, x []float32, shift float32) float32")
	n := Load(Param("dst").Len(), GP64()).(GPVirtual)
	dst, x := Load(Param("dst").Base(), GP64()), Load(Param("x").Base(), GP64())
	shift := s.argument("shift")
	exp, lo, hi := s.exponential(1), s.constantRegister(expLowest), s.constantRegister(expHighest)
	sum := s.zero()
	body := func(x VecVirtual) VecVirtual {
		VSUBPS(shift, x, x)
		return exp.full(s.clamp(x, lo, hi))
	}
	loop, next, end := label("loop"), label("next"), label("end")
	Label(loop)
	CMPQ(n, U32(s.lanes()))
	JL(LabelRef(next))
	v := body(s.load(Mem{Base: x}))
	VADDPS(v, sum, sum)
	VMOVUPS(v, Mem{Base: dst})
	ADDQ(U32(s.bytes()), x)
	ADDQ(U32(s.bytes()), dst)
	SUBQ(U32(s.lanes()), n)
	JMP(LabelRef(loop))
	Label(next)
	TESTQ(n, n)
	JZ(LabelRef(end))
	mask := s.mask(n)
	v = body(s.loadMasked(Mem{Base: x}, mask))
	s.keep(v, mask)
	VADDPS(v, sum, sum)
	s.storeMasked(v, Mem{Base: dst}, mask)
	Label(end)
	Store(s.fold(sum, VADDPS), ReturnIndex(0))
	done()
}

// chains is how many independent multiply-adds hide their latency: more than 4 cycles at 2 a cycle. The package's Go code
// knows it too, to count operations.
const chains = 12

// multiplyAdds fills the processor with independent multiply-adds.
func multiplyAdds(s simd) {
	s.text("MultiplyAdds", "func(rounds int)")
	n := Load(Param("rounds"), GP64())
	half, one := s.constantRegister(0.5), s.constantRegister(1)
	sums := s.vectors(chains)
	for _, sum := range sums {
		clearVector(sum)
	}
	loop := label("loop")
	Label(loop)
	for _, sum := range sums {
		VFMADD213PS(one, half, sum)
	}
	DECQ(n)
	JNZ(LabelRef(loop))
	done()
}
