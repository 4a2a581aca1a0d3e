package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// simd is an instruction set: how wide its vectors are, and the few operations that AVX-512 and AVX2 spell differently.
// Most instructions have one name for both and take their width from the registers.
type simd int

const (
	avx2 simd = iota
	avx512
)

func (s simd) String() string {
	if s == avx512 {
		return "avx512"
	}
	return "avx2"
}

// lanes is the number of float32 values in a vector, bytes their size.
func (s simd) lanes() int {
	if s == avx512 {
		return 16
	}
	return 8
}

func (s simd) bytes() int { return 4 * s.lanes() }

// text begins the function named after the instruction set, such as avx2Add.
func (s simd) text(name, signature string) {
	TEXT(s.String()+name, NOSPLIT, signature)
	Pragma("noescape")
}

func (s simd) vector() VecVirtual {
	if s == avx512 {
		return ZMM()
	}
	return YMM()
}

func (s simd) vectors(n int) []VecVirtual {
	vs := make([]VecVirtual, n)
	for i := range vs {
		vs[i] = s.vector()
	}
	return vs
}

func (s simd) zero() VecVirtual {
	v := s.vector()
	clearVector(v)
	return v
}

func clearVector(v VecVirtual) { VXORPS(v, v, v) }

func (s simd) load(from Mem) VecVirtual {
	v := s.vector()
	VMOVUPS(from, v)
	return v
}

// broadcast fills a vector with the float32 in memory.
func (s simd) broadcast(from Mem) VecVirtual {
	v := s.vector()
	VBROADCASTSS(from, v)
	return v
}

// argument fills a vector with a float32 argument.
func (s simd) argument(name string) VecVirtual {
	c, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return s.broadcast(c.Addr)
}

// words is read-only data: the same 32-bit word in every lane.
func (s simd) words(word uint32) Mem {
	name := fmt.Sprintf("%s_%08x", s, word)
	if m, ok := tables[name]; ok {
		return m
	}
	m := GLOBL(name, RODATA|NOPTR)
	for i := range s.lanes() {
		DATA(4*i, U32(word))
	}
	tables[name] = m
	return m
}

var tables = map[string]Mem{}

// constant is a vector operand with f in every lane: a register where there are many, memory where there are few. It may
// only be an instruction's first operand.
func (s simd) constant(f float32) Op {
	if s == avx512 {
		return s.load(s.words(math.Float32bits(f)))
	}
	return s.words(math.Float32bits(f))
}

// constantRegister is constant where an instruction needs a register.
func (s simd) constantRegister(f float32) VecVirtual { return s.load(s.words(math.Float32bits(f))) }

// mask selects the first n lanes, 0 < n < lanes: an opmask for AVX-512, a vector of sign bits for AVX2.
func (s simd) mask(n GPVirtual) Op {
	if s == avx512 {
		bits, k := GP32(), K()
		MOVL(U32(0xffff), bits)
		BZHIL(n.As32(), bits, bits)
		KMOVW(bits, k)
		return k
	}
	table, ok := tables["avx2_mask"]
	if !ok {
		table = GLOBL("avx2_mask", RODATA|NOPTR)
		for i := range 16 {
			word := uint32(0)
			if i < 8 {
				word = 0xffffffff
			}
			DATA(4*i, U32(word))
		}
		tables["avx2_mask"] = table
	}
	at := GP64()
	LEAQ(table, at)
	skip := GP64()
	MOVQ(U32(8), skip)
	SUBQ(n, skip)
	return s.load(Mem{Base: at, Index: skip, Scale: 4})
}

// loadMasked reads the lanes of the mask and zeros the others; memory outside the mask is not touched.
func (s simd) loadMasked(from Mem, mask Op) VecVirtual {
	v := s.vector()
	if s == avx512 {
		VMOVUPS_Z(from, mask, v)
	} else {
		VMASKMOVPS(from, mask, v)
	}
	return v
}

func (s simd) storeMasked(v VecVirtual, to Mem, mask Op) {
	if s == avx512 {
		VMOVUPS(v, mask, to)
	} else {
		VMASKMOVPS(v, mask, to)
	}
}

// keep zeros the lanes outside the mask.
func (s simd) keep(v VecVirtual, mask Op) {
	if s == avx512 {
		VMOVAPS_Z(v, mask, v)
	} else {
		VANDPS(v, mask, v)
	}
}

// round rounds to the nearest integer, ties to even.
func (s simd) round(v, to VecVirtual) {
	if s == avx512 {
		VRNDSCALEPS(U8(8), v, to)
	} else {
		VROUNDPS(U8(8), v, to)
	}
}

// fold combines all lanes by the given instruction into the first lane of the register returned.
func (s simd) fold(v VecVirtual, combine func(ops ...Op)) Register {
	if s == avx512 {
		high := YMM()
		VEXTRACTF64X4(U8(1), v, high)
		combine(high, v.AsY(), v.AsY())
	}
	high := XMM()
	VEXTRACTF128(U8(1), v.AsY(), high)
	x := v.AsX()
	combine(high, x, x)
	VPERMILPS(U8(0b01_00_11_10), x, high)
	combine(high, x, x)
	VPERMILPS(U8(0b10_11_00_01), x, high)
	combine(high, x, x)
	return x
}

// done ends a function. VZEROUPPER keeps the SSE code that follows from paying for dirty upper halves.
func done() {
	VZEROUPPER()
	RET()
}

// label returns a name unique within the function being written.
func label(name string) string {
	labels++
	return fmt.Sprintf("%s%d", name, labels)
}

var labels int
