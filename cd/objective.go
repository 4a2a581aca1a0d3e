package cd

import (
	"context"
	"fmt"
	"maps"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// This file puts the loss together and differentiates it:
//
//	L = L_cd + c_reg·L_reg + c_opt·L_opt + c_ent·L_ent
//	x_kl = clamp(x̂ - λ ∇x E_θ(x̂), 0, 1)
//
// or, unrolled, x_kl is the end of the whole chain from its start, and x⁻ the same, held fixed.

// Weights are the coefficients of the terms; a term of coefficient 0 is left out.
type Weights struct {
	Magnitude    float64 // c_reg
	Optimisation float64 // c_opt, "kl_coeff"
	Entropy      float64 // c_ent
}

// kl says whether any part of the KL term is left.
func (w Weights) kl() bool { return w.Optimisation != 0 || w.Entropy != 0 }

// Term is one term of the loss.
type Term int

// The terms, in the order in which an [Objective] reports them.
const (
	TermContrastive Term = iota
	TermMagnitude
	TermOptimisation
	TermEntropy
	terms
)

// TermNames are the names used in metrics.
var TermNames = [terms]string{"cd", "reg", "opt", "ent"}

// Objective is the compiled loss and its derivative.
type Objective struct {
	programs   []engine.Program // the first computes all but the gradients of further groups, which have one each
	specs      []energy.Spec
	present    []Term // terms whose value is an output, in order
	perTerm    bool
	references bool
	unrolled   int
	accepted   bool // the end of the unrolled chain comes with its acceptance
	sampler    mcmc.Sampler
	image      expr.Shape
}

// ObjectiveOptions say what an objective is made of.
type ObjectiveOptions struct {
	Weights   Weights
	Neighbour int // k of the entropy term; 0 means 1
	// References is the number of reference images of the entropy term.
	References int
	Sampler    mcmc.Sampler
	// Unrolled > 0 runs that many steps of the sampler and differentiates the KL term through all of them instead of the last one.
	// Without a KL term there is nothing to unroll.
	Unrolled int
	// PerTerm reports three gradients instead of that of the weighted sum: L_cd + c_reg·L_reg, L_opt, L_ent (as far as present), one after
	// the other: together they would take three times the memory for sums over the batch.
	PerTerm bool
}

// NewObjective compiles the loss of an energy.
func NewObjective(e engine.Engine, model *energy.Energy, o ObjectiveOptions) (*Objective, error) {
	params, err := model.Params()
	if err != nil {
		return nil, err
	}
	image := model.Image
	label := func(name string) *expr.Value {
		if model.Classes == 0 {
			return nil
		}
		return expr.Input(name, expr.Shape{1, 1, model.Classes})
	}
	labelPos, labelNeg := label("label_pos"), label("label_neg")
	live := func(x *expr.Value) *expr.Value { return energy.Sum(model.Build(params, x, labelNeg)) }

	obj := &Objective{specs: params.Specs(), perTerm: o.PerTerm, references: o.Weights.Entropy != 0, sampler: o.Sampler, image: image}
	xneg, xkl := expr.Input("x_neg", image), expr.Input("x_hat", image)
	var accepted *expr.Value
	switch {
	case !o.Weights.kl():
	case o.Unrolled > 0:
		obj.unrolled = o.Unrolled
		last := mcmc.Unroll(o.Sampler, live, xkl, o.Unrolled)
		xkl, accepted = last.Next, last.Accepted
		xneg = expr.Stop(xkl)
	default:
		xkl = mcmc.GradientStep(live, xkl, o.Sampler.Drift())
	}

	positive := model.Build(params, expr.Input("x_pos", image), labelPos)
	negative := model.Build(params, xneg, labelNeg)
	losses := map[Term]*expr.Value{TermContrastive: Contrastive(positive, negative)}
	if o.Weights.Magnitude != 0 {
		losses[TermMagnitude] = Magnitude(positive, negative)
	}
	if o.Weights.Optimisation != 0 {
		losses[TermOptimisation] = Optimisation(model.Build(params.Frozen(), xkl, labelNeg))
	}
	if o.Weights.Entropy != 0 {
		references := expr.Param("references", expr.Shape{o.References, image[0] * image[1], image[2]})
		losses[TermEntropy] = Entropy(xkl, references, max(o.Neighbour, 1))
	}

	outputs := []*expr.Value{energy.Mean(positive), energy.Mean(negative), xkl}
	if obj.accepted = accepted != nil; obj.accepted {
		outputs = append(outputs, accepted)
	}
	coefficient := [terms]float64{1, o.Weights.Magnitude, o.Weights.Optimisation, o.Weights.Entropy}
	group := [terms]int{0, 0, 1, 2} // of a per-term gradient
	var sums [3]*expr.Value
	for t := range terms {
		loss := losses[t]
		if loss == nil {
			continue
		}
		obj.present = append(obj.present, t)
		outputs = append(outputs, loss)
		g := 0
		if o.PerTerm {
			g = group[t]
		}
		if g == 0 {
			loss = expr.Affine(loss, coefficient[t], 0)
		}
		if sums[g] != nil {
			loss = expr.Add(sums[g], loss)
		}
		sums[g] = loss
	}
	leaves := make([]*expr.Value, len(obj.specs))
	for i, s := range obj.specs {
		leaves[i] = params.Get(s.Name, s.Shape, s.Init)
	}
	for _, sum := range sums {
		if sum == nil {
			continue
		}
		program, err := e.Compile(append(outputs, expr.Grad(sum, leaves...)...)...)
		if err != nil {
			return nil, fmt.Errorf("cd: %w", err)
		}
		obj.programs, outputs = append(obj.programs, program), nil
	}
	return obj, nil
}

// Examples is what an objective is evaluated on.
type Examples struct {
	Positive, Negative, Before []float32 // data, chain ends, and points before the last gradient step; unrolled: data, none, chain starts; N,H,W,C
	LabelPos, LabelNeg         []float32 // one-hot, N×classes; nil when unconditional
	References                 []float32 // images of the entropy term
	// Seed and FirstChain name the noise of an unrolled chain.
	Seed, FirstChain uint64
}

// Evaluation is the loss and its parts at some examples.
type Evaluation struct {
	Loss                 [terms]float64 // by Term; 0 if absent
	EnergyPos, EnergyNeg []float32      // per image, mean over the scales
	DifferentiableEnd    []float32      // x_kl
	Acceptance           float64        // unrolled: of the last step's proposals, 1 for samplers without
}

// Evaluate computes the loss; the gradient goes to gradients, one map from parameter name to values per group: one group, or with
// PerTerm one each for contrastive + magnitude, optimisation, entropy as far as present.
func (o *Objective) Evaluate(ctx context.Context, params map[string][]float32, x Examples, gradients ...map[string][]float32) (Evaluation, error) {
	if len(gradients) != len(o.programs) {
		return Evaluation{}, fmt.Errorf("cd: %d gradients asked for, the objective has %d", len(gradients), len(o.programs))
	}
	bound := params
	if o.references {
		bound = make(map[string][]float32, len(params)+1)
		for name, v := range params {
			bound[name] = v
		}
		bound["references"] = x.References
	}
	n := len(x.Positive) / o.image.Size()
	ev := Evaluation{EnergyPos: make([]float32, n), EnergyNeg: make([]float32, n), DifferentiableEnd: make([]float32, n*o.image.Size())}
	outputs := [][]float32{ev.EnergyPos, ev.EnergyNeg, ev.DifferentiableEnd}
	accepted := make([]float32, n)
	if o.accepted {
		outputs = append(outputs, accepted)
	}
	losses := make([][]float32, len(o.present))
	for i := range losses {
		losses[i] = make([]float32, 1)
		outputs = append(outputs, losses[i])
	}
	inputs := map[string][]float32{"x_pos": x.Positive, "x_neg": x.Negative, "x_hat": x.Before, "label_pos": x.LabelPos, "label_neg": x.LabelNeg}
	if o.unrolled > 0 {
		maps.Copy(inputs, mcmc.UnrolledInputs(o.sampler, o.unrolled, n))
	}
	for i, program := range o.programs {
		for _, s := range o.specs {
			outputs = append(outputs, gradients[i][s.Name])
		}
		if err := program.Bind(bound); err != nil {
			return Evaluation{}, err
		}
		err := program.Run(ctx, engine.Call{Batch: n, Inputs: inputs, Outputs: outputs, Chain: engine.Chain{Seed: x.Seed, FirstImage: x.FirstChain}})
		if err != nil {
			return Evaluation{}, err
		}
		outputs = nil
	}
	for i, t := range o.present {
		ev.Loss[t] = float64(losses[i][0])
	}
	ev.Acceptance = 1
	if o.accepted {
		ev.Acceptance, _ = meanAndSpread(accepted)
	}
	return ev, nil
}
