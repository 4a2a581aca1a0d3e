package run

// This file calibrates the model of a finished run with the images held out, which training has used for nothing.

import (
	"context"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/model"
)

func (r *runner) calibrate(ctx context.Context) error {
	if kept, err := r.keepsCalibration(); kept || err != nil {
		return err
	}
	if n := r.pictures.Len(); n < detect.Fewest {
		r.options.Log.Info("too few images held out to calibrate detectors with; use joule calibrate", "held_out", n, "wanted", detect.Fewest)
		return nil
	}
	m, err := r.trained()
	if err != nil {
		return err
	}
	r.pictures.Name = model.HeldOutName(r.config.Data)
	done := 0
	calibration, err := detect.CalibrateSet(ctx, r.engine, m, r.pictures, func(n int) {
		done += n
		r.options.work("calibrating", "images", done, r.pictures.Len())
	})
	if err != nil {
		return err
	}
	if err := detect.Attach(m, calibration); err != nil {
		return err
	}
	if !r.options.writes() {
		return nil
	}
	return m.Save(r.dir.file(modelFile))
}

// keepsCalibration says, by rank 0's directory, that the model there stays as it is and has been calibrated.
func (r *runner) keepsCalibration() (bool, error) {
	data := ""
	if r.options.writes() && r.keepsModel() {
		data = r.calibratedWith()
	}
	if !r.options.together() {
		return data != "", nil
	}
	shared, err := engine.Broadcast(r.options.Group, []byte(data))
	return len(shared) > 0, err
}

// calibratedWith says with which images the model in the directory has been calibrated; empty: it is not.
func (r *runner) calibratedWith() string {
	m, err := model.Open(r.dir.file(modelFile))
	if err != nil {
		return ""
	}
	c, err := detect.CalibrationOf(m)
	if err != nil {
		return ""
	}
	return c.Data
}
