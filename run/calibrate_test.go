package run_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/detector"
	"github.com/joule-ebm/joule/run"
)

// tiny is a run of a second or two.
func tiny(t *testing.T, iterations int64) run.Config {
	t.Helper()
	c, err := run.PresetConfig(run.DefaultPreset)
	if err != nil {
		t.Fatal(err)
	}
	c.Data, c.HeldOut, c.Network.Filters = "mnist:test", 200, 2
	c.Sampler.Steps, c.Buffer.Size, c.Loss.Entropy, c.Optimiser.Batch = 1, 20, 0, 2
	c.Output.Pictures, c.Output.Samples, c.Output.Checkpoint = 1, 0, 2
	c.Limits.Iterations = iterations
	return c
}

func readModel(t *testing.T, dir string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A run calibrates its model when it ends, with the images held out, to the same bytes when it was stopped on the way.
func TestRunCalibrates(t *testing.T) {
	ctx, whole, stopped := context.Background(), filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "stopped")
	if _, err := run.Start(ctx, whole, tiny(t, 3), run.Options{Threads: 1}); err != nil {
		t.Fatal(err)
	}
	m, err := run.OpenModel(whole)
	if err != nil {
		t.Fatal(err)
	}
	if m.Calibration == nil || m.Calibration.Images != 200 || m.Calibration.Data != run.HeldOutName("mnist:test") {
		t.Fatalf("calibration %+v, %v", m.Calibration, m.NotCalibrated)
	}

	interrupted, cancel := context.WithCancel(ctx)
	result, err := run.Start(interrupted, stopped, tiny(t, 3), run.Options{Threads: 1, Progress: func(p run.Progress) {
		if p.Iteration == 1 {
			cancel()
		}
	}})
	if err != nil || !result.Interrupted {
		t.Fatalf("not interrupted: %+v, %v", result, err)
	}
	if part, err := run.OpenModel(stopped); err != nil || part.Calibration != nil || part.NotCalibrated == nil {
		t.Errorf("the model of a run that was stopped: %v, calibration %+v, %v", err, part.Calibration, part.NotCalibrated)
	}
	if _, err := run.Resume(ctx, stopped, nil, run.Options{Threads: 2}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readModel(t, whole), readModel(t, stopped)) {
		t.Error("the resumed run's model is another")
	}

	// Calibrating again with the images held out changes nothing.
	before := readModel(t, whole)
	set, err := m.HeldOut(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Calibrate(ctx, &cpu.Engine{}, run.HeldOutName("mnist:test"), set.Pixels, nil)
	if err == nil {
		err = m.SetCalibration(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readModel(t, whole), before) {
		t.Error("calibrated again, the model is another")
	}

	// Not while the run goes on, nor for a model that is no longer the one that was measured.
	inside, cancel2 := context.WithCancel(ctx)
	defer cancel2()
	var during error
	_, err = run.Resume(inside, whole, &run.Limits{Iterations: 4}, run.Options{Threads: 1, Progress: func(run.Progress) { during = m.SetCalibration(c) }})
	if err != nil {
		t.Fatal(err)
	}
	if during == nil || !strings.Contains(during.Error(), "another process is training in it") {
		t.Errorf("while it is trained: %v", during)
	}
	if err := m.SetCalibration(c); err == nil || !strings.Contains(err.Error(), "has changed since it was read") {
		t.Errorf("after more training: %v", err)
	}
}

// A calibration of another version costs the p-values, not the model.
func TestUnknownCalibration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := run.Start(context.Background(), dir, tiny(t, 1), run.Options{Threads: 1}); err != nil {
		t.Fatal(err)
	}
	content := readModel(t, dir)
	future := bytes.Replace(content, []byte(`{\"version\":1,`), []byte(`{\"version\":9,`), 1)
	if bytes.Equal(future, content) {
		t.Fatal("no calibration in the file")
	}
	path := filepath.Join(dir, "model.safetensors")
	if err := os.WriteFile(path, future, 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := run.OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	if m.Calibration != nil || m.NotCalibrated == nil || !strings.Contains(m.NotCalibrated.Error(), "version 9") {
		t.Errorf("calibration %v, %v", m.Calibration, m.NotCalibrated)
	}
}

// Few images held out are no reason to fail.
func TestFewHeldOut(t *testing.T) {
	dir, c := filepath.Join(t.TempDir(), "run"), tiny(t, 1)
	c.HeldOut = detector.Fewest - 1
	if _, err := run.Start(context.Background(), dir, c, run.Options{Threads: 1}); err != nil {
		t.Fatal(err)
	}
	m, err := run.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Calibration != nil || m.NotCalibrated == nil {
		t.Errorf("calibrated with %d images", c.HeldOut)
	}
}
