package cd

// This file makes an iteration one program, on engines that can: chains, loss, norm, clip, Adam and average follow one another on the device,
// and the host waits once. It then learns whether the update was made: the device looks at the numbers itself (health.go), and leaves
// everything as it was if they are no longer those of a training that learns.

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// whole is an iteration as one program.
type whole struct {
	sequence engine.Sequence
	chain    *mcmc.Chain // nil if chains are part of the loss
	// The numbers of its stages.
	loss, norm, mean, health, update int
}

// The leaves of the program that says whether an iteration is healthy, beside the losses of the terms.
const (
	healthEnd, healthMean                = "end", "mean"
	healthEnergyPos, healthEnergyNeg     = "energy_pos", "energy_neg"
	healthSquaredNorm, healthLeastSpread = squaredNorm, "least_diversity"
)

func healthLoss(term int) string { return fmt.Sprint("loss_", term) }

// healthy is 1 if [Metrics.Healthy] has nothing to say of the numbers of an iteration, and 0 otherwise.
func healthy(image expr.Shape, terms int) *expr.Value {
	number := func(name string) *expr.Value { return expr.Param(name, expr.Scalar) }
	meanEnergy := func(name string) *expr.Value { return expr.BatchMean(expr.Input(name, expr.Scalar)) }

	off := expr.Sub(expr.Input(healthEnd, image), expr.Param(healthMean, image))
	deviation := expr.Pow(expr.BatchMean(expr.Mul(off, off)), 0.5)
	diversity := expr.Affine(expr.Total(deviation), 1/float64(image.Size()), 0)
	const tiny = 1e-30 // a single image has no diversity, and needs none
	conditions := []*expr.Value{
		expr.Within(meanEnergy(healthEnergyPos), -PaperEnergyLimit, PaperEnergyLimit),
		expr.Within(meanEnergy(healthEnergyNeg), -PaperEnergyLimit, PaperEnergyLimit),
		expr.Within(number(healthSquaredNorm), -1, math.MaxFloat32),
		expr.Within(expr.Sub(diversity, number(healthLeastSpread)), -tiny, math.MaxFloat32),
	}
	for i := range terms {
		conditions = append(conditions, expr.Within(number(healthLoss(i)), -math.MaxFloat32, math.MaxFloat32))
	}
	all := conditions[0]
	for _, c := range conditions[1:] {
		all = expr.Mul(all, c)
	}
	return all
}

// newWhole makes the iteration that an objective is the loss of. It is nil if the engine cannot, or does not keep the state of training.
func (t *Trainer) newWhole(o *Objective) (*whole, error) {
	if t.kept == nil {
		return nil, nil
	}
	e, ok := t.kept.engine.(engine.Sequencer)
	if !ok {
		return nil, nil
	}
	var stages []engine.Stage
	add := func(p engine.Program, from map[string]engine.Result, onlyIf *engine.Result) int {
		stages = append(stages, engine.Stage{Program: p, From: from, If: onlyIf})
		return len(stages) - 1
	}
	w, from := &whole{}, map[string]engine.Result{}
	if !o.Unrolled() {
		w.chain = t.chain
		at := add(t.chain.Program(), nil, nil)
		if from[negativeInput] = (engine.Result{Stage: at, Output: mcmc.ResultEnd}); o.end {
			from[gradientAtInput] = engine.Result{Stage: at, Output: mcmc.ResultGradientAt}
		}
	}
	w.loss = add(o.parts[0].programs[0].program, from, nil)
	end := from[negativeInput]
	if o.Unrolled() {
		end = engine.Result{Stage: w.loss, Output: resultEnd}
	}
	w.norm = add(t.kept.norm, nil, nil)
	square := engine.Result{Stage: w.norm}

	mean, err := t.kept.compile(expr.BatchMean(expr.Input(healthEnd, t.model.Image)))
	if err != nil {
		return nil, err
	}
	w.mean = add(mean, map[string]engine.Result{healthEnd: end}, nil)
	health, err := t.kept.compile(healthy(t.model.Image, len(o.terms)))
	if err != nil {
		return nil, err
	}
	from = map[string]engine.Result{healthEnd: end, healthMean: {Stage: w.mean}, healthSquaredNorm: square,
		healthEnergyPos: {Stage: w.loss, Output: resultEnergyPos}, healthEnergyNeg: {Stage: w.loss, Output: resultEnergyNeg}}
	for i := range o.terms {
		from[healthLoss(i)] = engine.Result{Stage: w.loss, Output: o.firstLoss() + i}
	}
	w.health = add(health, from, nil)

	from = nil
	if t.settings.ClipNorm > 0 {
		from = map[string]engine.Result{squaredNorm: square}
	}
	w.update = add(t.kept.update, from, &engine.Result{Stage: w.health})
	w.sequence, err = e.Sequence(stages...)
	return w, err
}

