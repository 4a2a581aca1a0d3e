package energy

// This file makes energies of energies. Independently learnt energies add up to new distributions, without training:
//
//	and    E = Σ wᵢ Eᵢ                        p ∝ Π pᵢ^wᵢ         likely under all of them; w < 0: unlikely
//	or     E = -T log Σ wᵢ exp(-Eᵢ/T)         p = Σ wᵢ pᵢ         likely under one of them, at the temperature T and up to their Zᵢ
//	given  E(x) = E(x, y)                     p(x) = p(x | y)     of one label y of a conditional energy
//	choice E(x) = Σ zᵢ Eᵢ(x)                  p(x | z) = pᵢ       of the one that is chosen for each image, zᵢ = 1
//
// What they make are energies like any other. Parts have parameters of their own in a [Scoped], and share what has the same name without:
//
//	both, err := energy.And(energy.Scoped("young", young), energy.Weighted(-0.001, energy.Scoped("male", male)))
//
// Sources: Du, Li and Mordatch, "Compositional Visual Generation with Energy Based Models" (2020); Du et al. (2021), whose code weighs a
// negation by -0.001, and joins scale by scale at the temperature 0.01; Hinton, "Training products of experts" (2002).

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// Scoped is the energy e with its parameters in a scope: see [Params.Scope]. Messages name it so.
func Scoped(name string, e *Energy) *Energy {
	scoped := *e
	scoped.Name = name
	scoped.Build = func(p *Params, x, label *expr.Value) []*expr.Value { return e.build(p.Scope(name), x, label) }
	return &scoped
}

// Weighted is w·E: with w = 1/T the energy at the temperature T, with w < 0 its negation, which wants a positive term beside it that
// outweighs it: alone it is lowest at images that look like nothing.
func Weighted(w float64, e *Energy) *Energy {
	if w == 1 {
		return e
	}
	weighted := *e
	weighted.Build = func(p *Params, x, label *expr.Value) []*expr.Value {
		var scales []*expr.Value
		times := func(e *expr.Value) *expr.Value { return expr.Affine(e, w, 0) }
		for _, s := range e.build(p.through(times), x, label) {
			scales = append(scales, times(s))
		}
		return scales
	}
	return &weighted
}

// Given is a conditional energy with its label fixed, E(x) = E(x, y), which is unconditional: y has a number for each element of the label, for
// a class 1 in its place.
func Given(y []float64, e *Energy) (*Energy, error) {
	if len(y) != e.Classes || len(y) == 0 {
		return nil, fmt.Errorf("energy: a label of length %d for %s, whose label has length %d", len(y), e.called(0), e.Classes)
	}
	given, y := *e, slices.Clone(y)
	given.Classes = 0
	given.Build = func(p *Params, x, _ *expr.Value) []*expr.Value {
		var label *expr.Value
		for i, v := range y {
			if v == 0 && (i > 0 || slices.ContainsFunc(y, func(v float64) bool { return v != 0 })) {
				continue
			}
			if element := expr.Embed(expr.Const(v), i, len(y)); label == nil {
				label = element
			} else {
				label = expr.Add(label, element)
			}
		}
		return e.build(p, x, label)
	}
	return &given, nil
}

// And is the sum of energies, the product of what they find likely:
//
//	E = Σ Eᵢ
//
// Its scales are those of all parts. Parts are of images of one shape. Those that are conditional share the label, and so have equally many
// classes.
func And(parts ...*Energy) (*Energy, error) {
	parts = slices.Clone(parts)
	and, err := joined(parts)
	if err != nil || len(parts) == 1 {
		return and, err
	}
	and.Build = func(p *Params, x, label *expr.Value) (scales []*expr.Value) {
		for i, part := range parts {
			heads := 0
			counted := p.through(func(places *expr.Value) *expr.Value { heads++; return places })
			scales = append(scales, part.build(counted, x, part.own(label))...)
			if p.local != nil && heads == 0 {
				p.local(expr.Invalid(fmt.Errorf("energy: %s does not end as a mean over places: %w", part.called(i), ErrNoPlaces)))
			}
		}
		return scales
	}
	return and, nil
}

