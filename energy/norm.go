package energy

// This file normalises: within each group of channels of an image, over its pixels,
//
//	y = γ·(x - μ)/√(σ² + 10⁻⁵) + β        σ² the biased variance, γ and β per channel.
//
// Instance normalisation (Ulyanov et al. 2016) has a group per channel, group normalisation (Wu and He 2018) 32, layer
// normalisation (Ba et al. 2016) one.

import "github.com/joule-ebm/joule/expr"

// Norm names the normalisation in residual blocks. The empty string means ReferenceNorm.
type Norm string

// The choices: the reference is instance normalisation up to 128 channels and group normalisation above.
const (
	ReferenceNorm Norm = "reference"
	LayerNorm     Norm = "layer"
	NoNorm        Norm = "none"
)

const (
	mostInstances = 128 // channels with a group each, in the reference
	groupsAbove   = 32  // groups of more channels than that
)

// groups is the number of groups that c channels fall in; 0: no normalisation.
func (n Norm) groups(c int) int {
	switch {
	case n == NoNorm:
		return 0
	case n == LayerNorm:
		return 1
	case c > mostInstances:
		return groupsAbove
	}
	return c
}

// Of normalises x, with parameters name.weight (γ) and name.bias (β).
func (n Norm) Of(p *Params, name string, x *expr.Value) *expr.Value {
	if n == NoNorm || expr.Err(x) != nil {
		return x
	}
	perChannel := x.Shape().Channels()
	gamma := p.Get(name+".weight", perChannel, Constant(1, Vector))
	beta := p.Get(name+".bias", perChannel, Constant(0, Vector))
	return expr.Add(expr.Mul(gamma, expr.Normalise(x, n.groups(x.Shape()[2]), 1e-5)), beta)
}
