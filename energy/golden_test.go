package energy_test

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/safetensors"
)

// TestRecordedCases compares energies and scores (∇x of the sum over the scales) with those that the authors' networks gave in
// float64; the files store float32.
func TestRecordedCases(t *testing.T) {
	for _, c := range []struct {
		file, network string
		options       energy.Options
	}{
		{"mnist", "mnist", energy.Options{Filters: 8}},
		{"cifar10_single_scale", "cifar10", energy.Options{Filters: 8}},
		{"cifar10_cond", "cifar10", energy.Options{Filters: 8, MultiScale: true, Attention: true, Classes: 10}},
		{"celeba_cond", "celeba128", energy.Options{Filters: 8, MultiScale: true, Attention: true, Classes: 2, Image: expr.Shape{64, 64, 3}}},
	} {
		t.Run(c.file, func(t *testing.T) {
			file, err := safetensors.ReadFile(filepath.Join("..", "testdata", "golden", c.file+".safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			model, err := energy.New(c.network, c.options)
			if err != nil {
				t.Fatal(err)
			}
			params, err := model.Params()
			if err != nil {
				t.Fatal(err)
			}
			values := map[string][]float64{}
			for _, s := range params.Specs() {
				stored := tensor(t, file, "param/"+s.Name, s.TorchShape()...)
				here := make([]float32, len(stored))
				s.FromTorch(here, stored)
				values[s.Name] = wide(here)
			}
			checkUnused(t, file, values)

			x := expr.Input("x", model.Image)
			var label *expr.Value
			batch := len(lookup(t, file, "x").Data) / 4 / model.Image.Size()
			h, w, ch := model.Image[0], model.Image[1], model.Image[2]
			values["x"] = pixelsLast(tensor(t, file, "x", batch, ch, h, w), model.Image)
			if model.Classes > 0 {
				label = expr.Input("label", expr.Shape{1, 1, model.Classes})
				values["label"] = wide(tensor(t, file, "label", batch, model.Classes))
			}
			scales := model.Build(params, x, label)
			results, err := reference.Eval(append(slices.Clone(scales), expr.Grad(energy.Sum(scales), x)...), batch, values)
			if err != nil {
				t.Fatal(err)
			}
			recorded := wide(tensor(t, file, "energy", batch, len(scales)))
			for i := range scales {
				column := make([]float64, batch)
				for n := range column {
					column[n] = recorded[n*len(scales)+i]
				}
				compare(t, "energy", results[i], column)
			}
			compare(t, "score", results[len(scales)], pixelsLast(tensor(t, file, "score_grad_x", batch, ch, h, w), model.Image))
		})
	}
}

// checkUnused holds that the network leaves out no recorded parameter that matters.
func checkUnused(t *testing.T, file *safetensors.File, used map[string][]float64) {
	t.Helper()
	gradients := map[string]bool{}
	for _, tensor := range file.Tensors {
		if name, ok := strings.CutPrefix(tensor.Name, "grad_cd/"); ok {
			values, err := tensor.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			gradients[name] = slices.ContainsFunc(values, func(v float32) bool { return v != 0 })
		}
	}
	if len(gradients) == 0 {
		t.Fatal("no gradients are recorded")
	}
	for name, matters := range gradients {
		if matters && used[name] == nil {
			t.Errorf("the network has no %s", name)
		}
	}
}

func lookup(t *testing.T, file *safetensors.File, name string) safetensors.Tensor {
	t.Helper()
	tensor, ok := file.Lookup(name)
	if !ok {
		t.Fatalf("no %s is recorded", name)
	}
	return tensor
}

func tensor(t *testing.T, file *safetensors.File, name string, shape ...int) []float32 {
	t.Helper()
	stored := lookup(t, file, name)
	if !slices.Equal(stored.Shape, shape) {
		t.Fatalf("%s is recorded with shape %v, want %v", name, stored.Shape, shape)
	}
	values, err := stored.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}

// pixelsLast takes images from channels × height × width to height × width × channels.
func pixelsLast(v []float32, s expr.Shape) []float64 {
	out := make([]float64, len(v))
	pixels, channels := s[0]*s[1], s[2]
	for i := range out {
		image, rest := i/s.Size()*s.Size(), i%s.Size()
		out[i] = float64(v[image+rest%channels*pixels+rest/channels])
	}
	return out
}

// compare holds that got is within 10⁻⁶ of want, in relative norm.
func compare(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	var difference, norm float64
	for i := range got {
		difference += (got[i] - want[i]) * (got[i] - want[i])
		norm += want[i] * want[i]
	}
	if rel := math.Sqrt(difference / norm); !(rel < 1e-6) {
		t.Errorf("%s: relative error %.2g", what, rel)
	} else {
		t.Logf("%s: relative error %.2g", what, rel)
	}
}
