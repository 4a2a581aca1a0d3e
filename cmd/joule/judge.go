package main

// This file says, in terms of the command line, what a judge of package detect finds wrong.

import (
	"errors"
	"fmt"
	"io"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/internal/terminal"
	"github.com/joule-ebm/joule/model"
)

// detectorError says what to do about a detector that cannot be had.
func detectorError(trained *model.Model, err error) error {
	switch unknown := (*detect.UnknownDetector)(nil); {
	case errors.As(err, &unknown):
		return usageErrorf("--detector: %w", err)
	case errors.Is(err, detect.ErrNotCalibrated):
		return fmt.Errorf("%s: %w; give it in-distribution images: joule calibrate %s --data good/", trained.Path, err, shellWord(trained.Path))
	}
	return err
}

// warn says what p-values cannot be had, and which detector has been chosen where none is named and it is not the usual one.
func warn(stderr io.Writer, judge *detect.Judge, named string) {
	if name := judge.Detector.Name; named == "" && !judge.Model.Config.Tiled() && name != detect.Default {
		fmt.Fprintf(stderr, "joule: scores are those of %s, as the energy of a model with coarse steps is low for whatever has sharp edges (--detector %s: by it alone)\n",
			name, detect.Default)
	}
	err := judge.Check()
	if judge.Uncalibrated != nil && judge.Uncalibrated != detect.ErrNotCalibrated {
		err = fmt.Errorf("no p-values: %w", judge.Uncalibrated)
	}
	if err != nil {
		fmt.Fprintln(stderr, "joule: warning:", terminal.OneLine(err.Error()))
	}
}
