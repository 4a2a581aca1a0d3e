// Package benchmark measures how well a detector tells outliers from in-distribution images: AUROC, average precision and FPR95 with
// confidence intervals, against data sets and against outliers that are made.
//
//	m, err := model.Open("runs/mnist")
//	result, err := benchmark.Plan{Out: []string{"fashion-mnist", "rotated"}, Images: 2000, Resamples: 1000}.Run(ctx, &cpu.Engine{}, m)
//	for _, c := range result.Comparisons {
//		fmt.Println(c.Out, c.AUROC, c.Intervals.AUROC)
//	}
//
// [Plan.Run] does all of it for a model. Beneath it, [Detect], [ROC] and [Bootstrap] compare scores from anywhere, [Outliers] makes
// images, and [Histogram] and [ROCCurves] draw. A score is high where an image is out of distribution; the energy is one.
package benchmark

// This file compares a model's scores of in-distribution images with those of each kind of outliers.

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/model"
)

// A Plan says what to compare. Its zero value compares the energies of all images there are with those of [DefaultOutliers], without
// intervals.
type Plan struct {
	In  string   // in-distribution images, a reference to a data set; empty: those of the model's own data that it was not trained on
	Out []string // outliers, a name of [Outliers], a reference to a data set, or [TexturesOf] one; none: [DefaultOutliers]

	Images    int    // most images of each set, chosen by Seed; 0: all
	Seed      uint64 // of the choice of images, of those that are made, and of the bootstrap
	Resamples int    // of the bootstrap for intervals at [Level]; 0: none

	Detector *detect.Detector // makes the scores; nil: the energy

	// Progress, if not nil, is told as images are read and scored: done of total pieces, which unit names ("images"), of what is being
	// done ("scoring noise"). Total is -1 if nobody knows.
	Progress func(what, unit string, done, total int64)
	Warn     func(line string) // if not nil, is told what was left out or changed
}

// Level is that of a plan's intervals.
const Level = 0.95

// Scores are those of one set of images, under its name.
type Scores struct {
	Name   string
	Values []float64
}

// Comparison is how well one kind of outliers is told from in-distribution images.
type Comparison struct {
	In  string `json:"in"`     // name of the in-distribution images
	Out string `json:"out_of"` // name of the outliers
	Detection
	Intervals *Intervals `json:"intervals,omitempty"` // nil: none

	// Resampled is the AUROC of in-distribution images that were brought to the size of the outliers and back, against the images
	// themselves: what scaling alone does to the scores. Nil where the outliers were not scaled.
	Resampled *float64 `json:"auroc_resampled,omitempty"`
}

// Result is what came of a plan.
type Result struct {
	Detector string // whose scores were compared
	Seed     uint64 // of the plan

	In          Scores       // of the in-distribution images
	Out         []Scores     // of each kind of outliers
	Comparisons []Comparison // of each kind of outliers with the in-distribution images
}

// The paths of random numbers. Those of the i-th kind of outliers have the path i alone.
const (
	streamBootstrap = 1<<32 + iota
	streamPatches
)

