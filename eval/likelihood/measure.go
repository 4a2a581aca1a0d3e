package likelihood

// This file puts the parts together: a pilot, a way up, a way down, and what they say of images.

import (
	"context"
	"fmt"

	"gonum.org/v1/gonum/stat"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/rng"
)

// Plan says how to measure.
type Plan struct {
	Temperature float64 // T
	Rungs       int     // temperatures between the uniform distribution and the model
	Chains      int     // each way
	Settle      int     // transitions at T before chains go down
	FromData    bool    // whether chains down start from the images instead of from where chains up have come to
	Seed        uint64
}

// Transitions is the number of transitions of single chains that a measurement makes.
func (p Plan) Transitions() int64 {
	each := PilotTransitions + 2*p.Rungs
	if !p.FromData {
		each += p.Settle
	}
	return int64(p.Chains) * int64(each)
}

// Report is what a measurement has found.
type Report struct {
	Up         Estimate `json:"from_below"`
	Down       Estimate `json:"from_above"`
	MeanEnergy float64  `json:"mean_energy"` // of the images
	Likelihood
	// Best is the temperature, not below the model's own, at which the energy describes the images best, with its likelihood by the
	// estimate from below (and so somewhat flattered). It is 0 if no temperature does better than the uniform distribution.
	Best AtTemperature `json:"best"`
	// Path is the likelihood at the temperatures of the way up, likewise.
	Path []AtTemperature `json:"path"`
}

// AtTemperature is the likelihood of images at a temperature.
type AtTemperature struct {
	Temperature   float64 `json:"temperature"`
	LogLikelihood float64 `json:"log_likelihood"`
	Bits          float64 `json:"bits_per_dimension"`
}

// Measure brackets log Z and measures the likelihood of 8-bit images (N,H,W,C), dequantised by the plan's seed.
func (a *Annealer) Measure(ctx context.Context, p Plan, pixels []uint8) (Report, error) {
	var r Report
	d := a.image.Size()
	if len(pixels) < 2*d || len(pixels)%d != 0 {
		return r, fmt.Errorf("likelihood: %d bytes are not two or more images of shape %v", len(pixels), a.image)
	}
	if !(p.Temperature > 0) {
		return r, fmt.Errorf("likelihood: temperature %v: want more than 0", p.Temperature)
	}
	images := make([]float32, len(pixels))
	s := rng.New(p.Seed, streamDequantise)
	dataset.Dequantise(images, pixels, &s)
	energies, err := a.Energies(ctx, images)
	if err != nil {
		return r, err
	}
	beta := 1 / p.Temperature
	ladder, err := a.Pilot(ctx, beta, p.Rungs, p.Chains, p.Seed)
	if err != nil {
		return r, err
	}
	up, err := a.Forward(ctx, ladder, p.Chains, p.Seed)
	if err != nil {
		return r, err
	}
	var starts []float32
	if p.FromData {
		for len(starts) < p.Chains*d {
			starts = append(starts, images[:min(len(images), p.Chains*d-len(starts))]...)
		}
	} else if starts, err = a.Starts(ctx, ladder, up, p.Settle, p.Seed); err != nil {
		return r, err
	}
	down, err := a.Reverse(ctx, ladder, starts, p.Seed)
	if err != nil {
		return r, err
	}
	r.Up, r.Down, r.MeanEnergy = up.Up(p.Seed), down.Down(p.Seed), stat.Mean(energies, nil)
	for _, point := range up.Path {
		l := -point.Beta*r.MeanEnergy - point.LogZ
		at := AtTemperature{1 / point.Beta, l, Bits(l, d)}
		if l > r.Best.LogLikelihood {
			r.Best = at
		}
		r.Path = append(r.Path, at)
	}
	if r.Best.Temperature == 0 {
		r.Best.Bits = Bits(0, d)
	}
	r.Likelihood, err = Of(energies, d, beta, r.Up, r.Down)
	return r, err
}
