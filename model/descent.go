package model

// This file takes images to what the energy would rather see: noise-free descent, as many steps as a chain of training has,
//
//	x ← clamp(x - λ P ∂E/∂x, 0, 1),     λ and P those of training.

import (
	"context"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/mcmc"
)

// A Descent takes images down the energy. It is for one goroutine at a time.
type Descent struct {
	model *Model
	chain *mcmc.Chain
	meter *Meter // of a model of classes, to choose one
}

// NewDescent compiles a descent with the step size and the number of steps of a chain of training.
func (m *Model) NewDescent(e engine.Engine) (*Descent, error) {
	sampler, err := m.Config.NewSampler()
	if err != nil {
		return nil, err
	}
	drift := sampler.Drift()
	chain, err := cd.NewChain(e, m.Energy, mcmc.Langevin{StepSize: drift.StepSize, Coarse: drift.Coarse})
	if err != nil {
		return nil, err
	}
	d := &Descent{model: m, chain: chain}
	if m.Labels() > 0 {
		if d.meter, err = m.NewMeter(e, false); err != nil {
			return nil, err
		}
	}
	return d, chain.Bind(m.Params)
}

// bind gives the energy other values of its parameters.
func (d *Descent) bind(params map[string][]float32) error {
	if d.meter != nil {
		if err := d.meter.Bind(params); err != nil {
			return err
		}
	}
	return d.chain.Bind(params)
}

// Run is where the images in pixels (N,H,W,C) end, as intensities: given a label, or conditions as [Meter.Read] takes them. An image of a
// conditional model without either goes down the energy of the label where its own is lowest.
func (d *Descent) Run(ctx context.Context, pixels []uint8, label int, conditions []float32) ([]float32, error) {
	images := dataset.Intensities(pixels)
	if conditions == nil {
		labels, err := d.labels(ctx, pixels, label)
		if err != nil {
			return nil, err
		}
		conditions = d.model.Conditions(labels)
	}
	_, err := d.chain.Run(ctx, images, mcmc.RunOptions{Steps: d.model.Config.Sampler.Steps, Inputs: map[string][]float32{"label": conditions}})
	return images, err
}

// labels are those of the images: the one given, or of each image the one under which its energy is lowest.
func (d *Descent) labels(ctx context.Context, pixels []uint8, label int) ([]int32, error) {
	labels := make([]int32, len(pixels)/d.model.Energy.Image.Size())
	if label != AnyLabel {
		for i := range labels {
			labels[i] = int32(label)
		}
		return labels, nil
	}
	lowest := make([]float64, len(labels))
	for k, y := range d.model.Learnt() {
		energies, err := d.meter.Energies(ctx, pixels, int(y))
		if err != nil {
			return nil, err
		}
		for i, e := range energies {
			if k == 0 || e < lowest[i] {
				labels[i], lowest[i] = y, e
			}
		}
	}
	return labels, nil
}
