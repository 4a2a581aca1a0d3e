package study

// This file judges a model: samples from noise, by statistics of their pixels, and energies of images it has not seen.

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/eval/attributes"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/quality"
	"github.com/joule-ebm/joule/eval/statistics"
	"github.com/joule-ebm/joule/model"
)

// Quality is how like in-distribution images the samples are.
type Quality struct {
	statistics.Likeness
	// Figures are those of the features that a network which comes with Joule sees in samples and images; nil where there is none for
	// such images, or the samples are fewer than 20.
	Figures *quality.Figures `json:"figures,omitempty"`
	// Asked is how many samples of a conditional model show the class that they were drawn for; nil where nothing reads it back.
	Asked *attributes.Asked `json:"asked,omitempty"`
}

// judge fills in what a model is worth, and by what means.
func (s *Study) judge(ctx context.Context, row *Row, dir string) error {
	m, err := model.Open(dir)
	if err != nil {
		return err
	}
	row.Iterations = m.Iterations
	s.Log.Info("judging", "images", s.Samples)
	if row.Quality, err = s.quality(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	meter, err := m.NewMeter(s.engine, false)
	if err != nil {
		return err
	}
	in, err := meter.Energies(ctx, s.in.Pixels, model.AnyLabel)
	if err != nil {
		return err
	}
	row.AUROC = nil
	for _, set := range s.outliers {
		out, err := meter.Energies(ctx, set.Pixels, model.AnyLabel)
		if err != nil {
			return err
		}
		d, err := benchmark.Detect(in, out)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		row.AUROC = append(row.AUROC, AUROC{set.Name, d.AUROC})
	}
	means := s.means
	row.Means = &means
	return nil
}

func (s *Study) quality(ctx context.Context, m *model.Model) (Quality, error) {
	sampling := model.Sampling{Images: s.Samples, Steps: s.Steps, Seed: m.Config.Seed, Threads: s.Threads}
	if s.Work != nil {
		sampling.Progress = func(done, total int64) { s.Work("sampling", "steps", done, total) }
	}
	samples, err := m.SampleSet(ctx, s.engine, sampling)
	if err != nil {
		return Quality{}, err
	}
	size := s.in.Size()
	summarise := func(pixels []uint8) (statistics.Summary, error) {
		return statistics.Summarise(pixels, s.Samples, size.Height, size.Width, size.Channels)
	}
	ours, err := summarise(samples.Pixels)
	if err != nil {
		return Quality{}, err
	}
	theirs, err := summarise(s.in.Pixels[:s.Samples*size.Len()])
	if err != nil {
		return Quality{}, err
	}
	var q Quality
	if s.reader != nil {
		shown, _, err := s.reader.Read(ctx, samples.Pixels, size)
		if err != nil {
			return q, err
		}
		q.Asked = s.reader.Asked(shown, samples.Labels, m.Classes)
	}
	if q.Likeness, err = statistics.Compare(ours, theirs); err != nil || s.network == nil || s.Samples < fewest {
		return q, err
	}
	describe := func(pixels []uint8) (d features.Description) {
		if err == nil {
			set := *s.in
			set.Pixels = pixels
			d, err = features.Describe(ctx, s.network, &set, nil)
		}
		return d
	}
	of, in := describe(samples.Pixels), describe(s.in.Pixels)
	if err != nil {
		return q, err
	}
	figures, err := quality.Measure(ctx, s.network, of, in, 1, nil)
	figures.Warnings = nil // the legend says what they do not compare with
	q.Figures = &figures
	return q, err
}

// fewest is the number of samples below which features say nothing.
const fewest = 20
