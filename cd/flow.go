package cd

import (
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
)

// Flow is how L_flow is made.
type Flow struct {
	Steps int // K, of the chains that are to arrive
}

// flowTaper is the share of the way, at its end, over which the target falls to 0, so that images of the data are at rest.
const flowTaper = 0.2

// Loss is L_flow: K steps of a chain go the straight way from noise z to an image of the data,
//
//	L_flow = mean ‖Kλ P∇E(x_t) + w(t)(x⁺ - z)‖²/D,   x_t = z + t(x⁺ - z),   w(t) = min(1, (1 - t)/0.2),   t ~ U(0, 1),   z ~ U(0, 1)ᴰ
//
// where D is the number of an image's elements. It is flow matching (Lipman et al. 2023) with a field that is a gradient and knows no
// time (Balcerak et al., "Energy matching", arXiv 2504.10612), whose target tapers off (Wang and Du, "Equilibrium matching", arXiv
// 2510.02300). No chain is run for it. The energies are the sum over the scales, which chains descend.
func (f Flow) Loss(b *Batch) *expr.Value {
	z, t := expr.Uniform("flow_z", b.Positive.X.Shape()), expr.Uniform("flow_t", expr.Scalar)
	way := expr.Sub(b.Positive.X, z)
	x := expr.Add(z, expr.Mul(t, way))
	taper := expr.Clamp(expr.Affine(t, -1/flowTaper, 1/flowTaper), 0, 1)
	gradient := expr.Grad(energy.Sum(b.Energies(Point{x, b.Positive.Label})), x)[0]
	miss := expr.Add(expr.Affine(b.sampler.Drift().Of(gradient), float64(f.Steps), 0), expr.Mul(taper, way))
	return expr.BatchMean(expr.Affine(expr.Total(expr.Mul(miss, miss)), 1/float64(x.Shape().Size()), 0))
}