// Mixture says how [Or] joins energies.
type Mixture struct {
	Temperature float64   // T; 0 stands for 1
	LogWeights  []float64 // log wᵢ, up to a constant: they are normalised, so that a or a is a. None: equal weights
	ByScale     bool      // join the energies scale by scale, as Du et al. (2021) do, instead of the sums over the scales
}

// Or is the mixture of energies, with Σ wᵢ = 1:
//
//	E = -T log Σ wᵢ exp(-Eᵢ/T)         ∇E = Σ rᵢ ∇Eᵢ,     rᵢ = wᵢ exp(-Eᵢ/T) / Σ wⱼ exp(-Eⱼ/T)
//
// The nearer T is to 0, the more the lowest of the energies counts alone. An energy is known up to log Z: for parts to share the mixture
// evenly at the temperature T, their log wᵢ are -log Zᵢ. Parts are as for [And], and joined by scale they have equally many scales.
func Or(m Mixture, parts ...*Energy) (*Energy, error) {
	parts = slices.Clone(parts)
	or, err := joined(parts)
	if err != nil {
		return nil, err
	}
	if m.Temperature == 0 {
		m.Temperature = 1
	}
	if !(m.Temperature > 0 && m.Temperature < math.Inf(1)) {
		return nil, fmt.Errorf("energy: a mixture at the temperature %v: want more than 0", m.Temperature)
	}
	logWeights, err := m.normalised(len(parts))
	if err != nil || len(parts) == 1 {
		return or, err
	}
	if m.ByScale {
		scales := make([]int, len(parts))
		for i, part := range parts {
			if scales[i], err = part.Scales(); err != nil {
				return nil, err
			}
			if scales[i] != scales[0] {
				return nil, fmt.Errorf("energy: %s has %d scales and %s has %d: they cannot be joined scale by scale", parts[0].called(0), scales[0], part.called(i), scales[i])
			}
		}
	}
	or.Build = func(p *Params, x, label *expr.Value) []*expr.Value {
		var joined [][]*expr.Value // [scale][part]
		for _, part := range parts {
			scales := part.build(p.through(placeless), x, part.own(label))
			if !m.ByScale {
				scales = []*expr.Value{Sum(scales)}
			}
			for s, e := range scales {
				if s == len(joined) {
					joined = append(joined, nil)
				}
				joined[s] = append(joined[s], e)
			}
		}
		scales := make([]*expr.Value, len(joined))
		for s, energies := range joined {
			scales[s] = softMinimum(m.Temperature, logWeights, energies)
		}
		return scales
	}
	return or, nil
}

// normalised are the log-weights of n parts, of weights that sum to 1.
func (m Mixture) normalised(n int) ([]float64, error) {
	logs := make([]float64, n)
	switch {
	case len(m.LogWeights) == n:
		copy(logs, m.LogWeights)
	case len(m.LogWeights) > 0:
		return nil, fmt.Errorf("energy: %d log-weights for a mixture of %d energies", len(m.LogWeights), n)
	}
	largest, sum := math.Inf(-1), 0.0
	for _, l := range logs {
		if math.IsNaN(l) || math.IsInf(l, 0) {
			return nil, fmt.Errorf("energy: log-weight %v in a mixture: want a number", l)
		}
		largest = max(largest, l)
	}
	for _, l := range logs {
		sum += math.Exp(l - largest)
	}
	for i := range logs {
		logs[i] -= largest + math.Log(sum)
	}
	return logs, nil
}

// Shares are the probabilities that the parts have in the mixture, given their log Zᵢ at its temperature:
//
//	exp(-E/T)/Z = Σ sᵢ pᵢ,     sᵢ = wᵢ Zᵢ / Σ wⱼ Zⱼ.
func (m Mixture) Shares(logZ []float64) ([]float64, error) {
	logs, err := m.normalised(len(logZ))
	if err != nil {
		return nil, err
	}
	for i, z := range logZ {
		logs[i] += z
	}
	if logs, err = (Mixture{LogWeights: logs}).normalised(len(logZ)); err != nil {
		return nil, err
	}
	for i, l := range logs {
		logs[i] = math.Exp(l)
	}
	return logs, nil
}

