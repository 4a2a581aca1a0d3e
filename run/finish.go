package run

// This file looks at what a run has learnt: energies of images it has not seen, and samples drawn from noise.

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/model"
)

func samplesName(iteration int64) string { return fmt.Sprintf("%s/%06d.png", samplesDir, iteration) }

// finish keeps the model of a run that has reached its limit and says what it is worth.
func (r *runner) finish(ctx context.Context) (Result, error) {
	result := Result{Dir: r.dir.path, Iteration: r.trainer.Iteration, Model: r.dir.file(modelFile), Data: r.config.Data}
	if err := r.compare(ctx, &result); err != nil {
		return result, err
	}
	if err := r.calibrate(ctx); err != nil {
		return result, err
	}
	r.options.Log.Info("drawing samples from noise", "images", r.config.Output.Pictures)
	images, err := r.generate(ctx)
	if err != nil {
		return result, err
	}
	result.Samples = r.dir.file(samplesFile)
	return result, r.log.picture(samplesFile, r.trainer.Iteration, images, r.config.ImageSize())
}

// compare measures how well the energy tells the images held out from others.
func (r *runner) compare(ctx context.Context, result *Result) error {
	m, err := r.trained()
	if err != nil {
		return err
	}
	in, err := r.energies(ctx, m, r.heldOut.Pixels)
	if err != nil {
		return err
	}
	name, pixels, err := r.outliers(ctx)
	if err != nil {
		return err
	}
	out, err := r.energies(ctx, m, pixels)
	if err != nil {
		return err
	}
	result.Outliers = name
	result.Detection, err = benchmark.Detect(in, out)
	return err
}

// outliers are images to tell the data from, as many as are held out at most: those of a built-in set unlike the data, or noise where
// the data have colours.
func (r *runner) outliers(ctx context.Context) (name string, pixels []uint8, err error) {
	size, n := r.config.ImageSize(), r.heldOut.Len()
	if size.Channels != 1 {
		noise, err := benchmark.OutlierNamed("noise")
		if err != nil {
			return "", nil, err
		}
		s := rng.New(r.config.Seed, streamOutliers)
		pixels, err = noise.Make(n, size.Height, size.Width, size.Channels, nil, &s)
		return noise.Name, pixels, err
	}
	name = dataset.Contrast(r.config.Data, size)
	set, err := dataset.Open(ctx, name, size)
	if err != nil {
		return "", nil, err
	}
	return name, set.Pixels[:min(n, set.Len())*size.Len()], nil
}

// energies are those of the trained model; of a conditional one, those of the mixture of its classes.
func (r *runner) energies(ctx context.Context, m *model.Model, pixels []uint8) (_ []float64, err error) {
	if r.meter == nil {
		r.meter, err = m.NewMeter(r.engine, false)
	} else {
		err = r.meter.Bind(m.Params)
	}
	if err != nil {
		return nil, err
	}
	return r.meter.Energies(ctx, pixels, model.AnyLabel)
}

// generate draws images from noise by the authors' procedure, with the averaged weights.
func (r *runner) generate(ctx context.Context) ([]uint8, error) {
	m, err := r.trained()
	if err != nil {
		return nil, err
	}
	sampling := model.Sampling{Images: r.config.Output.Pictures, Seed: r.config.Seed, Threads: r.options.Threads}
	sampling.Progress = func(done, total int64) { r.options.work("drawing samples", "steps", int(done), int(total)) }
	return m.Sample(ctx, r.chains, sampling)
}
