package model

// This file draws from mixtures. With weights wᵢ of alternatives whose Zᵢ at the temperature T are known, an image of
//
//	p(x) = exp(-E(x)/T)/Z = Σ sᵢ pᵢ(x),     sᵢ = wᵢ Zᵢ / Σ wⱼ Zⱼ,
//
// is an image of the alternative i with the probability sᵢ (ancestral sampling): z is drawn first, then x given z, by a chain that descends the
// energy of its alternative alone. A chain that descends E has to walk from alternative to alternative to visit each as often as it should.
// Chains of images do not: they stay with the one whose valley was next to where they began.

import (
	"math"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/mcmc"
)

// Alternative is a part of a mixture.
type Alternative struct {
	Expression string  `json:"expression"`
	Share      float64 `json:"share"` // its probability
	energy     *energy.Energy
}

// Alternatives are those of which each chain draws one, with shares that sum to 1: of an expression that is a mixture (|) as a whole, and whose
// log Z are known. Where they are not, where it joins scale by scale, or where | stands within & or a weight, chains descend the energy of
// the mixture, and the whole is its only alternative.
func (c *Composition) Alternatives() ([]Alternative, error) {
	n, err := parse(c.Expression)
	if err != nil {
		return nil, err
	}
	return c.alternatives(n)
}

func (c *Composition) alternatives(n *node) (all []Alternative, err error) {
	shares, err := c.shares(n)
	if err != nil {
		return nil, err
	}
	for i, share := range shares {
		of, err := c.alternatives(n.of[i])
		if err != nil {
			return nil, err
		}
		for _, a := range of {
			a.Share *= share
			all = append(all, a)
		}
	}
	if all != nil {
		return all, nil
	}
	if n.kind == nodePart { // that may be a mixture itself
		part, err := c.part(n.name)
		if err != nil {
			return nil, err
		}
		if inner := part.Config.Composition; inner != nil {
			of, err := inner.Alternatives()
			if err != nil {
				return nil, err
			}
			for _, a := range of {
				if a.energy, err = part.at(n, a.energy); err != nil {
					return nil, err
				}
				if len(of) == 1 {
					a.Expression = n.String()
				}
				all = append(all, a)
			}
			return all, nil
		}
	}
	e, err := c.energyOf(n)
	return []Alternative{{n.String(), 1, e}}, err
}

// shares are those of a mixture's alternatives; nil if it is none, or they are not known.
func (c *Composition) shares(n *node) ([]float64, error) {
	if n.kind != nodeOr || c.ByScale {
		return nil, nil
	}
	var logZ []float64
	for _, child := range n.of {
		z, ok := c.LogZ[child.String()]
		if !ok {
			return nil, nil
		}
		logZ = append(logZ, z)
	}
	return energy.Mixture{LogWeights: n.logWeights}.Shares(logZ)
}

// undrawn is a mixture of the expression whose alternatives chains do not draw; nil if there is none. Those of the expression may be drawn if
// it is all there is, or an alternative itself.
func (c *Composition) undrawn(n *node, drawable bool) *node {
	if part, err := c.part(n.name); err == nil && part.Config.Composition != nil {
		if inner, err := parse(part.Config.Composition.Expression); err == nil {
			return part.Config.Composition.undrawn(inner, drawable)
		}
	}
	shares, err := c.shares(n)
	drawable = drawable && err == nil && shares != nil
	if n.kind == nodeOr && !drawable {
		return n
	}
	for _, child := range n.of {
		if or := c.undrawn(child, drawable); or != nil {
			return or
		}
	}
	return nil
}

// alternatives are those of a composed model; none of another.
func (m *Model) alternatives() ([]Alternative, error) {
	if m.Config.Composition == nil {
		return nil, nil
	}
	return m.Config.Composition.Alternatives()
}

// choosingChain compiles the model's chain for the alternative that is chosen for each image.
func (m *Model) choosingChain(e engine.Engine, of []Alternative) (*mcmc.Chain, error) {
	var energies []*energy.Energy
	for _, a := range of {
		energies = append(energies, a.energy)
	}
	choice, err := energy.Choice(energies...)
	if err != nil {
		return nil, err
	}
	return m.chainOf(e, choice)
}

// chosen are the alternatives of n images as the input of energy.Choice. Like labels they take turns, by their shares: of any 2ᵏ images in a row that
// have the same of so many labels each has its share, but for rounding. Each label begins elsewhere, for few images of many labels to share too.
func chosen(of []Alternative, labels, first, n int) []float32 {
	z := make([]float32, n*len(of))
	for i := range n {
		turn, label := (first+i)/labels, (first+i)%labels
		u, k := math.Mod(spread(turn, 2)+spread(label, 2), 1), 0
		for u -= of[0].Share; u >= 0 && k < len(of)-1; u -= of[k].Share {
			k++
		}
		z[i*len(of)+k] = 1
	}
	return z
}
