package conform

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// This file computes what a case records, with the programs that training runs. Each quantity starts from recorded inputs, so that
// the error of one is not that of another.

// settings are those of the recorded loss and update.
func (c *Case) settings() cd.Settings {
	s := cd.PaperSettings()
	entropy := cd.PaperEntropy()
	entropy.References = c.find("compare").shape[0]
	s.Terms = cd.PaperTerms(entropy)
	return s
}

// compute gives the quantities by the names of the recorded tensors, laid out as PyTorch does.
func (c *Case) compute(ctx context.Context, e engine.Engine) (map[string][]float32, error) {
	computed := map[string][]float32{}
	for _, part := range []func(context.Context, engine.Engine, map[string][]float32) error{c.energy, c.chain, c.gradients, c.update} {
		if err := part(ctx, e, computed); err != nil {
			return nil, err
		}
	}
	return computed, nil
}

// energy is E(x), a column per scale, and the score ∇x of their sum.
func (c *Case) energy(ctx context.Context, e engine.Engine, computed map[string][]float32) error {
	params, err := c.Model.Params()
	if err != nil {
		return err
	}
	x := expr.Input("x", c.Model.Image)
	scales := c.Model.Build(params, x, c.labelInput())
	program, err := e.Compile(append(scales[:len(scales):len(scales)], expr.Grad(energy.Sum(scales), x)...)...)
	if err != nil {
		return err
	}
	if err := program.Bind(c.params); err != nil {
		return err
	}
	score := make([]float32, c.batch*c.Model.Image.Size())
	var outputs [][]float32
	for range scales {
		outputs = append(outputs, make([]float32, c.batch))
	}
	err = program.Run(ctx, engine.Call{Batch: c.batch, Outputs: append(outputs, score),
		Inputs: map[string][]float32{"x": c.images("x"), "label": c.label()}})
	if err != nil {
		return err
	}
	for n := range c.batch {
		for _, column := range outputs {
			computed["energy"] = append(computed["energy"], column[n])
		}
	}
	computed["score_grad_x"] = c.channelsFirst(score)
	return nil
}

// chain is all K steps in one call, as training runs them, with the recorded noise.
func (c *Case) chain(ctx context.Context, e engine.Engine, computed map[string][]float32) error {
	chain, err := cd.NewChain(e, c.Model, recordedNoise{c.langevin, c.steps})
	if err != nil {
		return err
	}
	if err := chain.Bind(c.params); err != nil {
		return err
	}
	x := c.images("x")
	before := make([]float32, len(x))
	noise, inputs := c.images("noise"), map[string][]float32{"label": c.label()}
	for k := range c.steps {
		inputs[noiseOf(k)] = noise[k*len(x) : (k+1)*len(x)]
	}
	if _, err := chain.Run(ctx, x, mcmc.RunOptions{Steps: c.steps, Inputs: inputs, GradientAt: before}); err != nil {
		return err
	}
	computed["chain_end"], computed["chain_before_last_step"] = c.channelsFirst(x), c.channelsFirst(before)
	return nil
}

// recordedNoise is a Langevin sampler whose noise is given. All steps of a chain are one program, so step k picks its noise with
// a coefficient that is 1 in that step and 0 in the others:
//
//	noise = σ·Σ_k [step = k]·noise_k
type recordedNoise struct {
	mcmc.Langevin
	steps int
}

func noiseOf(step int) string { return fmt.Sprintf("noise_%d", step) }
func pickOf(step int) string  { return fmt.Sprintf("pick_%d", step) }

func (r recordedNoise) Noise(_ string, image expr.Shape) []*expr.Value {
	noise := expr.Const(0)
	for k := range r.steps {
		noise = expr.Add(noise, expr.Mul(expr.Input(pickOf(k), expr.Scalar), expr.Input(noiseOf(k), image)))
	}
	return []*expr.Value{expr.Affine(noise, r.Sigma, 0)}
}

func (r recordedNoise) Schedule(_ string, steps int) map[string][]float32 {
	picks := map[string][]float32{}
	for k := range steps {
		picks[pickOf(k)] = make([]float32, steps)
		picks[pickOf(k)][k] = 1
	}
	return picks
}

// objective is the recorded loss.
func (c *Case) objective(e engine.Engine, apart bool) (*cd.Objective, error) {
	return cd.NewObjective(e, c.Model, cd.ObjectiveOptions{Terms: c.settings().Terms, Sampler: c.langevin, PerGroup: apart})
}

func (c *Case) examples() cd.Examples {
	return cd.Examples{Positive: c.images("x_pos"), Negative: c.images("chain_end"), GradientAt: c.images("chain_before_last_step"),
		LabelPos: c.label(), LabelNeg: c.label(), References: c.images("compare")}
}

// gradients are those of the terms, each on its own, and x_kl.
func (c *Case) gradients(ctx context.Context, e engine.Engine, computed map[string][]float32) error {
	objective, err := c.objective(e, true)
	if err != nil {
		return err
	}
	gradients := make([]map[string][]float32, len(objective.Groups()))
	for g := range gradients {
		gradients[g] = energy.Named(c.specs, make([]float32, energy.Numbers(c.specs)))
	}
	evaluation, err := objective.Evaluate(ctx, c.params, c.examples(), gradients...)
	if err != nil {
		return err
	}
	computed["x_kl"] = c.channelsFirst(evaluation.End)
	for i, g := range objective.Groups() {
		c.store(computed, "grad_"+g.Name, gradients[i])
	}
	return nil
}

// update is one step of training with the weighted sum of the terms.
func (c *Case) update(ctx context.Context, e engine.Engine, computed map[string][]float32) error {
	objective, err := c.objective(e, false)
	if err != nil {
		return err
	}
	gradient, params := make([]float32, energy.Numbers(c.specs)), make([]float32, energy.Numbers(c.specs))
	named := energy.Named(c.specs, params)
	for name, values := range c.params {
		copy(named[name], values)
	}
	if _, err := objective.Evaluate(ctx, c.params, c.examples(), energy.Named(c.specs, gradient)); err != nil {
		return err
	}
	settings := c.settings()
	optimiser := settings.NewAdam()
	cd.ClipNorm(gradient, settings.ClipNorm, 0)
	optimiser.Update(params, gradient, settings.LearningRate, 0)
	c.store(computed, "param_after_adam", named)
	return nil
}

// store keeps a number per parameter under quantity/NAME.
func (c *Case) store(computed map[string][]float32, quantity string, named map[string][]float32) {
	for _, s := range c.specs {
		values := make([]float32, s.Shape.Size())
		s.ToTorch(values, named[s.Name])
		computed[quantity+"/"+s.Name] = values
	}
}