// ChosenInput is the input of [Choice], 1×1×parts: of each image 1 for the part that is chosen, 0 for the others.
const ChosenInput = "chosen"

// Choice is for each image the energy of one of the parts, E(x) = Σ zᵢ Eᵢ(x) with the input z of [ChosenInput]. Chains of images whose z are
// drawn with the probabilities of [Mixture.Shares] draw from the mixture, whether or not they would find from one part to another. It has
// one scale; parts are as for [And].
func Choice(parts ...*Energy) (*Energy, error) {
	parts = slices.Clone(parts)
	choice, err := joined(parts)
	if err != nil || len(parts) == 1 {
		return choice, err
	}
	choice.Build = func(p *Params, x, label *expr.Value) []*expr.Value {
		var chosen []*expr.Value
		z := expr.Input(ChosenInput, expr.Shape{1, 1, len(parts)})
		for i, part := range parts {
			chosen = append(chosen, expr.Mul(expr.Slice(z, i, i+1), Sum(part.build(p.through(placeless), x, part.own(label)))))
		}
		return []*expr.Value{Sum(chosen)}
	}
	return choice, nil
}

// softMinimum is -T log Σ exp(uᵢ) with uᵢ = log wᵢ - Eᵢ/T, as -T (m + log Σ exp(uᵢ - m)): with the largest of them for m, held fixed,
// no exponential overflows.
func softMinimum(t float64, logWeights []float64, energies []*expr.Value) *expr.Value {
	u := make([]*expr.Value, len(energies))
	for i, e := range energies {
		u[i] = expr.Affine(e, -1/t, logWeights[i])
	}
	m := u[0]
	for _, v := range u[1:] {
		m = larger(m, v)
	}
	m = expr.Stop(m)
	sum := expr.Exp(expr.Sub(u[0], m))
	for _, v := range u[1:] {
		sum = expr.Add(sum, expr.Exp(expr.Sub(v, m)))
	}
	return expr.Affine(expr.Add(m, expr.Log(sum)), -t, 0)
}

// larger is max(a, b).
func larger(a, b *expr.Value) *expr.Value {
	first := expr.Negative(expr.Sub(b, a)) // 1 where a > b
	return expr.Add(expr.Mul(first, a), expr.Mul(expr.Affine(first, -1, 1), b))
}

// joined is an energy of the parts' images and label, yet to be given a function; of a single part it is that part.
func joined(parts []*Energy) (*Energy, error) {
	if len(parts) == 0 {
		return nil, errors.New("energy: nothing to compose")
	}
	all := *parts[0]
	if len(parts) > 1 {
		all.Name = ""
	}
	conditional := 0
	for i, part := range parts {
		if part.Image != all.Image {
			return nil, fmt.Errorf("energy: %s is of images of %v and %s of %v: only energies of images of one shape compose",
				parts[0].called(0), all.Image, part.called(i), part.Image)
		}
		switch {
		case part.Classes == 0:
		case all.Classes == 0:
			all.Classes, conditional = part.Classes, i
		case part.Classes != all.Classes:
			return nil, fmt.Errorf("energy: %s has %d classes and %s has %d: fix the class of one",
				parts[conditional].called(conditional), all.Classes, part.called(i), part.Classes)
		}
	}
	return &all, nil
}

// called is what messages call the i-th part of a composition.
func (e *Energy) called(i int) string {
	if e.Name != "" {
		return e.Name
	}
	return fmt.Sprintf("part %d", i+1)
}

// own is the label, for a conditional energy.
func (e *Energy) own(label *expr.Value) *expr.Value {
	if e.Classes == 0 {
		return nil
	}
	return label
}
