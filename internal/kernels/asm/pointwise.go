package main

import (
	"fmt"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// compute turns one vector of each input into one vector of each output. Inputs must not be written to.
type compute func(in []VecVirtual) (out []VecVirtual)

func pointwise(s simd) {
	binary := func(name string, instruction func(ops ...Op)) {
		s.pointwise(name, "dst", "a b", "", 4, func() compute {
			return func(in []VecVirtual) []VecVirtual {
				v := s.vector()
				instruction(in[1], in[0], v)
				return []VecVirtual{v}
			}
		})
	}
	binary("Add", VADDPS)
	binary("Sub", VSUBPS)
	binary("Mul", VMULPS)

	s.pointwise("MulAdd", "dst", "a b c", "", 4, func() compute {
		return func(in []VecVirtual) []VecVirtual {
			VFMADD231PS(in[0], in[1], in[2])
			return in[2:]
		}
	})
	s.pointwise("Affine", "dst", "a", "scale shift", 4, func() compute {
		scale, shift := s.argument("scale"), s.argument("shift")
		return func(in []VecVirtual) []VecVirtual {
			VFMADD213PS(shift, scale, in[0])
			return in
		}
	})
	s.pointwise("AddScaled", "dst", "a b", "scale", 4, func() compute {
		scale := s.argument("scale")
		return func(in []VecVirtual) []VecVirtual {
			VFMADD231PS(scale, in[1], in[0])
			return in[:1]
		}
	})
	s.pointwise("Clamp", "dst", "a", "lo hi", 4, func() compute {
		lo, hi := s.argument("lo"), s.argument("hi")
		return func(in []VecVirtual) []VecVirtual { return []VecVirtual{s.clamp(in[0], lo, hi)} }
	})
	s.pointwise("Within", "dst", "a", "lo hi", 4, func() compute {
		lo, hi, one := s.argument("lo"), s.argument("hi"), s.constantRegister(1)
		return func(in []VecVirtual) []VecVirtual {
			const greater, less = U8(0x1e), U8(0x11) // ordered: false for NaN
			v := s.vector()
			if s == avx512 {
				above, inside := K(), K()
				VCMPPS(greater, lo, in[0], above)
				VCMPPS(less, hi, in[0], above, inside)
				VMOVAPS_Z(one, inside, v)
			} else {
				below := s.vector()
				VCMPPS(greater, lo, in[0], v)
				VCMPPS(less, hi, in[0], below)
				VANDPS(v, below, v)
				VANDPS(v, one, v)
			}
			return []VecVirtual{v}
		}
	})
	s.pointwise("Exp", "dst", "a", "", 2, func() compute {
		e := s.exponential(1)
		lo, hi := s.constantRegister(expLowest), s.constantRegister(expHighest)
		return func(in []VecVirtual) []VecVirtual {
			return []VecVirtual{e.full(s.clamp(in[0], lo, hi))}
		}
	})
	for order := range 3 {
		s.pointwise(fmt.Sprintf("Swish%d", order), "dst", "a", "", 2, func() compute {
			w := s.swish()
			return func(in []VecVirtual) []VecVirtual { return []VecVirtual{w.order(order, in[0])} }
		})
	}
	s.pointwise("SwishPair", "value slope", "a", "", 2, func() compute {
		w := s.swish()
		return func(in []VecVirtual) []VecVirtual { return w.pair(in[0]) }
	})
}

// clamp is min(max(v, lo), hi). The instructions return their first operand if either is NaN, and v stands there.
func (s simd) clamp(v, lo, hi VecVirtual) VecVirtual {
	c := s.vector()
	VMAXPS(v, lo, c)
	VMINPS(c, hi, c)
	return c
}

// pointwise writes a function of the named outputs, inputs (slices) and scalars: whole vectors first, several to a turn,
// then single ones, then the rest under a mask. setup runs once, before the loops, and returns what they do.
func (s simd) pointwise(name, outputs, inputs, scalars string, unroll int, setup func() compute) {
	outs, ins := strings.Fields(outputs), strings.Fields(inputs)
	signature := "func(" + strings.Join(append(outs, ins...), ", ") + " []float32"
	if scalars != "" {
		signature += ", " + strings.Join(strings.Fields(scalars), ", ") + " float32"
	}
	s.text(name, signature+")")

	at := func(name string) Register { return Load(Param(name).Base(), GP64()) }
	var to, from []Register
	n := Load(Param(outs[0]).Len(), GP64()).(GPVirtual)
	for _, name := range outs {
		to = append(to, at(name))
	}
	for _, name := range ins {
		from = append(from, at(name))
	}
	body := setup()
	i := GP64()
	XORQ(i, i)

	step := func(load func(Mem) VecVirtual, store func(VecVirtual, Mem), vector int) {
		mem := func(base Register) Mem {
			return Mem{Base: base, Index: i, Scale: 4, Disp: vector * s.bytes()}
		}
		var in []VecVirtual
		for _, base := range from {
			in = append(in, load(mem(base)))
		}
		for k, v := range body(in) {
			store(v, mem(to[k]))
		}
	}
	whole := func(v VecVirtual, to Mem) { VMOVUPS(v, to) }
	for _, vectors := range []int{unroll, 1} {
		loop, next := label("loop"), label("next")
		Label(loop)
		CMPQ(n, U32(vectors*s.lanes()))
		JL(LabelRef(next))
		for v := range vectors {
			step(s.load, whole, v)
		}
		ADDQ(U32(vectors*s.lanes()), i)
		SUBQ(U32(vectors*s.lanes()), n)
		JMP(LabelRef(loop))
		Label(next)
	}
	end := label("end")
	TESTQ(n, n)
	JZ(LabelRef(end))
	mask := s.mask(n)
	step(
		func(from Mem) VecVirtual { return s.loadMasked(from, mask) },
		func(v VecVirtual, to Mem) { s.storeMasked(v, to, mask) }, 0)
	Label(end)
	done()
}
