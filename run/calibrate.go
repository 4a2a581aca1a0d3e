package run

// This file calibrates the detectors of a model with images that it was not trained on: at the end of a run with those held out,
// and at any time with others.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/safetensors"
)

// calibrate calibrates the model of a finished run with the images held out, which training has used for nothing.
func (r *runner) calibrate(ctx context.Context) error {
	if n := r.heldOut.Len(); n < detect.Fewest {
		r.options.Log.Info("too few images held out to calibrate detectors with; use joule calibrate", "held_out", n, "wanted", detect.Fewest)
		return nil
	}
	m := r.trained()
	var err error
	if m.Calibration, err = m.Calibrate(ctx, r.engine, HeldOutName(r.config.Data), r.heldOut.Pixels, nil); err != nil {
		return err
	}
	return m.Write(r.dir.file(modelFile))
}

// HeldOutName says where calibration images come from that a run has held out of a data set.
func HeldOutName(data string) string { return data + ", held out of training" }

// Calibrate makes a calibration of the model with images (N,H,W,C) that data describes. The model stays as it is. Progress, if not
// nil, is called with the number of images measured since it was last called.
func (m *Model) Calibrate(ctx context.Context, e engine.Engine, data string, pixels []uint8, progress func(int)) (*detect.Calibration, error) {
	meter, err := detect.NewMeter(e, m.Energy, m.Params, true)
	if err != nil {
		return nil, err
	}
	var images []detect.Measurement
	for size := m.Energy.Image.Size(); len(pixels) > 0; {
		part := pixels[:min(len(pixels), meter.Batch()*size)]
		pixels = pixels[len(part):]
		measured, err := meter.Measure(ctx, part, eval.AnyLabel)
		if err != nil {
			return nil, err
		}
		if images = append(images, measured...); progress != nil {
			progress(len(measured))
		}
	}
	return detect.Calibrate(data, images)
}

// HeldOut are the images that the run of a model has held out of training.
func (m *Model) HeldOut(ctx context.Context) (*dataset.Set, error) {
	_, heldOut, err := m.Data(ctx)
	return heldOut, err
}

// Data are the images that a model was trained on, and those that its run has held out of training.
func (m *Model) Data(ctx context.Context) (training, heldOut *dataset.Set, err error) {
	set, err := dataset.Open(ctx, m.Config.Data, m.Config.ImageSize())
	if err != nil {
		return nil, nil, err
	}
	return m.Config.split(set)
}

// SetCalibration puts a calibration into the file the model was read from. All else in the file stays as it is, bit for bit. It is an
// error if the file is a run's that is being trained, or is another model by now.
func (m *Model) SetCalibration(c *detect.Calibration) error {
	dir := filepath.Dir(m.Path)
	_, err := os.Stat(filepath.Join(dir, configFile))
	switch {
	case err == nil && filepath.Base(m.Path) == modelFile:
		d, err := enter(dir)
		if err != nil {
			return err
		}
		defer d.leave()
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	file, err := safetensors.ReadFile(m.Path)
	if err != nil {
		return err
	}
	params, err := loadParams(file, m.Energy)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Path, err)
	}
	if !maps.EqualFunc(params, m.Params, slices.Equal[[]float32]) {
		return fmt.Errorf("%s: the model has changed since it was read; calibrate it again", m.Path)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	file.Metadata[metaCalibrated] = string(text)
	return durable.WriteFile(m.Path, func(w io.Writer) error { return safetensors.Write(w, file.Tensors, file.Metadata) })
}