// wholeCall is a call of its stages, and where they leave what they measure.
type wholeCall struct {
	stages          []engine.Call
	ev              Evaluation
	losses          [][1]float32
	accepted        []float32      // unrolled
	acceptance      func() float64 // of chains that are not; nil where they are
	square, healthy [1]float32
}

// call binds the stages and says what to call them with, for the examples and for the learning rate and the data's diversity in m.
func (w *whole) call(t *Trainer, o *Objective, x *Examples, m *Metrics) (c *wholeCall, err error) {
	others, err := o.referenceParams(x.References)
	if err != nil {
		return nil, err
	}
	n := len(x.Positive) / o.image.Size()
	c = &wholeCall{}
	c.ev, c.losses, c.accepted = o.newEvaluation(n)
	bind := func(stage int, places map[string]engine.Place, others map[string][]float32) {
		if err == nil {
			err = w.sequence.BindStore(stage, t.kept.store, places, others)
		}
	}
	if w.chain != nil {
		x.Negative, c.ev.End = slices.Clone(x.Start), nil // x_kl stays there
		var call engine.Call
		if call, c.acceptance, err = w.chain.Call(x.Negative, t.chainOptions(x)); err != nil {
			return nil, err
		}
		c.stages = append(c.stages, call)
		bind(0, t.kept.places, nil)
	}
	loss := o.call(o.parts[0], n, *x, c.ev, c.losses, c.accepted)
	t.kept.leave(&loss, 0, false)
	bind(w.loss, t.kept.places, others)
	bind(w.norm, wholeArrays(keptGradient), nil)
	bind(w.mean, nil, nil)
	bind(w.health, nil, map[string][]float32{healthLeastSpread: {float32(collapsedShare * m.DataDiversity)}})
	bind(w.update, wholeArrays(updated...), updateNumbers(&t.settings, m.LearningRate, t.Adam.Updates+1))
	c.stages = append(c.stages, loss, engine.Call{Batch: n, Outputs: [][]float32{c.square[:]}}, engine.Call{Batch: n, Outputs: make([][]float32, 1)},
		engine.Call{Batch: n, Outputs: [][]float32{c.healthy[:]}}, updateCall(n))
	return c, err
}

// prepare begins to make the iteration ready for batches of n images, on engines where that takes long.
func (w *whole) prepare(t *Trainer, o *Objective, n int) error {
	p, ok := w.sequence.(engine.Preparer)
	if !ok {
		return nil
	}
	size := o.image.Size()
	blank := Examples{Positive: make([]float32, n*size), Start: make([]float32, n*size), References: make([]float32, o.References()*size)}
	c, err := w.call(t, o, &blank, &Metrics{})
	if err == nil {
		p.Prepare(c.stages...)
	}
	return err
}

// step makes the iteration of an objective, with what it measured, and says whether the update was made. It leaves the chains' ends in x.
func (w *whole) step(ctx context.Context, t *Trainer, o *Objective, x *Examples, m *Metrics) (ev Evaluation, made bool, err error) {
	c, err := w.call(t, o, x, m)
	if err != nil {
		return ev, false, err
	}
	t.kept.pulled = false
	if err := w.sequence.Run(ctx, c.stages...); err != nil {
		return ev, false, err
	}
	o.measured(&c.ev, c.losses, c.accepted)
	m.Acceptance, m.GradNorm = c.ev.Acceptance, math.Sqrt(float64(c.square[0]))
	if c.acceptance != nil {
		m.Acceptance = c.acceptance()
	} else {
		x.Negative = c.ev.End
	}
	return c.ev, c.healthy[0] > 0, nil
}
