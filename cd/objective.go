package cd

// This file puts the terms of the loss together and differentiates them.

import (
	"context"
	"fmt"
	"maps"
	"slices"

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

// memory is where an objective finds the parameters and leaves the gradients.
type memory interface {
	// bind gives a program the parameters, and others that it has beside them.
	bind(p engine.Program, others map[string][]float32) error
	// leave adds to a call the outputs that are the gradient of a group; apart: where it waits for add.
	leave(call *engine.Call, group int, apart bool)
	// add adds the gradient that waits to that of the group.
	add(group int) error
}

// hostMemory holds them by name.
type hostMemory struct {
	specs     []energy.Spec
	params    map[string][]float32
	gradients []map[string][]float32      // of each group
	waiting   func() map[string][]float32 // for a gradient that is to be added
}

func (h hostMemory) bind(p engine.Program, others map[string][]float32) error {
	all := maps.Clone(h.params)
	maps.Copy(all, others)
	return p.Bind(all)
}

func (h hostMemory) leave(call *engine.Call, group int, apart bool) {
	to := h.gradients[group]
	if apart {
		to = h.waiting()
	}
	for _, s := range h.specs {
		call.Outputs = append(call.Outputs, to[s.Name])
	}
}

func (h hostMemory) add(group int) error {
	for name, values := range h.waiting() {
		sum := h.gradients[group][name]
		for i, v := range values {
			sum[i] += v
		}
	}
	return nil
}

// Evaluate computes the loss. The gradients go to maps from parameter name to values, one for each of [Objective.Groups].
func (o *Objective) Evaluate(ctx context.Context, params map[string][]float32, x Examples, gradients ...map[string][]float32) (Evaluation, error) {
	if len(gradients) != len(o.groups) {
		return Evaluation{}, fmt.Errorf("cd: %d gradients asked for, the objective has %d", len(gradients), len(o.groups))
	}
	return o.evaluate(ctx, o.host(params, gradients...), x)
}

// host is memory of the host, with a gradient for each group.
func (o *Objective) host(params map[string][]float32, gradients ...map[string][]float32) hostMemory {
	return hostMemory{o.specs, params, gradients, o.waiting}
}

// waiting has room for a gradient.
func (o *Objective) waiting() map[string][]float32 {
	if o.apart == nil {
		o.apart = energy.Named(o.specs, make([]float32, energy.Numbers(o.specs)))
	}
	return o.apart
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
