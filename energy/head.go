package energy

// This file ends a network: features become an energy,
//
//	E = w · mean_p swish(h[p]) + b = mean_p e[p],     e[p] = w · swish(h[p]) + b,        p over the pixels of the features,
//
// the mean of the energies e of the places in the image that the features are of.

import (
	"errors"
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// Head is the energy of the features h, a number per image. Parameters: name.weight and name.bias.
func Head(p *Params, name string, h *expr.Value) *expr.Value {
	if expr.Err(h) != nil {
		return h
	}
	s := h.Shape()
	h = expr.Swish(h, 0)
	if p.local != nil {
		p.local(Linear(p, name, h, 1))
	}
	mean := expr.Affine(expr.Sum(h, s.Channels()), 1/float64(s[0]*s[1]), 0)
	return Linear(p, name, mean, 1)
}

// Local are the energies of the places in the image x, e of each head that the energy is built with, in order: height × width × 1, coarser
// than the image. Of the networks of this package these are the scales, and the mean of each is the energy of its scale; of what is weighted
// and added they are weighted too. It is empty for an energy that ends otherwise, and has an invalid value, of [ErrNoPlaces], where a part of the
// energy does: a mixture, or a term of a sum without heads.
func (e *Energy) Local(p *Params, x, label *expr.Value) []*expr.Value {
	var local []*expr.Value
	wanted := *p
	wanted.local = func(places *expr.Value) { local = append(local, places) }
	e.Build(&wanted, x, label)
	return local
}

// through lets energies of places pass through f on their way, where they are wanted.
func (p *Params) through(f func(places *expr.Value) *expr.Value) *Params {
	if p.local == nil {
		return p
	}
	through := *p
	through.local = func(places *expr.Value) { p.local(f(places)) }
	return &through
}

// ErrNoPlaces says that an energy, or a part of it, is no mean over places.
var ErrNoPlaces = errors.New("there are no energies of places")

// placeless is for mixtures, which are no sums of their parts.
func placeless(*expr.Value) *expr.Value {
	return expr.Invalid(fmt.Errorf("energy: a mixture is no mean over places: %w", ErrNoPlaces))
}
