package likelihood

// This file computes the weights of chains up, from the uniform distribution to a model, and of chains down.

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/mcmc"
)

// Run is what a run of chains through a ladder has found.
type Run struct {
	// Weights are log w of each chain up, and log 1/w of each chain down.
	Weights []float64
	// Acceptance is the share of all proposals that were accepted.
	Acceptance float64
	// Ends are where the chains came to, N,H,W,C.
	Ends []float32
	// Path is the estimate of log Z of chains up at some of the rungs; it ends with the model's own.
	Path []Point
}

// Point is log Z at an inverse temperature.
type Point struct {
	Beta float64 `json:"beta"`
	LogZ float64 `json:"log_z"`
}

// Forward takes chains from the uniform distribution to the model.
func (a *Annealer) Forward(ctx context.Context, l Ladder, chains int, seed uint64) (Run, error) {
	if err := l.check(); err != nil {
		return Run{}, err
	}
	if chains < 1 {
		return Run{}, fmt.Errorf("likelihood: %d chains: want 1 or more", chains)
	}
	seed = seedFor(seed, streamForward)
	r := Run{Ends: make([]float32, chains*a.image.Size())}
	mcmc.FillNoise(r.Ends, a.image.Size(), seed, 0)
	steps := make([]rung, len(l.Beta)-1)
	for i := range steps {
		steps[i] = rung{rise: float32(l.Beta[i+1] - l.Beta[i]), beta: float32(l.Beta[i+1]), step: float32(l.Step[i+1])}
	}
	w, err := a.walk(ctx, r.Ends, steps, seed, 0, func(done int, w walked) {
		r.Path = append(r.Path, Point{l.Beta[done], logMean(w.weights)})
	})
	r.Weights, r.Acceptance = w.weights, w.acceptance
	return r, err
}

// Reverse takes chains from the model to the uniform distribution. They start from the images starts (N,H,W,C, left as they are),
// which should be samples of the model.
func (a *Annealer) Reverse(ctx context.Context, l Ladder, starts []float32, seed uint64) (Run, error) {
	if err := l.check(); err != nil {
		return Run{}, err
	}
	if len(starts) == 0 || len(starts)%a.image.Size() != 0 {
		return Run{}, fmt.Errorf("likelihood: %d values to start from are not images of shape %v", len(starts), a.image)
	}
	r := Run{Ends: slices.Clone(starts)}
	var steps []rung
	for k := len(l.Beta) - 1; k > 0; k-- {
		steps = append(steps, rung{rise: float32(l.Beta[k-1] - l.Beta[k]), beta: float32(l.Beta[k-1]), step: float32(l.Step[k-1])})
	}
	w, err := a.walk(ctx, r.Ends, steps, seedFor(seed, streamReverse), 0, nil)
	r.Weights, r.Acceptance = w.weights, w.acceptance
	return r, err
}

// Starts are the nearest to samples of a model that chains can give: ends of chains up, resampled in proportion to their weights, and
// then moved by burnIn transitions at the model's own temperature.
func (a *Annealer) Starts(ctx context.Context, l Ladder, forward Run, burnIn int, seed uint64) ([]float32, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	n, size := len(forward.Weights), a.image.Size()
	top := slices.Max(forward.Weights)
	s := rng.New(seed, streamResample)
	var starts []float32
	for len(starts) < n*size {
		// An end is taken with probability w over the largest w: no table, and no end is unreachable.
		i := s.IntN(n)
		if float64(s.Float32()) < math.Exp(forward.Weights[i]-top) {
			starts = append(starts, forward.Ends[i*size:][:size]...)
		}
	}
	last := len(l.Beta) - 1
	steps := slices.Repeat([]rung{{beta: float32(l.Beta[last]), step: float32(l.Step[last])}}, burnIn)
	_, err := a.walk(ctx, starts, steps, seedFor(seed, streamBurnIn), 0, nil)
	return starts, err
}

// logMean is the logarithm of the mean of numbers given by their logarithms.
func logMean(logs []float64) float64 { return floats.LogSumExp(logs) - math.Log(float64(len(logs))) }
