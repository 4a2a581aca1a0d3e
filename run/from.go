package run

// This file begins training with the weights of a model instead of random ones, θ₀ = θ of the model: to go on where the run is gone, or where
// its rate has fallen to 0. The optimiser and the replay buffer begin empty.

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	if m.Training == "" {
		return c, fmt.Errorf("%s: the file says nothing of how it was trained, as of an imported model: name a preset, and begin with the weights by --set from=%s", ref, ref)
	}
	c.Data = c.Source().String() // which may be beside the model
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

// fromAnywhere is the same model for a run that is resumed in another folder before it has a checkpoint.
func fromAnywhere(ref string) string {
	if _, err := os.Stat(ref); ref == "" || err != nil { // none, or one of a source
		return ref
	}
	if at, err := filepath.Abs(ref); err == nil {
		return at
	}
	return ref
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
	if its, ours := conditionedOn(m.Classes, m.Numbers), conditionedOn(r.classes, r.numbers); !slices.Equal(its, ours) {
		return fmt.Errorf("setting from: %s is conditional on %s, and this run on %s: begin without, or with another", c.From, listed(its), listed(ours))
	}
	if !slices.Equal(m.Numbers, r.numbers) {
		r.options.Log.Warn("numbers have other ranges than those of the model to begin with, and mean other values to its weights", "from", c.From)
	}
	if m.Config.TrainedOn(c.Source().String()) && (m.Config.Seed != c.Seed || m.Config.HeldOut != c.HeldOut || m.Config.Exclude != c.Exclude) {
		r.options.Log.Warn("other images are held out than of the model to begin with, which has been trained on some of these: what is measured with them looks "+
			"better than it is; leave seed, held_out and exclude as they are", "from", c.From)
	}
	ours := t.Named(t.Parameters)
	if !maps.EqualFunc(ours, m.Params, func(a, b []float32) bool { return len(a) == len(b) }) {
		return fmt.Errorf("setting from: %s is of another network: set network.filters, multi_scale and attention as it has them", c.From)
	}
	for name, values := range m.Params {
		copy(ours[name], values)
	}
	copy(t.Averaged, t.Parameters)
	t.Push()
	r.options.Log.Info("training begins with the weights of a model", "from", c.From, "iterations", m.Iterations, "of", m.Config.Data)
	if !r.options.together() {
		return nil
	}
	return r.mustBeSame(fact{"weights to begin with", fmt.Sprintf("%s with checksum %08x", c.From, checksum(t.Parameters))})
}

// conditionedOn names what the elements of a label stand for.
func conditionedOn(classes []string, numbers []model.Number) (names []string) {
	for _, c := range classes {
		names = append(names, fmt.Sprintf("class %q", c))
	}
	for _, n := range numbers {
		names = append(names, "number "+n.Name)
	}
	return names
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%d (%.200s)", len(names), strings.Join(names, ", "))
}
