package benchmark_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
)

// Any detector can be compared; one that calls out of distribution what the energy calls so has the same figures.
func TestPlanWithDetectors(t *testing.T) {
	m := ink()
	set, err := dataset.Open(t.Context(), "mnist", dataset.Size{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := detect.Calibrate(t.Context(), &cpu.Engine{}, m, "mnist", set.Draw(400, 1).Pixels, nil)
	if err != nil {
		t.Fatal(err)
	}
	auroc := map[string]float64{}
	for _, name := range []string{"", "energy", "typicality", "combined"} {
		plan := benchmark.Plan{Out: []string{"fashion-mnist"}, Images: 300, Seed: 1}
		if name != "" {
			if plan.Detector, err = detect.Named(name, 1, c); err != nil {
				t.Fatal(err)
			}
		}
		last := map[string]int64{}
		plan.Progress = func(what, _ string, done, total int64) {
			if done <= last[what] || total >= 0 && done > total {
				t.Errorf("%s: %d of %d after %d", what, done, total, last[what])
			}
			last[what] = done
		}
		result, err := plan.Run(t.Context(), &cpu.Engine{}, m)
		if err != nil {
			t.Fatal(err)
		}
		auroc[name] = result.Comparisons[0].AUROC
		if last["scoring mnist:test"] != 300 || last["scoring fashion-mnist"] != 300 {
			t.Errorf("progress %v", last)
		}
		plan.Progress = nil
		again, err := plan.Run(t.Context(), &cpu.Engine{Threads: 1}, m)
		if err != nil || len(again.In.Values) != 300 || !reflect.DeepEqual(again.In, result.In) || !reflect.DeepEqual(again.Comparisons, result.Comparisons) {
			t.Errorf("%q: other results of the same plan, %v", name, err)
		}
	}
	// All gradients of this energy are alike, so that combined is the energy in other units.
	if auroc[""] != auroc["energy"] || auroc["energy"] != auroc["combined"] || auroc["typicality"] >= auroc["energy"] {
		t.Errorf("AUROC %v", auroc)
	}
}

func TestPlanRefuses(t *testing.T) {
	m := ink()
	m.Config.Data = filepath.Join(t.TempDir(), "gone")
	none := (*benchmark.NoTestImages)(nil)
	if _, err := (benchmark.Plan{}).Run(t.Context(), &cpu.Engine{}, m); !errors.As(err, &none) || none.Data != m.Config.Data {
		t.Errorf("data that is gone: %v", err)
	}
	if _, err := (benchmark.Plan{In: "mnist", Out: []string{"noise", "niose"}}).Run(t.Context(), &cpu.Engine{}, m); err == nil {
		t.Error("outliers of no such name are no error")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	m.Config.Data = "mnist"
	if _, err := (benchmark.Plan{}).Run(ended, &cpu.Engine{}, m); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// Of a model of tiles, tiles are compared; its detectors judge pictures.
func TestPlanOfTiles(t *testing.T) {
	m := ink()
	m.Config.Tiles = model.Tiles{Side: 28, Stride: 28}
	plan := benchmark.Plan{In: "mnist", Out: []string{"noise"}, Images: 40}
	result, err := plan.Run(t.Context(), &cpu.Engine{}, m)
	if err != nil || result.Detector != "energy" || len(result.In.Values) != 40 {
		t.Fatalf("%+v, %v", result, err)
	}
	for _, name := range scoremap.Names() {
		if plan.Detector, err = detect.ForModel(m, name); err != nil {
			t.Fatal(err)
		}
		if s := plan.Detector.Score(model.Measurement{}); !math.IsNaN(s) {
			t.Errorf("%s: a measurement has the score %v", name, s)
		}
		if _, err := plan.Run(t.Context(), &cpu.Engine{}, m); err == nil || !strings.Contains(err.Error(), name+" judges pictures") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShortName(t *testing.T) {
	for name, want := range map[string]string{
		"mnist:test": "mnist:test", "a/b/photos.zip:test": "photos.zip:test", "/data/cifar10/test/": "cifar10/test", "train": "train", "/train": "train",
		"textures:/data/walls": "textures:walls", "/data/mnist, held out of training": "mnist, held out of training",
		"/data/cifar10/train, held out of training": "cifar10/train, held out of training",
	} {
		if got := benchmark.ShortName(filepath.FromSlash(name)); got != filepath.FromSlash(want) {
			t.Errorf("%s is %s for short, want %s", name, got, want)
		}
	}
}
