// Swish, S(a) = a*sigmoid(a) (Ramachandran, Zoph, Le 2017), and its derivatives of any order, in portable Go.
//
// Derivatives of the sigmoid s(a) are polynomials in s itself:
//
//	s^(n) = p_n(s),  p_0(s) = s,  p_{n+1}(s) = p_n'(s) * s * (1-s)
//
// and Leibniz' rule on a*s gives S^(n)(a) = a*p_n(s) + n*p_{n-1}(s).

package kernels

import "math"

// swishLimit bounds the argument where float32 no longer tells the derivatives from their limits: at -200 all orders are
// zero, at 200 order 1 is one and the higher ones are zero. It keeps infinities from meeting zeros.
const swishLimit = 200

func portableSwish(dst, a []float32, order int) {
	a = a[:len(dst)]
	if order == 0 {
		for i, v := range a {
			v := math.Max(float64(v), -swishLimit)
			dst[i] = float32(v / (1 + math.Exp(-v)))
		}
		return
	}
	lower, upper := sigmoidDerivative(order-1), sigmoidDerivative(order)
	n := float64(order)
	for i, v := range a {
		v := math.Min(math.Max(float64(v), -swishLimit), swishLimit)
		s := 1 / (1 + math.Exp(-v))
		dst[i] = float32(v*horner(upper, s) + n*horner(lower, s))
	}
}

func portableSwishPair(value, slope, a []float32) {
	a, slope = a[:len(value)], slope[:len(value)]
	for i, v := range a {
		v := math.Max(float64(v), -swishLimit)
		s := 1 / (1 + math.Exp(-v))
		value[i] = float32(v * s)
		slope[i] = float32(s + math.Min(v, swishLimit)*s*(1-s))
	}
}

// sigmoidDerivative returns the coefficients of p_n, that of s^k at index k.
func sigmoidDerivative(n int) []float64 {
	p := []float64{0, 1}
	for range n {
		next := make([]float64, len(p)+1)
		for k := 1; k < len(p); k++ { // d/ds of c*s^k is c*k*s^(k-1); times s*(1-s)
			next[k] += p[k] * float64(k)
			next[k+1] -= p[k] * float64(k)
		}
		p = next
	}
	return p
}

func horner(p []float64, s float64) float64 {
	var sum float64
	for k := len(p) - 1; k >= 0; k-- {
		sum = sum*s + p[k]
	}
	return sum
}
