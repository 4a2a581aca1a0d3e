package energy

// This file ends a network: features become an energy,
//
//	E = w · mean_p swish(h[p]) + b        p over the pixels.

import "github.com/joule-ebm/joule/expr"

// Head is the energy of the features h, a number per image. Parameters: name.weight and name.bias.
func Head(p *Params, name string, h *expr.Value) *expr.Value {
	if expr.Err(h) != nil {
		return h
	}
	s := h.Shape()
	mean := expr.Affine(expr.Sum(expr.Swish(h, 0), s.Channels()), 1/float64(s[0]*s[1]), 0)
	return Linear(p, name, mean, 1)
}
