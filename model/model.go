// Package model is a learnt energy as a thing one can hold: p(x) ∝ exp(-E(x)) with its parameters, what it was made of and trained
// on, and its calibration.
//
//	m, err := model.Open("runs/mnist")                              // a run directory or a model file
//	energies, err := m.Energies(ctx, &cpu.Engine{}, pixels, model.AnyLabel)
//	images, err := m.Sample(ctx, &cpu.Engine{}, model.Sampling{Images: 64, Seed: 1})
//	err = m.Save("copy.safetensors")
//
// A model file is a safetensors file: the parameters under their names, in PyTorch's layout, and in the metadata the configuration
// ([Config]) that says how the energy is built and how samples are drawn from it. The networks of package energy are known by name; an
// energy of one's own becomes known by [Register]. Packages detect and eval say what a model is worth, package run trains one.
//
// Images are bytes u, N,H,W,C, which stand for the intensities (u + ½)/256: the middle of the interval that dequantised training
// draws from, so that an energy has no chance in it.
package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/mcmc"
)

// Model is a learnt energy.
type Model struct {
	Path       string   // of the file it was read from; empty if it was not
	Config     Config   // how it is built, sampled, and what it was trained on
	Training   string   // the rest of the configuration of the run that trained it, as YAML (package run reads it); may be empty
	Classes    []string // names of the classes of a model that is conditional on them
	Unlearnt   []string // those of the classes that no image of training was of
	Numbers    []Number // of a model that is conditional on numbers instead
	Iterations int64    // of training

	Energy *energy.Energy
	Params map[string][]float32 // by the names of the energy's parameters, in the layout of package expr

	// Calibration is what package detect keeps of in-distribution images; nil if there is none.
	Calibration json.RawMessage
}

// New makes a model of an energy that the configuration describes, conditional on so many classes as are named, and parameters by name.
func New(c Config, classes []string, params map[string][]float32) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Network.Conditional != (len(classes) > 0) {
		return nil, errors.New("model: a conditional model has named classes, and only it")
	}
	e, err := c.NewEnergy(len(classes))
	if err != nil {
		return nil, err
	}
	m := &Model{Config: c, Classes: classes, Energy: e, Params: params}
	return m, m.check()
}

// check is an error unless the parameters are the energy's, all and no others.
func (m *Model) check() error {
	params, err := m.Energy.Params()
	if err != nil {
		return err
	}
	specs := params.Specs()
	if len(m.Params) != len(specs) {
		return fmt.Errorf("model: %d parameters, but the energy has %d", len(m.Params), len(specs))
	}
	for _, s := range specs {
		values, ok := m.Params[s.Name]
		if !ok || len(values) != s.Shape.Size() {
			return fmt.Errorf("model: parameter %s has %d numbers, the energy wants %d", s.Name, len(values), s.Shape.Size())
		}
	}
	return nil
}

// Parameters is how many numbers the model has learnt.
func (m *Model) Parameters() (n int) {
	for _, values := range m.Params {
		n += len(values)
	}
	return n
}

// Energies are those of images in pixels (N,H,W,C), given a label: a class, or [AnyLabel]. Who measures many times makes a [Meter].
func (m *Model) Energies(ctx context.Context, e engine.Engine, pixels []uint8, label int) ([]float64, error) {
	meter, err := m.NewMeter(e, false)
	if err != nil {
		return nil, err
	}
	return meter.Energies(ctx, pixels, label)
}

// Gradients are ∂E_s/∂x of each scale's energy at images in pixels (N,H,W,C): [scale][N,H,W,C], per unit of intensity. Labels as for
// Energies.
func (m *Model) Gradients(ctx context.Context, e engine.Engine, pixels []uint8, label int) ([][]float32, error) {
	meter, err := m.NewMeter(e, true)
	if err != nil {
		return nil, err
	}
	return meter.Gradients(ctx, pixels, label)
}

// NewMeter compiles what measures images; with gradients it takes about three times as long to measure.
func (m *Model) NewMeter(e engine.Engine, gradients bool) (*Meter, error) {
	return m.NewMeterOf(e, Quantities{Gradients: gradients})
}

// NewMeterOf compiles what measures more of images.
func (m *Model) NewMeterOf(e engine.Engine, of Quantities) (*Meter, error) {
	meter, err := newMeter(e, m.Energy, m.Params, of)
	if err != nil {
		return nil, err
	}
	meter.labels, meter.mixed, meter.y = m.Labels(), m.Learnt(), m.condition().y
	if of.Descent {
		meter.descent, err = m.NewDescent(e)
	}
	return meter, err
}

// NewChain compiles the Markov chain that the model was trained with, on its parameters.
func (m *Model) NewChain(e engine.Engine) (*mcmc.Chain, error) { return m.chainOf(e, m.Energy) }

// chainOf compiles the model's chain for another energy of its parameters.
func (m *Model) chainOf(e engine.Engine, of *energy.Energy) (*mcmc.Chain, error) {
	sampler, err := m.Config.NewSampler()
	if err != nil {
		return nil, err
	}
	chain, err := cd.NewChain(e, of, sampler)
	if err != nil {
		return nil, err
	}
	return chain, chain.Bind(m.Params)
}
