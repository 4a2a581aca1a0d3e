package run

// This file looks at samples from noise while training goes on (package collapse): some short chains, by the averaged weights. They start
// from the same noise each time, so that two looks differ by the model alone, and no random number of theirs is one of the training's.

import (
	"context"

	"gonum.org/v1/gonum/stat"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/eval/collapse"
	"github.com/joule-ebm/joule/internal/metrics"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/model"
)

// lookRounds is the length of the chains, in rounds of K steps, if generation has as many.
const lookRounds = 8

// lookAtNoise is what is seen there, beside images of the replay buffer. It warns when samples have collapsed, and says when they have no
// longer.
func (r *runner) lookAtNoise(ctx context.Context) ([]metrics.Field, error) {
	t, c := r.trainer, &r.config
	if r.watch == nil {
		var err error
		if r.watch, err = collapse.NewWatch(ctx, &cpu.Engine{Threads: r.options.Threads}, r.training, c.Seed); err != nil {
			return nil, err
		}
	}
	m, err := r.trained()
	if err != nil {
		return nil, err
	}
	named := rng.New(c.Seed, streamLook)
	s := model.Sampling{Images: collapse.Images, Seed: named.Uint64(), Threads: r.options.Threads}
	s.Steps = min(m.ChainSteps(s), lookRounds*c.Sampler.Steps)
	if s.Chain = r.lookChain; s.Chain == nil {
		if s.Chain, err = m.NewChain(r.chains); err != nil {
			return nil, err
		}
		r.lookChain = s.Chain
	}
	samples, err := m.Sample(ctx, r.chains, s)
	if err != nil {
		return nil, err
	}
	kept, labels := r.blank(collapse.Images)
	draw := rng.New(c.Seed, streamLook, uint64(t.Iteration))
	if err := t.Buffer.Draw(kept, labels, mcmc.Start{}, r.options.Threads, &draw); err != nil {
		return nil, err
	}
	buffer := picture.Quantise(kept)

	seen, err := r.watch.Look(ctx, samples)
	if err != nil {
		return nil, err
	}
	beside, err := r.watch.Look(ctx, buffer)
	if err != nil {
		return nil, err
	}
	energies, err := r.energies(ctx, m, append(samples, buffer...))
	if err != nil {
		return nil, err
	}
	how, changed := r.collapse.See(r.watch.Data, beside, seen)
	switch {
	case changed && how != "":
		r.options.Log.Warn("samples from noise have collapsed: "+how+"; the model forgets how to get to images from noise: "+
			"let more chains start there (buffer.restart) or lower optimiser.learning_rate", "iteration", t.Iteration)
	case changed:
		r.options.Log.Info("samples from noise are no longer collapsed", "iteration", t.Iteration)
	}
	return []metrics.Field{
		{Name: "noise/entropy", Value: seen.Entropy}, {Name: "noise/fd", Value: seen.FD}, {Name: "noise/spacing", Value: seen.Spacing},
		{Name: "noise/energy", Value: stat.Mean(energies[:collapse.Images], nil)},
		{Name: "buffer/entropy", Value: beside.Entropy}, {Name: "buffer/fd", Value: beside.FD}, {Name: "buffer/spacing", Value: beside.Spacing},
		{Name: "buffer/energy", Value: stat.Mean(energies[collapse.Images:], nil)},
		{Name: "data/entropy", Value: r.watch.Data.Entropy}, {Name: "data/fd", Value: r.watch.Data.FD}, {Name: "data/spacing", Value: r.watch.Data.Spacing},
	}, nil
}
