//go:build xla

package xla

// This file writes the activation x·σ(x) and its derivatives of any order, by Leibniz' rule
//
//	(x·σ)⁽ⁿ⁾ = x·σ⁽ⁿ⁾ + n·σ⁽ⁿ⁻¹⁾
//
// where, since σ' = σ - σ², each derivative of σ is a polynomial in σ. Those of order 1 and more are even or odd functions of x: they are
// taken at -|x|, where σ is small and nothing cancels.

import "github.com/joule-ebm/joule/expr"

func swish(l *lowering, a expr.Attr, in []tensor) tensor {
	x, n := in[0], a.N[0]
	if n == 0 {
		return l.Same("multiply", x, l.Same("logistic", x))
	}
	lower := l.sigmoid(x, n-1)
	if n > 1 {
		lower = l.Same("multiply", lower, l.Like(x, float64(n)))
	}
	return l.Same("add", l.Same("multiply", x, l.sigmoid(x, n)), lower)
}

// sigmoid is the n-th derivative of σ.
func (l *lowering) sigmoid(x tensor, n int) tensor {
	if n == 0 {
		return l.Same("logistic", x)
	}
	c := []float64{0, 1} // coefficients of 1, σ, σ², ...
	for range n {
		next := make([]float64, len(c)+1)
		for k, ck := range c { // (σᵏ)' = k·σᵏ⁻¹·(σ - σ²)
			next[k] += float64(k) * ck
			next[k+1] -= float64(k) * ck
		}
		c = next
	}
	small := l.Same("logistic", l.Same("negate", l.Same("abs", x)))
	y := l.Like(x, c[len(c)-1])
	for k := len(c) - 2; k >= 0; k-- { // Horner's scheme; the last coefficient is 0
		y = l.Same("multiply", y, small)
		if k > 0 {
			y = l.Same("add", y, l.Like(x, c[k]))
		}
	}
	if n%2 == 0 {
		y = l.Select(l.Compare("GT", x, l.Like(x, 0)), l.Same("negate", y), y)
	}
	return y
}
