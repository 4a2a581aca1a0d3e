package run_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// calibrating is a change that holds out enough images to calibrate with, of a data set of 300.
const calibrating = "held_out=25"

// A run calibrates its model when it ends, with the images held out, to the same bytes when it was stopped on the way.
func TestRunCalibrates(t *testing.T) {
	data, whole, stopped := stripes(t, t.TempDir(), 300, 1), filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	c := config(t, data, calibrating)
	start(t, whole, c)
	m, err := model.Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := detect.CalibrationOf(m); err != nil || c.Images != 25 || c.Data != model.HeldOutName(data) {
		t.Fatalf("calibration %+v, %v", c, err)
	}

	ctx, options := stopAt(t, 10)
	if result, err := run.Start(ctx, stopped, c, options); err != nil || !result.Interrupted {
		t.Fatalf("not interrupted: %+v, %v", result, err)
	}
	if part, err := model.Open(stopped); err != nil || part.Calibration != nil {
		t.Errorf("the model of a run that was stopped: %v, calibration %s", err, part.Calibration)
	}
	resume(t, stopped, nil)
	sameRun(t, "stopped and resumed", kept(t, stopped), kept(t, whole))

	// Calibrating again with the images held out changes nothing.
	before := kept(t, whole)
	_, set, err := m.Config.OpenData(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	calibration, err := detect.Calibrate(t.Context(), &cpu.Engine{}, m, model.HeldOutName(data), set.Pixels, nil)
	if err == nil {
		err = detect.Save(m, calibration)
	}
	if err != nil {
		t.Fatal(err)
	}
	sameRun(t, "calibrated again", kept(t, whole), before)

	// Not while the run goes on, nor for a model that is no longer the one that was measured.
	var during error
	_, err = run.Resume(context.Background(), whole, &run.Limits{Iterations: 31}, run.Options{Threads: 1, Progress: func(run.Progress) {
		during = detect.Save(m, calibration)
	}})
	if err != nil {
		t.Fatal(err)
	}
	checkLine(t, during, "another process is training in it")
	checkLine(t, detect.Save(m, calibration), "model.safetensors", "has changed since it was read")
}

// A calibration of another version costs the p-values, not the model.
func TestUnknownCalibration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	start(t, dir, config(t, stripes(t, t.TempDir(), 300, 1), calibrating, "limits.iterations=1"))
	path := filepath.Join(dir, "model.safetensors")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	future := bytes.Replace(content, []byte(`{\"version\":1,`), []byte(`{\"version\":9,`), 1)
	if bytes.Equal(future, content) {
		t.Fatal("no calibration in the file")
	}
	if err := os.WriteFile(path, future, 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := detect.CalibrationOf(m)
	if c != nil {
		t.Errorf("calibration %+v", c)
	}
	checkLine(t, err, "version 9", "calibrate again")
}

// Too few images held out are no reason to fail.
func TestTooFewToCalibrate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	start(t, dir, config(t, stripes(t, t.TempDir(), 60, 1), "limits.iterations=1"))
	m, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := detect.CalibrationOf(m)
	if c != nil {
		t.Errorf("calibration %+v", c)
	}
	checkLine(t, err, "the model is not calibrated")
}

// A calibration by the images held out is the run's own, also where the data have moved.
func TestCalibrationOfMovedData(t *testing.T) {
	data, at, to := stripes(t, t.TempDir(), 300, 1), filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "moved")
	start(t, at, config(t, data, "limits.iterations=1", "held_out=30"))
	if err := os.Rename(filepath.Dir(data), to); err != nil {
		t.Fatal(err)
	}
	o, log := logged()
	o.Data = filepath.Join(to, dataFile)
	if _, err := run.Resume(t.Context(), at, &run.Limits{Iterations: 2}, o); err != nil || strings.Contains(log.String(), "calibrate again") {
		t.Errorf("%v\n%s", err, log)
	}
}
