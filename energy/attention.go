package energy

// This file has self-attention: every pixel p looks at every pixel r,
//
//	a[p, ·] = softmax_r(q[p]·k[r])        y[p] = x[p] + γ Σ_r a[p, r] v[r],
//
// with queries q and keys k of an eighth of the channels and values v, all linear in x[p]. γ starts at 0, so the block starts as
// the identity. Source: Zhang et al., "Self-Attention Generative Adversarial Networks" (2019).

import "github.com/joule-ebm/joule/expr"

// keyShare is the number of channels for each channel of the queries and keys.
const keyShare = 8

// Attention is self-attention over the pixels; it keeps the shape of x, which needs 8 channels or more. Parameters:
// name.query_conv, .key_conv, .value_conv, .gamma.
func Attention(p *Params, name string, x *expr.Value) *expr.Value {
	if expr.Err(x) != nil {
		return x
	}
	c := x.Shape()[2]
	q := Pixelwise(p, name+".query_conv", x, c/keyShare)
	k := Pixelwise(p, name+".key_conv", x, c/keyShare)
	v := Pixelwise(p, name+".value_conv", x, c)
	gamma := p.Get(name+".gamma", expr.Scalar, Constant(0, Vector))
	a := expr.Softmax(expr.MatMul(q, k, false, true))
	return expr.Add(x, expr.Mul(gamma, expr.MatMul(a, v, false, false)))
}
