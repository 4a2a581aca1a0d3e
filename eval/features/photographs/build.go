package photographs

// This file is the network.

import (
	"fmt"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
)

const (
	Dim     = 128 // features of an image
	Classes = 10
	side    = 32
)

// Image is the shape of the images it takes.
var Image = expr.Shape{side, side, 3}

// Build makes the network of parameters p at images x with values in [0, 1): its features, 1×1×Dim, and the logits of the classes,
// 1×1×Classes.
func Build(p *energy.Params, x *expr.Value) (features, logits *expr.Value) {
	number := 0
	block := func(h *expr.Value, out int, pool bool) *expr.Value {
		number++
		h = energy.Conv(p, fmt.Sprintf("conv%d", number), h, out, energy.PlainKernel)
		if pool {
			h = expr.Pool(h)
		}
		return expr.Swish(normalise(p, fmt.Sprintf("norm%d", number), h), 0)
	}
	residual := func(h *expr.Value, convs int) *expr.Value {
		y := h
		for range convs {
			y = block(y, h.Shape()[2], false)
		}
		return expr.Add(h, y)
	}
	h := expr.Affine(x, 4, -1.9) // mean about 0, standard deviation about 1
	h = block(h, 32, false)
	h = block(h, 64, true)
	h = residual(h, 2)
	h = block(h, 128, true)
	h = residual(h, 2)
	features = expr.Affine(expr.Sum(h, h.Shape().Channels()), 1/float64(h.Shape()[0]*h.Shape()[1]), 0)
	return features, energy.Linear(p, "linear", features, Classes)
}

// normalise is group normalisation (Wu and He 2018): zero mean and unit variance over the pixels and 16 channels each, then γ and β.
func normalise(p *energy.Params, name string, x *expr.Value) *expr.Value {
	c := x.Shape()[2]
	gamma := p.Get(name+".weight", x.Shape().Channels(), energy.Constant(1, energy.Vector))
	beta := p.Get(name+".bias", x.Shape().Channels(), energy.Constant(0, energy.Vector))
	return expr.Add(expr.Mul(gamma, expr.Normalise(x, c/16, 1e-5)), beta)
}
