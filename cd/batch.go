package cd

// This file is what terms of the loss are made of: points, and the energy there.

import (
	"fmt"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// Point is where an energy is taken.
type Point struct {
	X     *expr.Value // an image, H×W×C
	Label *expr.Value // of a conditional model: one-hot, 1×1×classes; otherwise nil
}

// Batch is what a term of the loss is a function of, as expressions: sample values stand for one of the images of a batch.
type Batch struct {
	Positive Point // x⁺, of the data
	Negative Point // x⁻, the end of a chain, held fixed

	model      *energy.Energy
	params     *energy.Params
	sampler    mcmc.Sampler
	end        *Point              // x_kl, once it is asked for
	accepted   *expr.Value         // whether an unrolled chain took its last step; nil for samplers without proposals
	references map[int]*expr.Value // by their number, those that were asked for
	energies   map[energyAt][]*expr.Value
}

type energyAt struct {
	Point
	fixed bool
}

// The inputs of a loss.
const (
	dataInput, dataLabelInput      = "x_pos", "label_pos"
	negativeInput, chainLabelInput = "x_neg", "label_neg"
	gradientAtInput, startInput    = "x_hat", "x_start"
)

// NewBatch is for those who put a loss together themselves; [NewObjective] does so otherwise. The parameters are those of the model.
// The leaves are the inputs x_pos and x_neg, x_hat where x_kl is asked for, label_pos and label_neg of a conditional model, and the
// parameters references_N for N references.
func NewBatch(model *energy.Energy, params *energy.Params, s mcmc.Sampler) *Batch {
	label := func(name string) *expr.Value {
		if model.Classes == 0 {
			return nil
		}
		return expr.Input(name, expr.Shape{1, 1, model.Classes})
	}
	return &Batch{
		Positive: Point{expr.Input(dataInput, model.Image), label(dataLabelInput)},
		Negative: Point{expr.Input(negativeInput, model.Image), label(chainLabelInput)},
		model:    model, params: params, sampler: s,
		references: map[int]*expr.Value{}, energies: map[energyAt][]*expr.Value{},
	}
}

// newUnrolledBatch has chains of so many steps as part of the loss: x_kl is the end of a whole chain from its start, and x⁻ the same,
// held fixed.
func newUnrolledBatch(model *energy.Energy, params *energy.Params, s mcmc.Sampler, steps int) *Batch {
	b := NewBatch(model, params, s)
	last := mcmc.Unroll(s, b.descended, expr.Input(startInput, model.Image), steps)
	b.end, b.accepted = &Point{last.Next, b.Negative.Label}, last.Accepted
	b.Negative.X = expr.Stop(last.Next)
	return b
}

// Energies are E_θ at a point, for each scale a sample value of shape 1×1×1. Chains descend their sum ([energy.Sum]), the terms of the
// paper are made of their mean ([energy.Mean]).
func (b *Batch) Energies(p Point) []*expr.Value { return b.build(b.params, energyAt{p, false}) }

// FixedEnergies are E_sg(θ) at a point: the same numbers, with parameters that are held fixed. A gradient reaches θ through the point alone.
func (b *Batch) FixedEnergies(p Point) []*expr.Value {
	return b.build(b.params.Frozen(), energyAt{p, true})
}

func (b *Batch) build(params *energy.Params, at energyAt) []*expr.Value {
	if b.energies[at] == nil {
		b.energies[at] = b.model.Build(params, at.X, at.Label)
	}
	return b.energies[at]
}

// descended is what chains descend.
func (b *Batch) descended(x *expr.Value) *expr.Value {
	return energy.Sum(b.Energies(Point{x, b.Negative.Label}))
}

// End is x_kl, the end of a chain as a function of θ: of its last step,
//
//	x_kl = clamp(x̂ - λ P ∇E_θ(x̂), 0, 1)
//
// where x̂, at which its gradient was taken, is held fixed; or of all steps, if the chains are unrolled.
func (b *Batch) End() Point {
	if b.end == nil {
		x := expr.Input(gradientAtInput, b.model.Image)
		b.end = &Point{mcmc.GradientStep(b.descended, x, b.sampler.Drift()), b.Negative.Label}
	}
	return *b.end
}

// References are n images of the replay buffer, augmented: a shared value of shape n × pixels × channels. Whoever asks for fewer
// has the first of the same images.
func (b *Batch) References(n int) *expr.Value {
	if b.references[n] == nil {
		b.references[n] = expr.Param(referencesParam(n), expr.Shape{n, b.model.Image[0] * b.model.Image[1], b.model.Image[2]})
	}
	return b.references[n]
}

func referencesParam(n int) string { return fmt.Sprintf("references_%d", n) }

// Parameters are the parameters of the energy, θ, in the order of its specs.
func (b *Batch) Parameters() []*expr.Value {
	specs := b.params.Specs()
	leaves := make([]*expr.Value, len(specs))
	for i, s := range specs {
		leaves[i] = b.params.Get(s.Name, s.Shape, s.Init)
	}
	return leaves
}
