package main

import (
	"context"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/features/internal/network"
	"github.com/joule-ebm/joule/eval/features/scenes"
	"github.com/joule-ebm/joule/expr"
)

// learner minimises, over pictures with an object (o = 1) and without (o = 0),
//
//	L = mean of  -o log p(o) - (1-o) log(1-p(o))  +  o Σ_attributes -log p(label)  +  o/10 Σ_numbers ½ ((y-μ)²/σ² + log σ²).
//
// The numbers weigh less because their gradient grows as 1/σ and would drown that of the names.
type learner struct {
	*network.Learner
	digits *dataset.Set // things that are no objects
}

func newLearner(ctx context.Context, e engine.Engine) (learner, error) {
	digits, err := dataset.Open(ctx, "mnist", dataset.Size{Height: side, Width: side, Channels: 1})
	if err != nil {
		return learner{}, err
	}
	params := energy.NewParams()
	says := scenes.Build(params, expr.Input("x", scenes.Image))
	known := expr.Input("object", expr.Scalar)

	named := expr.Const(0)
	for i, a := range objects.Attributes {
		logits := says.Logits[i]
		named = expr.Add(named, expr.Sub(logSum(logits), expr.Total(expr.Mul(logits, expr.Input(a.Name, logits.Shape())))))
	}
	off := expr.Sub(expr.Input("numbers", says.Mean.Shape()), says.Mean)
	measured := expr.Affine(expr.Total(expr.Add(expr.Mul(expr.Pow(off, 2), expr.Exp(expr.Affine(says.LogVariance, -1, 0))), says.LogVariance)), 0.05, 0)
	there := expr.Sub(expr.Log(expr.Affine(expr.Exp(says.Object), 1, 1)), expr.Mul(says.Object, known))
	loss := expr.BatchMean(expr.Add(there, expr.Mul(known, expr.Add(named, measured))))
	l, err := network.NewLearner(e, params, loss)
	if err != nil {
		return learner{}, err
	}
	l.MaxNorm = 5
	return learner{l, digits}, nil
}

// logSum is log Σ_k exp(l_k).
func logSum(logits *expr.Value) *expr.Value { return expr.Log(expr.Total(expr.Exp(logits))) }

// step learns from the batch of that number and returns the loss there.
func (l learner) step(ctx context.Context, number int, rate float64) (float32, error) {
	inputs, err := l.lesson(ctx, uint64(number))
	if err != nil {
		return 0, err
	}
	return l.Step(ctx, batch, inputs, rate)
}

// lesson is a batch of pictures and what there is to know about them.
func (l learner) lesson(ctx context.Context, number uint64) (map[string][]float32, error) {
	pixels, drawn, err := objects.Draw(ctx, seed, number*batch, batch, scenes.Side)
	if err != nil {
		return nil, err
	}
	inputs := map[string][]float32{"object": make([]float32, batch)}
	for k, a := range objects.Attributes {
		labels := make([]int32, batch)
		for i, s := range drawn {
			labels[i] = int32(s.Labels[k])
		}
		inputs[a.Name] = cd.OneHot(labels, len(a.Values))
	}
	for i, s := range drawn {
		for k, number := range objects.Numbers {
			inputs["numbers"] = append(inputs["numbers"], float32(2*(s.Numbers[k]-number.Min)/(number.Max-number.Min)-1))
		}
		if l.disturb(pixels[i*scenes.Image.Size():][:scenes.Image.Size()], number*batch+uint64(i)) {
			inputs["object"][i] = 1
		}
	}
	inputs["x"] = scenes.Intensities(pixels, scenes.Side)
	return inputs, nil
}