// Run compares the model's scores of in-distribution images with those of every kind of outliers. Equal plans give equal results. It is
// a [*NoTestImages] if the model's data have no images that it was not trained on, and none are named. Of a model of tiles, the images
// are tiles, and have energies alone: its detectors judge pictures.
func (p Plan) Run(ctx context.Context, e engine.Engine, m *model.Model) (*Result, error) {
	if p.Detector != nil && m.Config.Tiled() {
		return nil, fmt.Errorf("benchmark: detector %s judges pictures, and of a model of tiles the energies of tiles are compared: measure it by package eval/inspection",
			p.Detector.Name)
	}
	var needs model.Quantities
	if p.Detector != nil {
		needs = p.Detector.Needs
	}
	meter, err := m.NewMeterOf(e, needs)
	if err != nil {
		return nil, err
	}
	in, err := p.OpenIn(ctx, &m.Config)
	if err != nil {
		return nil, err
	}
	names := p.Out
	if len(names) == 0 {
		names = DefaultOutliers(cmp.Or(p.In, m.Config.Data), in.Size())
	}
	opened := make([]*dataset.Set, len(names))
	for i, name := range names { // before the work: a name may be mistyped
		if _, err := OutlierNamed(name); err == nil {
			if _, err := os.Lstat(name); err == nil {
				p.warn(fmt.Sprintf("%s is the kind of outliers that is made; for the folder or file of that name here write %s", name, "."+string(filepath.Separator)+name))
			}
			continue
		}
		if opened[i], err = p.OpenOutliers(ctx, name, i, in); err != nil {
			return nil, err
		}
	}
	result := &Result{Detector: detect.Default, Seed: p.Seed}
	if p.Detector != nil {
		result.Detector = p.Detector.Name
	}
	if result.In, err = p.score(ctx, meter, in); err != nil {
		return nil, err
	}
	for i, name := range names {
		if opened[i] == nil {
			if opened[i], err = p.OpenOutliers(ctx, name, i, in); err != nil {
				return nil, err
			}
		}
		out, err := p.score(ctx, meter, opened[i])
		if err != nil {
			return nil, err
		}
		c, err := p.compare(ctx, result.In, out, i)
		if err == nil {
			c.Resampled, err = p.resampled(ctx, meter, in, opened[i], c.AUROC)
		}
		if err != nil {
			return nil, err
		}
		opened[i] = nil
		result.Out, result.Comparisons = append(result.Out, out), append(result.Comparisons, c)
	}
	return result, nil
}

// score takes the scores of a set.
func (p Plan) score(ctx context.Context, meter *model.Meter, set *dataset.Set) (Scores, error) {
	result, size := Scores{Name: set.Name}, set.Size().Len()
	for first := 0; first < set.Len(); first += meter.Batch() {
		n := min(meter.Batch(), set.Len()-first)
		measured, err := meter.Measure(ctx, set.Pixels[first*size:][:n*size], model.AnyLabel)
		if err != nil {
			return result, err
		}
		for _, m := range measured {
			score := m.Energy
			if p.Detector != nil {
				score = p.Detector.Score(m)
			}
			result.Values = append(result.Values, score)
		}
		p.progress("scoring "+set.Name, first+n, set.Len())
	}
	return result, nil
}

// compare compares in-distribution images with the i-th kind of outliers.
func (p Plan) compare(ctx context.Context, in, out Scores, i int) (Comparison, error) {
	d, err := Detect(in.Values, out.Values)
	c := Comparison{In: in.Name, Out: out.Name, Detection: d}
	if err != nil || p.Resamples == 0 {
		return c, err
	}
	s := rng.New(p.Seed, streamBootstrap, uint64(i))
	intervals, err := Bootstrap(ctx, in.Values, out.Values, Level, p.Resamples, &s)
	c.Intervals = &intervals
	return c, err
}

// resampled is how well in-distribution images are told from themselves, once they have gone through the scaling that the outliers went
// through; nil if these did not.
func (p Plan) resampled(ctx context.Context, meter *model.Meter, in, out *dataset.Set, auroc float64) (*float64, error) {
	const most = 2000 // images, for time
	if !out.Resized || out.Stored.Height == in.Stored.Height && out.Stored.Width == in.Stored.Width {
		return nil, nil
	}
	few := in.AtMost(most, p.Seed)
	through, err := few.Through(ctx, out.Stored.Height, out.Stored.Width)
	if err != nil {
		return nil, err
	}
	few.Name, through.Name = in.Name, in.Name+", scaled as "+out.Name
	a, err := p.score(ctx, meter, few)
	if err != nil {
		return nil, err
	}
	b, err := p.score(ctx, meter, through)
	if err != nil {
		return nil, err
	}
	d, err := Detect(a.Values, b.Values)
	if err != nil {
		return nil, err
	}
	if alone := math.Abs(d.AUROC - 0.5); alone > 0.1 && alone >= math.Abs(auroc-0.5)/2 && (d.AUROC > 0.5) == (auroc > 0.5) {
		p.warn(fmt.Sprintf("%s: the images were scaled, and in-distribution images scaled alike have an AUROC of %.4f against themselves: much of %.4f may come "+
			"from resampling alone", out.Name, d.AUROC, auroc))
	}
	return &d.AUROC, nil
}

func (p Plan) progress(what string, done, total int) {
	if p.Progress != nil {
		p.Progress(what, "images", int64(done), int64(total))
	}
}

func (p Plan) warn(line string) {
	if p.Warn != nil {
		p.Warn(line)
	}
}
