package cd

// This file puts the terms of the loss together and differentiates them.

import (
	"context"
	"fmt"
	"maps"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// Objective is the compiled loss and its derivative.
type Objective struct {
	programs   []engine.Program // one a group; the first computes everything but the gradients of the others too
	groups     []Group
	terms      []Term // that are there, in order
	specs      []energy.Spec
	image      expr.Shape
	sampler    mcmc.Sampler
	unrolled   int    // steps of a chain that is part of the loss; 0: x⁻ is given
	end        bool   // x_kl is an output
	accepted   bool   // so is the acceptance of an unrolled chain
	references []int  // the numbers of references that are read
	most       int    // the greatest of them
	whole      *whole // the iteration that it is a part of, where that is one program
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
	losses, err := b.losses(o.Terms)
	obj := &Objective{specs: params.Specs(), image: model.Image, sampler: o.Sampler}
	if err == nil && b.end != nil && o.Unrolled > 0 {
		obj.unrolled = o.Unrolled
		b = newUnrolledBatch(model, params, o.Sampler, o.Unrolled)
		losses, err = b.losses(o.Terms)
	}
	if err != nil {
		return nil, err
	}

	outputs := []*expr.Value{energy.Mean(b.Energies(b.Positive)), energy.Mean(b.Energies(b.Negative))}
	if obj.end = b.end != nil; obj.end {
		outputs = append(outputs, b.end.X)
	}
	if obj.accepted = b.accepted != nil; obj.accepted {
		outputs = append(outputs, b.accepted)
	}
	for i, l := range losses {
		if l != nil {
			obj.terms, outputs = append(obj.terms, o.Terms[i]), append(outputs, l)
		}
	}
	for n := range b.references {
		obj.references, obj.most = append(obj.references, n), max(obj.most, n)
	}
	obj.groups = together(o.Terms, losses)
	if o.PerGroup {
		obj.groups = perGroup(o.Terms, losses)
	}
	for _, g := range obj.groups {
		program, err := e.Compile(append(outputs, expr.Grad(g.loss, b.Parameters()...)...)...)
		if err != nil {
			return nil, fmt.Errorf("cd: %w", err)
		}
		obj.programs, outputs = append(obj.programs, program), nil
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

// memory is where an objective finds the parameters and leaves the gradients.
type memory interface {
	// bind gives a program the parameters, and others that it has beside them.
	bind(p engine.Program, others map[string][]float32) error
	// leave adds to a call the outputs that are the gradient which a program of the objective computes.
	leave(call *engine.Call, program int)
}

// hostMemory holds them by name.
type hostMemory struct {
	specs     []energy.Spec
	params    map[string][]float32
	gradients []map[string][]float32 // of each program
}

func (h hostMemory) bind(p engine.Program, others map[string][]float32) error {
	all := maps.Clone(h.params)
	maps.Copy(all, others)
	return p.Bind(all)
}

func (h hostMemory) leave(call *engine.Call, program int) {
	for _, s := range h.specs {
		call.Outputs = append(call.Outputs, h.gradients[program][s.Name])
	}
}

// Evaluate computes the loss. The gradients go to maps from parameter name to values, one for each of [Objective.Groups].
func (o *Objective) Evaluate(ctx context.Context, params map[string][]float32, x Examples, gradients ...map[string][]float32) (Evaluation, error) {
	if len(gradients) != len(o.programs) {
		return Evaluation{}, fmt.Errorf("cd: %d gradients asked for, the objective has %d", len(gradients), len(o.programs))
	}
	return o.evaluate(ctx, hostMemory{o.specs, params, gradients}, x)
}

// evaluate is Evaluate with parameters and gradients in a memory.
func (o *Objective) evaluate(ctx context.Context, in memory, x Examples) (Evaluation, error) {
	others, err := o.referenceParams(x.References)
	if err != nil {
		return Evaluation{}, err
	}
	n := len(x.Positive) / o.image.Size()
	ev, losses, accepted := o.newEvaluation(n)
	call := o.call(n, x, ev, losses, accepted)
	for i, program := range o.programs {
		in.leave(&call, i)
		if err := in.bind(program, others); err != nil {
			return Evaluation{}, err
		}
		if err := program.Run(ctx, call); err != nil {
			return Evaluation{}, err
		}
		call.Outputs = nil // the gradients alone, of the next group
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
	call := o.call(n, Examples{}, ev, losses, accepted)
	for i, program := range o.programs {
		in.leave(&call, i)
		if p, ok := program.(engine.Preparer); ok {
			if err := in.bind(program, others); err != nil {
				return err
			}
			p.Prepare(call)
		}
		call.Outputs = nil
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

// call evaluates everything but gradients.
func (o *Objective) call(n int, x Examples, ev Evaluation, losses [][1]float32, accepted []float32) engine.Call {
	outputs := [][]float32{ev.EnergyPos, ev.EnergyNeg}
	if o.end {
		outputs = append(outputs, ev.End)
	}
	if o.accepted {
		outputs = append(outputs, accepted)
	}
	for i := range losses {
		outputs = append(outputs, losses[i][:])
	}
	inputs := mcmc.UnrolledInputs(o.sampler, o.unrolled, n)
	maps.Copy(inputs, map[string][]float32{dataInput: x.Positive, negativeInput: x.Negative, gradientAtInput: x.GradientAt,
		startInput: x.Start, dataLabelInput: x.LabelPos, chainLabelInput: x.LabelNeg})
	return engine.Call{Batch: n, Inputs: inputs, Outputs: outputs, Chain: engine.Chain{Seed: x.Seed, FirstImage: x.FirstChain}}
}
