package ablation

// This file judges a model: samples from noise, by statistics of their pixels, and energies of images it has not seen.

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/eval/chains"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/quality"
	"github.com/joule-ebm/joule/eval/statistics"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/run"
)

// Quality is how like usual images the samples are.
type Quality struct {
	statistics.Likeness
	// Where there is a classifier: the kernel distance of its features, and the classes of samples and images.
	KID     *quality.KID     `json:"kid,omitempty"`
	Classes *chains.Coverage `json:"classes,omitempty"`
}

// judge fills in what a model is worth.
func (s *Study) judge(ctx context.Context, row *Row, dir string) error {
	model, err := run.OpenModel(dir)
	if err != nil {
		return err
	}
	row.Iterations = model.Iterations
	s.Log.Info("judging", "images", s.Samples)
	if row.Quality, err = s.quality(ctx, model); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	scorer, err := eval.NewScorer(&cpu.Engine{Threads: s.Threads}, model.Energy, model.Params)
	if err != nil {
		return err
	}
	in, err := scorer.Score(ctx, s.In.Pixels, eval.AnyLabel)
	if err != nil {
		return err
	}
	for _, set := range s.Outliers {
		out, err := scorer.Score(ctx, set.Pixels, eval.AnyLabel)
		if err != nil {
			return err
		}
		d, err := benchmark.Detect(in, out)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		row.AUROC = append(row.AUROC, AUROC{set.Name, d.AUROC})
	}
	return nil
}

func (s *Study) quality(ctx context.Context, model *run.Model) (Quality, error) {
	samples, err := s.generate(ctx, model)
	if err != nil {
		return Quality{}, err
	}
	size := s.In.Size()
	summarise := func(pixels []uint8) (statistics.Summary, error) {
		return statistics.Summarise(pixels, s.Samples, size.Height, size.Width, size.Channels)
	}
	ours, err := summarise(samples)
	if err != nil {
		return Quality{}, err
	}
	theirs, err := summarise(s.In.Pixels[:s.Samples*size.Len()])
	if err != nil {
		return Quality{}, err
	}
	var q Quality
	if q.Likeness, err = statistics.Compare(ours, theirs); err != nil || s.Classifier == nil {
		return q, err
	}
	describe := func(pixels []uint8) (d features.Description) {
		if err == nil {
			set := *s.In
			set.Pixels = pixels
			d, err = features.Describe(ctx, s.Classifier, &set, func(int) {})
		}
		return d
	}
	of, in := describe(samples), describe(s.In.Pixels)
	if err != nil {
		return q, err
	}
	dim := s.Classifier.Dim()
	kid, err := quality.MeasureKID(ctx, quality.Features{Dim: dim, Values: of.Features}, quality.Features{Dim: dim, Values: in.Features}, 1)
	if err != nil {
		return q, err
	}
	c, err := chains.Cover(of.Probabilities, in.Probabilities, s.Classifier.Classes())
	q.KID, q.Classes = &kid, &c
	return q, err
}

// generate draws samples from noise by the authors' procedure, as bytes N,H,W,C; of a conditional model, its classes in turn.
func (s *Study) generate(ctx context.Context, model *run.Model) ([]uint8, error) {
	sampler, err := model.Config.NewSampler()
	if err != nil {
		return nil, err
	}
	chain, err := cd.NewChain(&cpu.Engine{Threads: s.Threads}, model.Energy, sampler)
	if err != nil {
		return nil, err
	}
	if err := chain.Bind(model.Params); err != nil {
		return nil, err
	}
	g := model.Config.NewGeneration()
	if s.Steps > 0 {
		g = g.WithSteps(s.Steps)
	}
	g.Seed, g.Threads = model.Config.Seed, s.Threads
	if classes := model.Energy.Classes; classes > 0 {
		labels := make([]int32, s.Samples)
		for i := range labels {
			labels[i] = int32(i % classes)
		}
		g.Inputs = map[string][]float32{"label": cd.OneHot(labels, classes)}
	}
	size := model.Energy.Image.Size()
	x := make([]float32, s.Samples*size)
	mcmc.FillNoise(x, size, g.Seed, 0)
	_, err = chain.Generate(ctx, x, g, nil)
	return picture.Quantise(x), err
}
