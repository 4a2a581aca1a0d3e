package run_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// A run whose checkpoints somebody has removed is refused, and stays as it is.
func TestCheckpointsAreGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	start(t, dir, config(t, stripes(t, t.TempDir(), 60, 1), "limits.iterations=2"))
	files, err := filepath.Glob(filepath.Join(dir, "checkpoint*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	before := kept(t, dir)
	_, err = run.Resume(t.Context(), dir, &run.Limits{Iterations: 9}, run.Options{Threads: 1})
	checkLine(t, err, dir, "checkpoints are gone")
	sameRun(t, "refused", kept(t, dir), before)
}

// Going on with a run that has made all its iterations leaves a calibration as its owner made it; training further does not.
func TestCalibrationIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	start(t, dir, config(t, stripes(t, t.TempDir(), 300, 1), calibrating, "limits.iterations=1"))
	m, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	own, err := detect.CalibrationImages(t.Context(), &m.Config, stripes(t, t.TempDir(), 40, 2), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	calibration, err := detect.Calibrate(t.Context(), &cpu.Engine{}, m, "mine", own.Pixels, nil)
	if err == nil {
		err = detect.Save(m, calibration)
	}
	if err != nil {
		t.Fatal(err)
	}
	again := run.Options{Threads: 1, Work: func(what, _ string, _, _ int64) {
		if what == "calibrating" {
			t.Error("calibrates what is kept as it is")
		}
	}}
	if _, err := run.Resume(t.Context(), dir, nil, again); err != nil {
		t.Fatal(err)
	}
	data := func() string {
		t.Helper()
		m, err := model.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		c, err := detect.CalibrationOf(m)
		if err != nil {
			t.Fatal(err)
		}
		return c.Data
	}
	if got := data(); got != "mine" {
		t.Errorf("after a resume that did nothing the calibration is with %s", got)
	}

	// A calibration is of the weights that it was made with, and of no others.
	for _, w := range m.Params {
		w[0]++
		break
	}
	c, err := detect.CalibrationOf(m)
	if c != nil {
		t.Errorf("a calibration of other weights: %+v", c)
	}
	checkLine(t, err, "made with other weights")

	resume(t, dir, &run.Limits{Iterations: 2})
	if got := data(); got == "mine" {
		t.Error("the calibration of other weights is still there")
	}
}

// The data of a run are found beside it, from wherever it is resumed, and where they are said to be by now. Other images are refused.
func TestDataMove(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "photos"), 0o777); err != nil {
		t.Fatal(err)
	}
	data := stripes(t, filepath.Join(home, "photos"), 60, 1)
	t.Chdir(home)
	rel, err := filepath.Rel(home, data)
	if err != nil {
		t.Fatal(err)
	}
	c := config(t, rel, "limits.iterations=1")
	start(t, filepath.Join("runs", "a"), c)
	t.Chdir(t.TempDir())
	dir := filepath.Join(home, "runs", "a")
	resume(t, dir, &run.Limits{Iterations: 2})
	m, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Config.OpenData(t.Context()); err != nil {
		t.Error(err)
	}

	if err := os.Rename(filepath.Dir(data), filepath.Join(home, "album")); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(home, "album", filepath.Base(data))
	if _, err := run.Resume(t.Context(), dir, nil, run.Options{Threads: 1}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("data that are gone: %v", err)
	}
	before := kept(t, dir)
	_, err = run.Resume(t.Context(), dir, nil, run.Options{Threads: 1, Data: stripes(t, t.TempDir(), 60, 2)})
	checkLine(t, err, "is not the one the run was started with")
	sameRun(t, "with other data", kept(t, dir), before)
	if _, err := run.Resume(t.Context(), dir, nil, run.Options{Threads: 1, Data: moved}); err != nil {
		t.Fatal(err)
	}
	if m, err = model.Open(dir); err != nil || m.Config.Data != moved {
		t.Errorf("data of the model: %s, %v", m.Config.Data, err)
	}
}

// Where the data have changed it is said which pictures came and went, whoever asks: training that goes on, or what needs the images held out.
func TestDataChange(t *testing.T) {
	photos, dir := t.TempDir(), filepath.Join(t.TempDir(), "run")
	paint := func(name string, shade uint8) {
		t.Helper()
		picture := image.NewGray(image.Rect(0, 0, 16, 16))
		for i := range picture.Pix {
			picture.Pix[i] = shade + uint8(i)
		}
		var file bytes.Buffer
		if err := png.Encode(&file, picture); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(photos, name), file.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint8(20) {
		paint(fmt.Sprintf("%02d.png", i), 5*i)
	}
	start(t, dir, config(t, photos, "network.image=16,16,1", "limits.iterations=1"))
	refused := func(want ...string) {
		t.Helper()
		before := kept(t, dir)
		_, err := run.Resume(t.Context(), dir, &run.Limits{Iterations: 2}, run.Options{Threads: 1})
		checkLine(t, err, append(want, "not the one the run was started with")...)
		sameRun(t, "refused", kept(t, dir), before)
		m, err := model.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = m.Config.OpenData(t.Context())
		if checkLine(t, err, want...); !errors.Is(err, model.ErrDataChanged) {
			t.Error(err)
		}
	}
	paint("20.png", 200)
	refused("21 images now, 20 then: 1 came (20.png)")
	if err := os.Remove(filepath.Join(photos, "07.png")); err != nil {
		t.Fatal(err)
	}
	paint("03.png", 201)
	refused("20 images now as then: 1 came (20.png), 1 went (07.png), 1 with other pixels (03.png)")

	// A run of an earlier version has no list; it gets one when it goes on.
	paint("03.png", 15)
	paint("07.png", 35)
	list := filepath.Join(dir, model.ImagesFile)
	for _, name := range []string{list, filepath.Join(photos, "20.png")} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	resume(t, dir, &run.Limits{Iterations: 2})
	if _, err := os.Stat(list); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(list, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	paint("21.png", 200)
	refused("21 images now, 20 then; which is not known: not an inventory of images")
}

// A directory that cannot be had is noticed before the data are read, and one in which no run came to be is not left behind.
func TestDirectoryFirst(t *testing.T) {
	at := filepath.Join(t.TempDir(), "new", "run")
	_, err := run.Start(t.Context(), at, config(t, "nowhere"), run.Options{})
	checkLine(t, err, "nowhere")
	if _, err := os.Stat(filepath.Dir(at)); err == nil {
		t.Error("folders were left behind")
	}
	if err := os.MkdirAll(filepath.Join(at, "something"), 0o777); err != nil {
		t.Fatal(err)
	}
	_, err = run.Start(t.Context(), at, config(t, "nowhere"), run.Options{})
	checkLine(t, err, "not empty")
}
