package cd

// This file puts the terms of the loss together and differentiates them.

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// Objective is the compiled loss and its derivative.
type Objective struct {
	parts      []part // the first looks at all images, and measures energies, x_kl and the acceptance too
	groups     []Group
	terms      []Term // that are there, in order
	specs      []energy.Spec
	image      expr.Shape
	sampler    mcmc.Sampler
	unrolled   int                  // steps of a chain that is part of the loss; 0: x⁻ is given
	end        bool                 // the first part has x_kl as an output
	accepted   bool                 // so is the acceptance of an unrolled chain
	references []int                // the numbers of references that are read
	most       int                  // the greatest of them
	whole      *whole               // the iteration that it is a part of, where that is one program
	apart      map[string][]float32 // a gradient of a later part, before it is added
}

// ObjectiveOptions say what an objective is made of.
type ObjectiveOptions struct {
	Terms   []Term // those of weight 0 are left out
	Sampler mcmc.Sampler
	// Unrolled > 0 makes chains of so many steps of the sampler part of the loss, if a term asks for x_kl: it is then differentiated
	// through all of them instead of the last one.
	Unrolled int
	// PerGroup computes the gradient of each group of terms ([Term].Gradient) instead of the loss's, one after the other: together they
	// would take so many times the memory for sums over the batch.
	PerGroup bool
}

// NewObjective compiles the loss of an energy.
func NewObjective(e engine.Engine, model *energy.Energy, o ObjectiveOptions) (*Objective, error) {
	params, err := model.Params()
	if err != nil {
		return nil, err
	}
	if err := checkTerms(o.Terms); err != nil {
		return nil, err
	}
	b := NewBatch(model, params, o.Sampler)
	if _, err := b.losses(o.Terms); err != nil {
		return nil, err
	}
	obj := &Objective{specs: params.Specs(), image: model.Image, sampler: o.Sampler}
	if b.end != nil && o.Unrolled > 0 {
		obj.unrolled = o.Unrolled
		b = newUnrolledBatch(model, params, o.Sampler, o.Unrolled)
	} else {
		b = NewBatch(model, params, o.Sampler)
	}
	for _, t := range o.Terms {
		if t.Weight != 0 {
			obj.terms = append(obj.terms, t)
		}
	}
	group := together
	if o.PerGroup {
		group = perGroup
	}
	for _, first := range firsts(obj.terms) {
		if err := obj.compilePart(e, b, first, group); err != nil {
			return nil, fmt.Errorf("cd: %w", err)
		}
	}
	for n := range b.references {
		obj.references, obj.most = append(obj.references, n), max(obj.most, n)
	}
	return obj, nil
}

// Groups are what gradients there are: one, without a name, of the whole loss, or one for each group of terms.
func (o *Objective) Groups() []Group { return o.groups }

// Unrolled says whether chains are part of the loss.
func (o *Objective) Unrolled() bool { return o.unrolled > 0 }

// References is the number of images of the replay buffer that the terms look at.
func (o *Objective) References() int { return o.most }

// Examples is what an objective is evaluated on: N images of each kind, N,H,W,C.
type Examples struct {
	Positive   []float32 // x⁺, data
	Negative   []float32 // x⁻, ends of chains; not needed if they are unrolled
	GradientAt []float32 // x̂, the points at which the chains' last gradients were taken; needed for x_kl unless they are unrolled
	Start      []float32 // the chains' starts; needed if they are unrolled

	LabelPos, LabelNeg []float32 // of the data and the chains, one-hot, N×classes; nil when unconditional
	References         []float32 // images of the replay buffer, as many as [Objective.References] says
	// Seed and FirstChain name the noise of unrolled chains, and what other random numbers the terms draw.
	Seed, FirstChain uint64
}

