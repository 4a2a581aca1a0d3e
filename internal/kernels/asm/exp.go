package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The exponential by Cody and Waite's range reduction:
//
//	n = round(x / ln 2),  r = x - n ln 2,  e^x = 2^n * P(r),  |r| <= ln(2)/2
//
// with ln 2 split in two float32 parts, and P the polynomial of degree 6 of least maximal relative error given that
// P(0) = P'(0) = 1: the error is 3e-9, so that rounding dominates.
var expTail = []float32{0.0013814539, 0.008368745, 0.04166839, 0.16666521, 0.49999994} // from the highest power down to r^2

const (
	log2e      = 1.442695041
	ln2Hi      = 0.693147182464599609375
	ln2Lo      = -1.904654299957768e-9
	expLowest  = -105 // e^x rounds to zero below
	expHighest = 89   // and to infinity above
)

// exponential computes e^x, or e^-x, of vectors; it holds the constants.
type exponential struct {
	simd
	sign                int
	log2e, ln2Hi, ln2Lo Op
	poly                []Op
}

func (s simd) exponential(sign int) *exponential {
	e := &exponential{simd: s, sign: sign,
		log2e: s.constant(float32(sign) * log2e), ln2Hi: s.constant(ln2Hi), ln2Lo: s.constant(ln2Lo)}
	for _, c := range expTail {
		e.poly = append(e.poly, s.constant(c))
	}
	one := s.constant(1)
	e.poly = append(e.poly, one, one)
	return e
}

// reduced returns n, as a float, and P(r).
func (e *exponential) reduced(x VecVirtual) (n, p VecVirtual) {
	n, p = e.vector(), e.vector()
	VMULPS(e.log2e, x, n)
	e.round(n, n)
	r := e.vector()
	VMOVAPS(x, r)
	if e.sign > 0 {
		VFNMADD231PS(e.ln2Hi, n, r) // x - n*hi
	} else {
		VFNMSUB231PS(e.ln2Hi, n, r) // -x - n*hi
	}
	VFNMADD231PS(e.ln2Lo, n, r)
	VMOVAPS(e.poly[0], p)
	for _, c := range e.poly[1:] {
		VFMADD213PS(c, r, p)
	}
	return n, p
}

// full is e^x for expLowest <= x <= expHighest: it rounds to zero, to subnormal numbers and to infinity as it should.
func (e *exponential) full(x VecVirtual) VecVirtual {
	n, p := e.reduced(x)
	if e.simd == avx512 {
		VSCALEFPS(n, p, p)
		return p
	}
	// 2^n in two factors, because n runs over more than the exponents of normal numbers.
	half, bias := e.vector(), e.words(127)
	VCVTPS2DQ(n, n)
	VPSRAD(U8(1), n, half)
	VPSUBD(half, n, n)
	for _, power := range []VecVirtual{half, n} {
		VPADDD(bias, power, power)
		VPSLLD(U8(23), power, power)
		VMULPS(power, p, p)
	}
	return p
}

// normal is e^x where that is a normal number, |x| <= swishLimit.
func (e *exponential) normal(x VecVirtual) VecVirtual {
	n, p := e.reduced(x)
	if e.simd == avx512 {
		VSCALEFPS(n, p, p)
		return p
	}
	VCVTPS2DQ(n, n)
	VPSLLD(U8(23), n, n)
	VPADDD(n, p, p)
	return p
}

// swishLimit bounds the argument of the exponential: e^87 and e^-87 are normal numbers, and beyond it float32 tells swish
// and its derivatives from their limits by no more than 1e-35.
const swishLimit = 87

// swish computes derivatives of S(a) = a*s, s = sigmoid(a). With e = e^-a and q = 1-s = e*s, which cancels nothing,
//
//	S = a*s,  S' = s*(1 + a*q),  S'' = s*q*(2 + a*(q-s))
type swish struct {
	simd
	exp      *exponential
	lo, hi   VecVirtual
	one, two Op
}

func (s simd) swish() *swish {
	return &swish{simd: s, exp: s.exponential(-1), lo: s.constantRegister(-swishLimit), hi: s.constantRegister(swishLimit),
		one: s.constant(1), two: s.constant(2)}
}

// sigmoid returns a clamped, e^-a, and sigmoid(a).
func (w *swish) sigmoid(a VecVirtual) (clamped, e, s VecVirtual) {
	clamped, s = w.clamp(a, w.lo, w.hi), w.vector()
	e = w.exp.normal(clamped)
	one := w.vector()
	VMOVAPS(w.one, one)
	VADDPS(one, e, s)
	VDIVPS(s, one, s)
	return clamped, e, s
}

func (w *swish) value(a, s VecVirtual) VecVirtual {
	v := w.vector()
	VMAXPS(a, w.lo, v)
	VMULPS(s, v, v)
	return v
}

func (w *swish) slope(a, e, s VecVirtual) VecVirtual {
	v := w.vector()
	VMULPS(e, s, v)
	VFMADD213PS(w.one, a, v)
	VMULPS(s, v, v)
	return v
}

func (w *swish) order(order int, a VecVirtual) VecVirtual {
	clamped, e, s := w.sigmoid(a)
	switch order {
	case 0:
		return w.value(a, s)
	case 1:
		return w.slope(clamped, e, s)
	}
	q, v := w.vector(), w.vector()
	VMULPS(e, s, q)
	VSUBPS(s, q, v)
	VFMADD213PS(w.two, clamped, v)
	VMULPS(s, v, v)
	VMULPS(q, v, v)
	return v
}

func (w *swish) pair(a VecVirtual) []VecVirtual {
	clamped, e, s := w.sigmoid(a)
	return []VecVirtual{w.value(a, s), w.slope(clamped, e, s)}
}
