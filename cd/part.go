package cd

// This file computes an objective in parts, where terms of the loss look at fewer images of a batch than others ([Term].First):
//
//	∇L = ∇ Σ wᵢ Lᵢ(x₁ … xₙ) + ∇ Σ wⱼ Lⱼ(x₁ … xₘ)        m < n
//
// L_opt, whose gradient is of second order, takes a quarter of the time of an iteration; of a quarter of the chains it has the same mean.

import (
	"maps"
	"slices"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// part is what an objective has of the terms that look at as many images of a batch ([Term].First).
type part struct {
	first    int           // images that it looks at; 0: all
	terms    []int         // by their place among the objective's
	programs []partProgram // one a group that it has terms of; the first computes its terms' values too
}

// partProgram computes the gradient of a part's terms of one group; it is none where the part, the first, has no terms.
type partProgram struct {
	program engine.Program
	group   int  // by its place among the objective's; below 0: none
	adds    bool // to the gradient of a part before it
}

// compilePart adds the part that looks at the first so many images, of which the one that looks at all comes first.
func (o *Objective) compilePart(e engine.Engine, b *Batch, first int, group func([]Term, []*expr.Value) []Group) error {
	own := slices.Clone(o.terms)
	for i := range own {
		if own[i].First != first {
			own[i].Weight = 0
		}
	}
	losses, err := b.losses(own)
	if err != nil {
		return err
	}
	p := part{first: first}
	var outputs []*expr.Value
	if first == 0 {
		outputs = append(outputs, energy.Mean(b.Energies(b.Positive)), energy.Mean(b.Energies(b.Negative)))
		if o.end = b.end != nil; o.end {
			outputs = append(outputs, b.end.X)
		}
		if o.accepted = b.accepted != nil; o.accepted {
			outputs = append(outputs, b.accepted)
		}
	}
	for i, l := range losses {
		if l != nil {
			p.terms, outputs = append(p.terms, i), append(outputs, l)
		}
	}
	groups := group(own, losses)
	if len(p.terms) == 0 {
		groups = []Group{{}} // of which there is no gradient
	}
	for _, g := range groups {
		one := partProgram{group: -1}
		if g.loss != nil {
			outputs = append(outputs, expr.Grad(g.loss, b.Parameters()...)...)
			one.group = slices.IndexFunc(o.groups, func(other Group) bool { return other.Name == g.Name })
			if one.adds = one.group >= 0; !one.adds {
				one.group, o.groups = len(o.groups), append(o.groups, g)
			}
		}
		if one.program, err = e.Compile(outputs...); err != nil {
			return err
		}
		p.programs, outputs = append(p.programs, one), nil
	}
	o.parts = append(o.parts, p)
	return nil
}

// firsts are the numbers of images that terms look at, each once: that of all, 0, before others.
func firsts(terms []Term) []int {
	all := []int{0}
	for _, t := range terms {
		if !slices.Contains(all, t.First) {
			all = append(all, t.First)
		}
	}
	return all
}

// each calls do for the programs, one after the other, each with its call.
func (o *Objective) each(n int, x Examples, in memory, ev Evaluation, losses [][1]float32, accepted []float32,
	do func(partProgram, engine.Call) error) error {
	for _, p := range o.parts {
		call := o.call(p, n, x, ev, losses, accepted)
		for _, one := range p.programs {
			if one.group >= 0 {
				in.leave(&call, one.group, one.adds)
			}
			if err := do(one, call); err != nil {
				return err
			}
			call.Outputs = nil // the gradients alone, of the next group
		}
	}
	return nil
}

// call evaluates everything of a part but gradients, of n images.
func (o *Objective) call(p part, n int, x Examples, ev Evaluation, losses [][1]float32, accepted []float32) engine.Call {
	var outputs [][]float32
	if p.first == 0 {
		outputs = append(outputs, ev.EnergyPos, ev.EnergyNeg)
		if o.end {
			outputs = append(outputs, ev.End)
		}
		if o.accepted {
			outputs = append(outputs, accepted)
		}
	} else if p.first < n {
		x, n = x.first(p.first, n), p.first
	}
	for _, i := range p.terms {
		outputs = append(outputs, losses[i][:])
	}
	inputs := mcmc.UnrolledInputs(o.sampler, o.unrolled, n)
	maps.Copy(inputs, map[string][]float32{dataInput: x.Positive, negativeInput: x.Negative, gradientAtInput: x.GradientAt,
		startInput: x.Start, dataLabelInput: x.LabelPos, chainLabelInput: x.LabelNeg})
	return engine.Call{Batch: n, Inputs: inputs, Outputs: outputs, Chain: engine.Chain{Seed: x.Seed, FirstImage: x.FirstChain}}
}

// first are the first m of n images of each kind.
func (x Examples) first(m, n int) Examples {
	for _, values := range []*[]float32{&x.Positive, &x.Negative, &x.GradientAt, &x.Start, &x.LabelPos, &x.LabelNeg} {
		*values = (*values)[:len(*values)/n*m]
	}
	return x
}
