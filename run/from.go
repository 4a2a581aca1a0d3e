package run

// This file begins training with the weights of a model instead of random ones, θ₀ = θ of the model, as is done to learn few images from what
// many have taught, or to go on from a published model whose run is gone. The optimiser and the replay buffer begin empty.

import (
	"fmt"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/model"
)

// From is the configuration to begin with the weights of a model, on the data that it was trained on and for as long: a path of a run or a
// model file, or a name such as zoo:mnist.
func From(ref string) (Config, error) {
	m, err := openFrom(ref)
	if err != nil {
		return Config{}, err
	}
	c, err := ConfigOf(m)
	if err != nil {
		return c, fmt.Errorf("%s: %w", ref, err)
	}
	c.From, c.Dir, c.Fingerprint, c.Spectrum = ref, "", nil, nil
	c.Sampler.Precision = string(engine.Auto) // of this machine, not of that one
	return c, nil
}

func openFrom(ref string) (*model.Model, error) {
	m, err := model.Open(ref)
	if err == nil && m.Config.Composition != nil {
		err = fmt.Errorf("%s: it is composed of %d models: begin with one of them", ref, len(m.Config.Composition.Parts))
	}
	return m, err
}

// beginFrom makes the weights of the model that the configuration names, if it names one, those that training begins with.
func (r *runner) beginFrom() error {
	c, t := &r.config, r.trainer
	if c.From == "" {
		return nil
	}
	m, err := openFrom(c.From)
	if err != nil {
		return fmt.Errorf("setting from: %w", err)
	}
	for _, k := range []struct{ setting, its, ours string }{
		{"network.name", m.Config.Network.Name, c.Network.Name},
		{"network.norm", m.Config.Network.Norm, c.Network.Norm},
		{"network.kernel", m.Config.Network.Kernel, c.Network.Kernel},
	} {
		if k.its != k.ours {
			return fmt.Errorf("setting from: %s has %s=%s: set it so here, where it is %s, or begin without", c.From, k.setting, k.its, k.ours)
		}
	}
	if its, ours := m.Energy.Classes, r.energy.Classes; its != ours {
		return fmt.Errorf("setting from: %s is conditional on %d classes or numbers, and this run on %d: begin without, or with another", c.From, its, ours)
	}
	ours := t.Named(t.Parameters)
	for name, values := range ours {
		if its := m.Params[name]; len(its) != len(values) || len(m.Params) != len(ours) {
			return fmt.Errorf("setting from: %s is of another network: set network.filters, multi_scale and attention as it has them", c.From)
		}
		copy(values, m.Params[name])
	}
	copy(t.Averaged, t.Parameters)
	t.Push()
	r.options.Log.Info("training begins with the weights of a model", "from", c.From, "iterations", m.Iterations, "of", m.Config.Data)
	return nil
}
