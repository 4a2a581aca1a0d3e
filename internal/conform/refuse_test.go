package conform_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/conform"
	"github.com/joule-ebm/joule/internal/safetensors"
)

func read(t testing.TB, name string) *safetensors.File {
	t.Helper()
	f, err := safetensors.ReadFile(filepath.Join("..", "..", "testdata", "golden", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var quantities = []string{"energy", "score_grad_x", "chain_end", "chain_before_last_step", "x_kl", "grad_cd", "grad_opt", "grad_ent",
	"param_after_adam"}

// TestCheckSeesErrors holds that no quantity passes where the recorded numbers are a thousandth off.
func TestCheckSeesErrors(t *testing.T) {
	f := read(t, "cifar10_single_scale")
	for i, tensor := range f.Tensors {
		quantity, _, _ := strings.Cut(tensor.Name, "/")
		if !slices.Contains(quantities, quantity) {
			continue
		}
		values, err := tensor.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		for j := range values {
			values[j] *= 1.001
		}
		f.Tensors[i] = safetensors.FromFloat32s(tensor.Name, tensor.Shape, values)
	}
	c, err := conform.New(f)
	if err != nil {
		t.Fatal(err)
	}
	results, err := c.Check(t.Context(), &cpu.Engine{}, engine.Float32)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, r := range results {
		seen = append(seen, r.Quantity)
		perParameter := strings.HasPrefix(r.Quantity, "grad_") || strings.HasPrefix(r.Quantity, "param_")
		if r.OK || r.Error <= r.Tolerance || perParameter != (r.Worst != "") {
			t.Errorf("recorded numbers are off, but %+v", r)
		}
	}
	if !slices.Equal(seen, quantities) {
		t.Errorf("compared %v, want %v", seen, quantities)
	}
}

func TestRefuses(t *testing.T) {
	set := func(key, value string) func(*safetensors.File) {
		return func(f *safetensors.File) { f.Metadata[key] = value }
	}
	drop := func(name string) func(*safetensors.File) {
		return func(f *safetensors.File) {
			f.Tensors = slices.DeleteFunc(f.Tensors, func(t safetensors.Tensor) bool { return strings.HasPrefix(t.Name, name) })
		}
	}
	reshape := func(name string, shape ...int) func(*safetensors.File) {
		return func(f *safetensors.File) {
			n := 1
			for _, side := range shape {
				n *= side
			}
			drop(name)(f)
			f.Tensors = append(f.Tensors, safetensors.FromFloat32s(name, shape, make([]float32, n)))
		}
	}
	for name, c := range map[string]struct {
		change func(*safetensors.File)
		want   string
	}{
		"no metadata":         {func(f *safetensors.File) { f.Metadata = nil }, "metadata filter_dim is missing"},
		"another network":     {set("model", "ResNet50"), `no network "ResNet50"`},
		"a fraction":          {set("filter_dim", "7.5"), "filter_dim"},
		"no such flag":        {set("cond", "yes"), "want True or False"},
		"too many filters":    {set("filter_dim", "99999"), "filters"},
		"other filters":       {set("filter_dim", "16"), "shape"},
		"conditional":         {set("cond", "True"), "classes"},
		"no steps":            {set("steps", "0"), "at least one"},
		"more steps":          {set("steps", "1000000000"), "noise"},
		"spectral norm":       {set("spec_norm", "True"), "spectral"},
		"no step size":        {set("step_lr", ""), "want a number"},
		"no images":           {drop("x"), "no images x"},
		"flat images":         {reshape("x", 3, 3072), "no images x"},
		"an empty batch":      {reshape("x", 0, 3, 32, 32), "at least one"},
		"no noise":            {drop("noise"), "no tensor noise"},
		"no references":       {reshape("compare", 0, 3, 32, 32), "compare"},
		"a missing parameter": {drop("param/res_1a.conv1.weight"), "no tensor param/res_1a.conv1.weight"},
		"a misshapen one":     {reshape("param/conv1.weight", 8, 3, 9), "shape [8 3 9], want [8 3 3 3]"},
		"a misshapen gradient": {reshape("grad_opt/conv1.weight", 8, 3, 9),
			"tensor grad_opt/conv1.weight has shape [8 3 9], want [8 3 3 3]"},
		"no gradients":     {drop("grad_ent"), "no tensor grad_ent"},
		"whole numbers":    {func(f *safetensors.File) { f.Tensors[0].DType = "I32" }, "I32"},
		"too small images": {reshape("x", 3, 3, 8, 8), "one pixel"},
	} {
		t.Run(name, func(t *testing.T) {
			f := read(t, "cifar10_single_scale")
			c.change(f)
			got, err := conform.New(f)
			if got != nil || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	if _, err := conform.ReadFile(filepath.Join("..", "go.mod")); err == nil || !strings.Contains(err.Error(), "go.mod") {
		t.Errorf("go.mod: %v", err)
	}
}

// FuzzMetadata holds that no settings, true or not, do harm.
func FuzzMetadata(f *testing.F) {
	file := read(f, "cifar10_single_scale")
	f.Add("ResNetModel", "8", "True", "10", "3")
	f.Add("MNISTModel", "-1", "False", "x", "99999999999")
	f.Add("CelebAModel", "4096", "True", "1048576", "1")
	f.Fuzz(func(t *testing.T, model, filters, flag, classes, steps string) {
		m := maps.Clone(file.Metadata)
		m["model"], m["filter_dim"], m["cond"], m["multiscale"], m["classes"], m["steps"] = model, filters, flag, flag, classes, steps
		if _, err := conform.New(&safetensors.File{Tensors: file.Tensors, Metadata: m}); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than a line: %v", err)
		}
	})
}