// Evaluation is the loss and its parts at some examples.
type Evaluation struct {
	Terms                []float64 // the value of each term of the objective that has a weight, in order
	EnergyPos, EnergyNeg []float32 // per image, mean over the scales
	End                  []float32 // x_kl; nil if no term asks for it
	Acceptance           float64   // unrolled: of the last step's proposals; 1 for samplers without
}

// Evaluate computes the loss. The gradients go to maps from parameter name to values, one for each of [Objective.Groups].
func (o *Objective) Evaluate(ctx context.Context, params map[string][]float32, x Examples, gradients ...map[string][]float32) (Evaluation, error) {
	if len(gradients) != len(o.groups) {
		return Evaluation{}, fmt.Errorf("cd: %d gradients asked for, the objective has %d", len(gradients), len(o.groups))
	}
	return o.evaluate(ctx, o.host(params, gradients...), x)
}

// evaluate is Evaluate with parameters and gradients in a memory.
func (o *Objective) evaluate(ctx context.Context, in memory, x Examples) (Evaluation, error) {
	others, err := o.referenceParams(x.References)
	if err != nil {
		return Evaluation{}, err
	}
	n := len(x.Positive) / o.image.Size()
	ev, losses, accepted := o.newEvaluation(n)
	err = o.each(n, x, in, ev, losses, accepted, func(p partProgram, call engine.Call) error {
		if err := in.bind(p.program, others); err != nil {
			return err
		}
		if err := p.program.Run(ctx, call); err != nil || !p.adds {
			return err
		}
		return in.add(p.group)
	})
	if err != nil {
		return Evaluation{}, err
	}
	o.measured(&ev, losses, accepted)
	return ev, nil
}

// measured takes what a call has measured.
func (o *Objective) measured(ev *Evaluation, losses [][1]float32, accepted []float32) {
	for _, l := range losses {
		ev.Terms = append(ev.Terms, float64(l[0]))
	}
	if o.accepted {
		ev.Acceptance, _ = meanAndDeviation(accepted)
	}
}

// prepare begins to make the programs ready for n images, on engines where that takes long.
func (o *Objective) prepare(n int, in memory) error {
	others, err := o.referenceParams(make([]float32, o.most*o.image.Size()))
	if err != nil {
		return err
	}
	ev, losses, accepted := o.newEvaluation(n)
	return o.each(n, Examples{}, in, ev, losses, accepted, func(p partProgram, call engine.Call) error {
		slow, ok := p.program.(engine.Preparer)
		if !ok {
			return nil
		}
		err := in.bind(p.program, others)
		if err == nil {
			slow.Prepare(call)
		}
		return err
	})
}

// referenceParams are the parameters that hold reference images.
func (o *Objective) referenceParams(images []float32) (map[string][]float32, error) {
	size := o.image.Size()
	if len(images) < o.most*size {
		return nil, fmt.Errorf("cd: %d numbers of reference images, the objective looks at %d images of %d", len(images), o.most, size)
	}
	params := map[string][]float32{}
	for _, n := range o.references {
		params[referencesParam(n)] = images[:n*size]
	}
	return params, nil
}

// newEvaluation has room for what a call for n images gives, with the losses of the terms and the acceptance of each image.
func (o *Objective) newEvaluation(n int) (ev Evaluation, losses [][1]float32, accepted []float32) {
	ev = Evaluation{EnergyPos: make([]float32, n), EnergyNeg: make([]float32, n), Acceptance: 1}
	if o.end {
		ev.End = make([]float32, n*o.image.Size())
	}
	return ev, make([][1]float32, len(o.terms)), make([]float32, n)
}

// The first results of an objective; behind them come x_kl and the acceptance, where they are, the terms and the gradient.
const (
	resultEnergyPos = iota
	resultEnergyNeg
	resultEnd
)

// firstLoss is the number of the first term's result.
func (o *Objective) firstLoss() int {
	n := resultEnd
	for _, there := range []bool{o.end, o.accepted} {
		if there {
			n++
		}
	}
	return n
}
