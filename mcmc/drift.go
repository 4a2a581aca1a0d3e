package mcmc

// This file has the deterministic part of a sampler's move, and steps that go further in what is coarse:
//
//	x - λ P ∇E(x),        P = Σ_l β^l U_l U_lᵀ/4^l,
//
// where U_l makes an image of 1/2^l of the height and width as large again, by linear interpolation, and U_0 = I. What differs from pixel to
// pixel moves by λ; what only a quarter of the resolution shows, by λ(1 + β + β²). P is symmetric and positive, so that the points where steps
// come to rest stay those where ∇E is 0. It is a preconditioner that has the spectrum of photographs, in which most is coarse: steps as long for
// all frequencies are too long for the finest, where chains then end in a grid, or too short for the rest. And ∇E itself has a grid, by the
// pooling of the network, 3×3 means at every other pixel, which give the pixels 1, 2 and 4 places to act on; U_l weighs them alike.
//
// Sources: Roberts and Stramer, "Langevin diffusions and Metropolis-Hastings algorithms" (2002), for preconditioned Langevin dynamics; Ma et al.,
// "Accelerating score-based generative models with preconditioned diffusion sampling" (ECCV 2022), by the spectrum of images.

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// Drift is λP. The zero value goes nowhere.
type Drift struct {
	StepSize float64 // λ
	Coarse   float64 // β; 0: P is the identity
}

// coarsest is the least side of an image that steps go further in.
const coarsest = 4

// mostCoarse bounds β: in images of 128×128 the coarsest part then moves more than a thousand times as far as the finest.
const mostCoarse = 4

func (d Drift) check() error {
	if !(d.StepSize > 0 && d.StepSize <= 1e9) {
		return fmt.Errorf("step_size is %v: want more than 0, such as 100", d.StepSize)
	}
	if !(d.Coarse >= 0 && d.Coarse <= mostCoarse) {
		return fmt.Errorf("coarse is %v: want 0 to %d, such as 2", d.Coarse, mostCoarse)
	}
	return nil
}

// half is the drift in images half as large as those of a shape, and the shape of these; false where steps go no further in them.
func (d Drift) half(image expr.Shape) (Drift, expr.Shape, bool) {
	further := d.Coarse != 0 && min(image[0], image[1]) >= 2*coarsest
	return Drift{d.StepSize * d.Coarse, d.Coarse}, expr.Shape{(image[0] + 1) / 2, (image[1] + 1) / 2, image[2]}, further
}

// Of is λPg for a gradient g, H×W×C: with U of one halving, P = I + β U/2 P' (U/2)ᵀ, where P' is that of the image half as large.
func (d Drift) Of(g *expr.Value) *expr.Value {
	fine := expr.Affine(g, d.StepSize, 0)
	shape := g.Shape()
	half, halved, further := d.half(shape)
	if expr.Err(g) != nil || !further {
		return fine
	}
	two := expr.Broadcast(expr.Const(2), expr.Shape{halved[0], halved[1], 1})
	alike := expr.Pow(expr.Unpool(two, expr.Shape{shape[0], shape[1], 1}), -1) // 9/2 over the number of means that a pixel is in
	coarse := half.Of(expr.Pool(expr.Mul(alike, g)))
	return expr.Add(fine, expr.Mul(alike, expr.Unpool(coarse, shape)))
}

// Most is about how far the move goes at most, for a gradient of length 1: in what the coarsest image of this shape shows.
func (d Drift) Most(image expr.Shape) float64 {
	if half, halved, further := d.half(image); further {
		return d.StepSize + half.Most(halved)
	}
	return d.StepSize
}
