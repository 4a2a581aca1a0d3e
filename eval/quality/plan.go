package quality

// This file finds the images to compare: samples of a model or of a folder, data, and real images for a scale.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/eval/features/inception"
	"github.com/joule-ebm/joule/model"
)

// A Plan says what to compare; start from [Defaults].
type Plan struct {
	Samples string // images to take in place of generating some, a reference to a data set; empty: those of a model
	Number  int    // samples to generate, or most to take; 20 or more
	Steps   int    // of the chains that generate them; 0: all rounds that the model's configuration names
	Data    string // images to compare with, a reference to a data set; empty: the test split of the model's own
	DataMax int    // most images to take of the data; 0: all
	Real    bool   // whether to compare real images too, of the training split of the data, if they have one

	Network string // a name for [OpenNetwork]; empty: the one that suits the images
	Weights string // file of Inception's weights; empty: the usual place
	Input   inception.Input

	Seed     uint64 // of the samples and of the choice of images
	Threads  int    // of Inception and augmentation; 0: all cores. The engine has its own
	Progress eval.Progress
	Warn     func(line string) // told what of the images was left out or changed; may be nil
}

// Defaults are the plan of joule eval quality.
func Defaults() Plan { return Plan{Number: 1000, DataMax: 10_000, Real: true, Seed: 1} }

// Run compares samples with data. The model may be nil if the plan names both.
func (p Plan) Run(ctx context.Context, e engine.Engine, m *model.Model) (*Report, error) {
	if p.Number < leastImages || p.DataMax < 0 || p.Steps < 0 {
		return nil, fmt.Errorf("quality: %d samples, %d images of data, %d steps: want at least %d, 0 and 0", p.Number, p.DataMax, p.Steps, leastImages)
	}
	if m == nil && (p.Samples == "" || p.Data == "") {
		return nil, errors.New("quality: without a model, both samples and data have to be named")
	}
	if p.Threads == 0 {
		p.Threads = runtime.GOMAXPROCS(0)
	}
	from, err := p.sourceOf(m)
	if err != nil {
		return nil, err
	}
	data, err := p.openData(ctx, m, from)
	if err != nil {
		return nil, err
	}
	net, err := OpenNetwork(e, p.Network, data, p.Weights, inception.Options{Threads: p.Threads, Input: p.Input})
	if err != nil {
		return nil, err
	}
	var samples *dataset.Set
	steps := 0
	if p.Samples != "" {
		samples, err = p.open(ctx, p.Samples, source{size: data.Size()}, p.Number)
	} else {
		samples, steps, err = p.generate(ctx, e, m)
	}
	if err != nil {
		return nil, err
	}
	r, err := Compare(ctx, net, samples, data, p.openReal(ctx, data, from, samples.Len()), p.Seed, p.Progress)
	if err == nil {
		r.Steps = steps
	}
	return r, err
}

// source is how images are read.
type source struct {
	size    dataset.Size     // of pictures
	tiling  dataset.Tiling   // of which the images are tiles, if it has a side
	options []dataset.Option // which images are left out
}

// sourceOf is how the images to compare with are read: as those that the model learnt from, and if they are its own, without those that
// it was not to learn from.
func (p *Plan) sourceOf(m *model.Model) (s source, err error) {
	if m == nil {
		return s, nil
	}
	s = source{size: m.Config.PictureSize(), tiling: m.Config.Tiling()}
	if p.Data == "" {
		s.options, err = m.Config.DataOptions()
	}
	return s, err
}

// open reads at most n images of a data set, in an order chosen by the seed; 0 takes all.
func (p *Plan) open(ctx context.Context, name string, from source, n int) (*dataset.Set, error) {
	set, err := dataset.Open(ctx, name, from.size, append(slices.Clone(from.options), dataset.WithProgress(func(done, total int) {
		if p.Progress != nil {
			p.Progress("reading "+name, "images", int64(done), int64(total))
		}
	}))...)
	if err != nil {
		return nil, err
	}
	for _, line := range set.Warnings() {
		if p.Warn != nil {
			p.Warn(line)
		}
	}
	if from.tiling.Side > 0 {
		if set, err = set.Tiles(from.tiling); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		n = set.Len()
	}
	return set.Draw(min(n, set.Len()), p.Seed), nil
}

// openData opens the images to compare with.
func (p *Plan) openData(ctx context.Context, m *model.Model, from source) (*dataset.Set, error) {
	if p.Data != "" {
		return p.open(ctx, p.Data, from, p.DataMax)
	}
	set, err := p.open(ctx, m.Config.Source().Unseen().String(), from, p.DataMax)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("the model was trained on %s, which has no test split; name images to compare with (--data): %w", m.Config.Data, err)
	}
	return set, err
}

// openReal opens n images of the training split of the data, as many as there are samples, if they are wanted and the data have one and are
// not it.
func (p *Plan) openReal(ctx context.Context, data *dataset.Set, from source, n int) *dataset.Set {
	ref := dataset.ParseReference(data.Name)
	if !p.Real || ref.Split != dataset.Test {
		return nil
	}
	if from.tiling.Side == 0 {
		from.size = data.Size()
	}
	set, err := p.open(ctx, ref.WithSplit(dataset.Train).String(), from, n)
	if err != nil {
		return nil
	}
	return set
}

// generate draws samples of a model, by chains of so many steps.
func (p *Plan) generate(ctx context.Context, e engine.Engine, m *model.Model) (set *dataset.Set, steps int, err error) {
	s := model.Sampling{Images: p.Number, Steps: p.Steps, Seed: p.Seed, Threads: p.Threads}
	if p.Progress != nil {
		s.Progress = func(done, total int64) { p.Progress("sampling", "steps", done, total) }
	}
	set, err = m.SampleSet(ctx, e, s)
	if set != nil && m.Path != "" {
		set.Name = m.Path
	}
	return set, m.ChainSteps(s), err
}
