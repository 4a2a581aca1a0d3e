package report

// This file computes what a run has not written down: detection, calibration, chains, and the facts at the top of the page.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// Options say what to compute for a page; the zero value computes nothing.
type Options struct {
	Program string // that writes the page, and its version

	Detect    bool           // whether to measure detection and to check the calibration
	Benchmark benchmark.Plan // how, by which images. What it names must be there; what it leaves open need not
	Chains    int            // to draw from noise, all at a time; 0: none
	Threads   int            // for augmentation; 0: all cores. The engine has its own
	Progress  eval.Progress
}

// Defaults are the options of joule report.
func Defaults() Options {
	return Options{Detect: true, Benchmark: benchmark.Plan{Images: 2000, Seed: 1, Resamples: 1000}, Chains: 8}
}

// Build collects what is recorded at path, a run directory or a model file, and computes the rest. Data that is gone, a model that is
// not there yet or a damaged file is no error but a line of [Report.Missing], unless there is nothing to show or it was asked for.
func Build(ctx context.Context, e engine.Engine, path string, o Options) (*Report, error) {
	r, m, err := open(path)
	if err != nil {
		return nil, err
	}
	r.Program = o.Program
	if m != nil && o.Detect {
		if err := r.addDetection(ctx, e, m, o); err != nil {
			return nil, err
		}
	}
	if m != nil && o.Chains > 0 {
		if r.Chains, err = drawChains(ctx, e, m, o); ctx.Err() != nil {
			return nil, ctx.Err()
		} else if err != nil {
			r.missing("chains", err)
		}
	}
	if r.Chains != nil && r.Detection != nil {
		r.Chains.InDistribution = r.Detection.In.Values
	}
	r.Facts = r.facts(m)
	return r, nil
}

// open reads what is recorded, and the model, if there is one that can be read.
func open(path string) (*Report, *model.Model, error) {
	r, err := Read(path)
	m, modelErr := model.Open(path)
	info, statErr := os.Stat(path)
	switch {
	case err == nil && modelErr != nil:
		r.missing("what the model does", modelErr)
		return r, nil, nil
	case err == nil:
		return r, m, nil
	case modelErr != nil && statErr == nil && info.IsDir():
		return nil, nil, err
	case modelErr != nil:
		return nil, nil, modelErr
	}
	// A model by itself.
	r = &Report{Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))}
	config, err := run.ConfigOf(m)
	if err != nil {
		return nil, nil, err
	}
	r.Config, err = config.Text()
	return r, m, err
}

// addDetection measures how well the model detects, and checks its calibration on the same in-distribution images.
func (r *Report) addDetection(ctx context.Context, e engine.Engine, m *model.Model, o Options) error {
	plan := o.Benchmark
	if plan.Progress == nil {
		plan.Progress = o.Progress
	}
	d, err := plan.Run(ctx, e, m)
	switch asked := len(plan.Out) > 0 || plan.In != ""; {
	case err != nil && (ctx.Err() != nil || asked):
		return err
	case err != nil:
		message := err.Error()
		if data := m.Config.Data; data != "" {
			message = strings.ReplaceAll(message, data, benchmark.ShortName(data))
		}
		r.missing("how well the model detects out-of-distribution images", errors.New(message))
		return nil
	}
	d.In.Name = benchmark.ShortName(d.In.Name)
	for i := range d.Out {
		d.Out[i].Name = benchmark.ShortName(d.Out[i].Name)
	}
	r.Detection = d
	if r.Calibration, err = checkCalibration(m, d.In); err != nil {
		r.missing("calibration", err)
	}
	return nil
}

// checkCalibration takes the p-values of in-distribution images, given their energies, by the model's calibration.
func checkCalibration(m *model.Model, in benchmark.Scores) (*Calibration, error) {
	calibration, err := detect.CalibrationOf(m)
	if err != nil {
		return nil, fmt.Errorf("%w; joule calibrate makes up for it", err)
	}
	if m.Config.Tiled() {
		return nil, errors.New("the calibration is one of pictures, and the energies here are those of tiles: joule eval inspect measures the rate of false alarms")
	}
	c := &Calibration{Data: benchmark.ShortName(calibration.Data), Images: calibration.Images, In: in.Name}
	if c.In == c.Data {
		return nil, errors.New("the images to check it with are those that the model is calibrated with; name others with --in")
	}
	scales, err := m.Energy.Scales()
	if err != nil {
		return nil, err
	}
	energy, err := detect.Named(detect.Default, scales, calibration)
	if err != nil {
		return nil, err
	}
	for _, e := range in.Values {
		c.PValues = append(c.PValues, energy.Distribution.P(energy.Score(model.Measurement{Energy: e})))
	}
	return c, nil
}

// facts are the figures for the top of the page. The model may be nil.
func (r *Report) facts(m *model.Model) (facts []Fact) {
	if n := len(r.Records); n > 0 {
		facts = append(facts, Fact{Name: "Iterations", Value: fmt.Sprint(r.Records[n-1].Iteration)})
	} else if m != nil {
		facts = append(facts, Fact{Name: "Iterations", Value: fmt.Sprint(m.Iterations)})
	}
	if m != nil {
		c := m.Config
		facts = append(facts,
			Fact{"Trained on", benchmark.ShortName(c.Data), fmt.Sprintf("images of %v", c.ImageSize())},
			Fact{"Network", c.Network.Name, fmt.Sprintf("%d filters, %d parameters", c.Network.Filters, m.Parameters())},
			Fact{"Sampler", fmt.Sprintf("%d steps", c.Sampler.Steps), c.Sampler.Kind})
	}
	if d := r.Detection; d != nil {
		lowest := 0
		for i, c := range d.Comparisons {
			if c.AUROC < d.Comparisons[lowest].AUROC {
				lowest = i
			}
		}
		facts = append(facts, Fact{"AUROC, " + d.Out[0].Name, fmt.Sprintf("%.4f", d.Comparisons[0].AUROC), "1 is perfect, 0.5 chance"})
		if lowest != 0 {
			facts = append(facts, Fact{"Lowest AUROC", fmt.Sprintf("%.4f", d.Comparisons[lowest].AUROC), d.Out[lowest].Name})
		}
	}
	return facts
}
