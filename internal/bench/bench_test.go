package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/internal/bench"
)

func TestMeasure(t *testing.T) {
	w := bench.Workload{Preset: "mnist", Filters: 2, Batch: 3, Steps: 7, Threads: 1, Repeats: 1}
	var told []string
	b, err := bench.New(w)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Measure(t.Context(), func(part string) { told = append(told, part) })
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	// The keys that the PyTorch benchmark prints, and those of the machine.
	for _, key := range []string{"langevin_step", "energy", "kl", "cd", "update", "iteration", "gflops", "peak_gflops", "peak_fraction"} {
		if v, ok := values[key].(float64); !ok || !(v > 0) {
			t.Errorf("%s is %v", key, values[key])
		}
	}
	if len(told) != bench.Parts || !slices.Contains(told, "langevin_step") {
		t.Errorf("told of %v", told)
	}
}

func TestNewRefuses(t *testing.T) {
	for want, change := range map[string]func(*bench.Workload){
		"no network":   func(w *bench.Workload) { w.Preset = "imagenet" },
		"filters":      func(w *bench.Workload) { w.Filters = -1 },
		"batch 0":      func(w *bench.Workload) { w.Batch = 0 },
		"steps -1":     func(w *bench.Workload) { w.Steps = -1 },
		"threads -1":   func(w *bench.Workload) { w.Threads = -1 },
		"repeats 0":    func(w *bench.Workload) { w.Repeats = 0 },
		`no set "sse"`: func(w *bench.Workload) { w.Kernels = "sse" },
	} {
		w := bench.Workload{Preset: "mnist", Filters: 2, Batch: 1, Steps: 1, Repeats: 1}
		change(&w)
		if _, err := bench.New(w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", w, err, want)
		}
	}
}

func TestMeasureStops(t *testing.T) {
	for _, preset := range bench.Presets() {
		b, err := bench.New(bench.Workload{Preset: preset, Filters: 8, Batch: 1, Steps: 1, Repeats: 1})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := b.Measure(ctx, func(string) { cancel() }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: stopped, but %v", preset, err)
		}
	}
}

func TestLayers(t *testing.T) {
	b, err := bench.New(bench.Workload{Preset: "mnist", Filters: 16, Batch: 3, Steps: 1, Repeats: 2})
	if err != nil {
		t.Fatal(err)
	}
	layers, err := b.Layers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	share, kinds := 0.0, map[string]bool{}
	for i, l := range layers {
		if share += l.Share; kinds[l.Kind] || i > 0 && l.Share > layers[i-1].Share {
			t.Errorf("%s twice or out of order", l.Kind)
		}
		kinds[l.Kind] = true
	}
	if math.Abs(share-1) > 1e-9 || !kinds["pointwise"] || !kinds["convolution at the image"] || !kinds["noise"] {
		t.Errorf("%v in all, of %v", share, kinds)
	}
}

// Predictions follow from the pieces: one core is efficient by definition, more are faster, and no faster than perfectly so.
func TestScale(t *testing.T) {
	b, err := bench.New(bench.Workload{Preset: "cifar10", Filters: 4, Batch: 8, Steps: 3, Lanes: 16, Repeats: 1})
	if err != nil {
		t.Fatal(err)
	}
	parts := 0
	s, err := b.Scale(t.Context(), func(string) { parts++ })
	if err != nil {
		t.Fatal(err)
	}
	p := s.Pieces
	for name, seconds := range map[string]float64{"step of one image": p.Step[1], "packing": p.Chain.Packing + p.Loss.Packing,
		"prologue": p.Chain.Prologue + p.Loss.Prologue, "tile of the loss": p.LossTile, "epilogue": p.Epilogue, "update": p.Update} {
		if !(seconds > 0) {
			t.Errorf("%s: %v seconds", name, seconds)
		}
	}
	if p.LossPlan.Lanes != 8 || p.LossPlan.Images != 1 || !(p.Weights > 0) {
		t.Errorf("the loss in %+v, %v bytes a tile", p.LossPlan, p.Weights)
	}
	for i, c := range s.Cores {
		if i == 0 && (c.Cores != 1 || c.Efficiency != 1) {
			t.Errorf("one core: %+v", c)
		}
		if i > 0 && c.Seconds > s.Cores[i-1].Seconds*1.5 { // smaller tiles may cost more than they gain
			t.Errorf("%d cores take %v s, %d take %v s", c.Cores, c.Seconds, s.Cores[i-1].Cores, s.Cores[i-1].Seconds)
		}
		if c.Cores > 8 && !strings.Contains(c.Limit, "chain") && !strings.Contains(c.Limit, "loss") && !strings.Contains(c.Limit, "host") {
			t.Errorf("%d cores for 8 images are limited by %q", c.Cores, c.Limit)
		}
	}
	if parts != bench.ScalingParts || len(s.Checked) == 0 || !strings.Contains(s.String(), "efficiency") {
		t.Errorf("%d parts, checked %v", parts, s.Checked)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Error(err)
	}
}
