package energy

// This file makes an energy of what is seen of an image: with y = Ax + N(0, s²) at the points that are known,
//
//	E(x) = Σ_p known[p]·(Ax - y)²[p] / 2s²         p ∝ p(y | x)
//
// so that the sum of it and a prior's energy is the posterior's: images that are likely, and agree with what was seen. A is the identity, or
// the image at a lower resolution. Source: as for compositions; Graikos et al., "Diffusion models as plug-and-play priors" (2022), have
// the same sum with another prior.

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// The inputs of an observation: y, in the shape of Ax, and where it is known, from 0 to 1, height × width × 1.
const (
	ObservedInput = "observed"
	KnownInput    = "known"
)

// Observation is the energy of what is seen of images of a shape, each halved so many times, with the deviation s. What is seen of each
// image are inputs: [ObservedInput] and [KnownInput].
func Observation(image expr.Shape, halvings int, s float64) (*Energy, error) {
	if !(s > 0) || halvings < 0 || halvings > 12 {
		return nil, fmt.Errorf("energy: an observation of deviation %v, halved %d times: want more than 0, and 0 to 12", s, halvings)
	}
	return &Energy{Name: "the observation", Image: image, Build: func(_ *Params, x, _ *expr.Value) []*expr.Value {
		seen := Halved(x, halvings)
		if expr.Err(seen) != nil {
			return []*expr.Value{seen}
		}
		shape := seen.Shape()
		off := expr.Sub(seen, expr.Input(ObservedInput, shape))
		known := expr.Input(KnownInput, expr.Shape{shape[0], shape[1], 1})
		return []*expr.Value{expr.Affine(expr.Total(expr.Mul(known, expr.Mul(off, off))), 1/(2*s*s), 0)}
	}}, nil
}

// Halved is the image at half the resolution, so many times: means over 3×3 pixels, of which those outside the image do not count.
func Halved(x *expr.Value, times int) *expr.Value {
	for range times {
		if expr.Err(x) != nil {
			return x
		}
		shape := x.Shape()
		inside := expr.Pool(expr.Broadcast(expr.Const(1), expr.Shape{shape[0], shape[1], 1}))
		x = expr.Mul(expr.Pool(x), expr.Pow(inside, -1))
	}
	return x
}
