package authors_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/authors"
	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/model"
)

// A checkpoint that PyTorch wrote has the energies that the authors' network gave for its averaged weights.
func TestCheckpointOfPyTorch(t *testing.T) {
	for _, file := range []string{"testdata/model_1000.pth", os.Getenv("JOULE_AUTHORS_CHECKPOINT")} {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "expected.json"))
		if err != nil {
			t.Fatal(err)
		}
		var expected struct {
			Filters int
			Images  []struct {
				Picture  string
				Energies map[string][]float64 `json:"energy_by_scale"`
			}
		}
		if err := json.Unmarshal(text, &expected); err != nil {
			t.Fatal(err)
		}
		i, err := authors.Import(file, authors.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m := i.Model
		if n := m.Config.Network; n.Name != "mnist" || n.Filters != expected.Filters || m.Iterations != 1000 || m.Config.Sampler.Steps != 40 ||
			m.Config.Sampler.StepSize != 100 || m.Config.TrainedOn("mnist") {
			t.Errorf("the model is %+v after %d iterations", m.Config, m.Iterations)
		}
		if len(i.Notes) != 1 || !strings.Contains(i.Notes[0], "map_fc1") {
			t.Errorf("notes %q, want one: what is left out", i.Notes)
		}
		m = reopened(t, m)
		meter, err := m.NewMeter(&cpu.Engine{Threads: 2}, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range expected.Images {
			for img, err := range dataset.Images(t.Context(), filepath.Join(filepath.Dir(file), "pictures", want.Picture), m.Config.ImageSize()) {
				if err != nil {
					t.Fatal(err)
				}
				got, err := meter.Measure(t.Context(), img.Pixels, model.AnyLabel)
				if err != nil {
					t.Fatal(err)
				}
				if !near(got[0].Scales, want.Energies["None"]) {
					t.Errorf("%s: energies %v, want %v", want.Picture, got[0].Scales, want.Energies["None"])
				}
			}
		}
	}
}

func near(got, want []float64) bool {
	return slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) <= 1e-5*max(1, math.Abs(b)) })
}

// reopened is a model as its file gives it back.
func reopened(t *testing.T, m *model.Model) *model.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := model.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// golden is a recorded case of the authors' networks, and a checkpoint's options for it.
func golden(t *testing.T, name string) (c *safetensors.File, state dict, options easyDict) {
	t.Helper()
	c, err := safetensors.ReadFile("../../testdata/golden/" + name + ".safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for _, tensor := range c.Tensors {
		if own, ok := strings.CutPrefix(tensor.Name, "param/"); ok {
			state = append(state, entry{own, tensor})
		}
	}
	is := func(flag string) bool { return c.Metadata[flag] == "True" }
	x, _ := c.Lookup("x")
	return c, state, easyDict{{"multiscale", is("multiscale")}, {"self_attn", is("self_attn")}, {"cond", is("cond")}, {"spec_norm", false}, {"norm", true},
		{"im_size", x.Shape[2]}, {"num_steps", 7}, {"step_lr", 12.5}, {"dataset", "a\nset"}, {"sigmoid", false}, {"alias", 0}}
}

// energies are those of the images x of a case, by scale.
func energies(t *testing.T, m *model.Model, c *safetensors.File) (all []float64) {
	t.Helper()
	floats := func(name string) []float32 {
		tensor, ok := c.Lookup(name)
		if !ok {
			return nil
		}
		values, err := tensor.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	shape, batch := m.Energy.Image, len(floats("x"))/m.Energy.Image.Size()
	pixels, stored := make([]float32, len(floats("x"))), floats("x")
	for k := range pixels {
		n, p, channel := k/shape.Size(), k%shape.Size()/shape[2], k%shape[2]
		pixels[k] = stored[n*shape.Size()+channel*shape[0]*shape[1]+p]
	}
	var label *expr.Value
	if m.Energy.Classes > 0 {
		label = expr.Input("label", expr.Shape{1, 1, m.Energy.Classes})
	}
	scales := m.Energy.Build(energy.NewParams(), expr.Input("x", shape), label)
	program, err := (&cpu.Engine{Threads: 2}).Compile(scales...)
	if err == nil {
		err = program.Bind(m.Params)
	}
	if err != nil {
		t.Fatal(err)
	}
	var outputs [][]float32
	for range scales {
		outputs = append(outputs, make([]float32, batch))
	}
	inputs := map[string][]float32{"x": pixels}
	if label != nil {
		inputs["label"] = floats("label")
	}
	if err := program.Run(t.Context(), engine.Call{Batch: batch, Inputs: inputs, Outputs: outputs}); err != nil {
		t.Fatal(err)
	}
	for n := range batch {
		for _, scale := range outputs {
			all = append(all, float64(scale[n]))
		}
	}
	return all
}

func recorded(t *testing.T, c *safetensors.File) (want []float64) {
	t.Helper()
	e, _ := c.Lookup("energy")
	values, err := e.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		want = append(want, float64(v))
	}
	return want
}

// All three networks, conditional or not, have the energies recorded with the authors' networks: from the averaged weights, from the last
// ones where there are no others, from a state_dict alone.
func TestNetworks(t *testing.T) {
	for name, network := range map[string]string{"mnist": "mnist", "cifar10_single_scale": "cifar10", "cifar10_cond": "cifar10", "celeba_cond": "celeba128"} {
		t.Run(name, func(t *testing.T) {
			c, state, options := golden(t, name)
			var zeros dict
			for _, e := range state {
				tensor := e.value.(safetensors.Tensor)
				tensor.Data = make([]byte, len(tensor.Data))
				zeros = append(zeros, entry{e.key, tensor})
			}
			var spread dict // over several GPUs
			for _, e := range state {
				spread = append(spread, entry{"module." + e.key, e.value})
			}
			for what, object := range map[string]dict{
				"average": {{"FLAGS", options}, {"best_inception", 1.5}, {"model_state_dict_0", zeros}, {"ema_model_state_dict_0", state}},
				"last":    {{"FLAGS", options}, {"model_state_dict_0", spread}},
			} {
				i, err := authors.Import(save(t, "model_30.pth", object), authors.Options{})
				if err != nil {
					t.Fatal(err)
				}
				m := reopened(t, i.Model)
				if s := m.Config.Sampler; m.Config.Network.Name != network || m.Iterations != 30 || s.Steps != 7 || s.StepSize != 12.5 || m.Config.Data != "the authors' a?set" {
					t.Errorf("%s: the model is %+v", what, m.Config)
				}
				if said := strings.Contains(strings.Join(i.Notes, "\n"), "no averaged weights"); said != (what == "last") {
					t.Errorf("%s: notes %q", what, i.Notes)
				}
				if got, want := energies(t, m, c), recorded(t, c); !near(got, want) {
					t.Errorf("%s: energies %v, want %v", what, got, want)
				}
			}
		})
	}
}

func TestStateDictAlone(t *testing.T) {
	c, state, _ := golden(t, "cifar10_cond")
	names := strings.Split("airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck", ",")
	i, err := authors.Import(save(t, "net.pth", state), authors.Options{Classes: names})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := energies(t, i.Model, c), recorded(t, c); !near(got, want) || !slices.Equal(i.Model.Classes, names) {
		t.Errorf("energies %v, want %v; classes %q", got, want, i.Model.Classes)
	}
	for _, want := range []string{"bare state_dict", "attention", "how many steps", "how large", "after how many iterations"} {
		if !strings.Contains(strings.Join(i.Notes, "\n"), want) {
			t.Errorf("nothing is said of %q: %q", want, i.Notes)
		}
	}
}

// An ensemble has several models.
func TestEnsemble(t *testing.T) {
	c, state, options := golden(t, "cifar10_single_scale")
	path := save(t, "model_2.pth", dict{{"FLAGS", options}, {"model_state_dict_0", dict{}}, {"ema_model_state_dict_0", dict{}}, {"model_state_dict_1", state},
		{"ema_model_state_dict_1", state}})
	i, err := authors.Import(path, authors.Options{Member: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := energies(t, i.Model, c), recorded(t, c); !near(got, want) || !strings.Contains(i.Notes[0], "left out 0") {
		t.Errorf("energies %v, want %v; notes %q", got, want, i.Notes)
	}
	if _, err := authors.Import(path, authors.Options{Member: 2}); err == nil || !strings.Contains(err.Error(), "no model 2: want one of 0, 1") {
		t.Errorf("error %v", err)
	}
}

// A spectrally normalised kernel is taken with the singular vectors of the file.
func TestSpectralNorm(t *testing.T) {
	_, state, options := golden(t, "cifar10_single_scale")
	set := func(name string, shape []int, value func(k int) float32) safetensors.Tensor {
		n := 1
		for _, side := range shape {
			n *= side
		}
		values := make([]float32, n)
		for k := range values {
			values[k] = value(k)
		}
		return safetensors.FromFloat32s(name, shape, values)
	}
	var normalised dict
	for _, e := range state {
		tensor := e.value.(safetensors.Tensor)
		if !strings.HasSuffix(e.key, ".conv1.weight") && !strings.HasSuffix(e.key, ".conv2.weight") || !strings.HasPrefix(e.key, "res") {
			normalised = append(normalised, e)
			continue
		}
		outputs, rest := tensor.Shape[0], tensor.Shape[1]*9
		normalised = append(normalised, entry{e.key + "_orig", set("", tensor.Shape, func(k int) float32 { return float32(k%7) - 2 })},
			entry{e.key + "_u", set("", []int{outputs}, func(k int) float32 { return map[bool]float32{true: 1}[k == 1] })},
			entry{e.key + "_v", set("", []int{rest}, func(k int) float32 { return map[bool]float32{true: 1}[k == 3] })})
	}
	i, err := authors.Import(save(t, "model_1.pth", dict{{"FLAGS", options}, {"ema_model_state_dict_0", normalised}}), authors.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if i.Model.Config.Network.Kernel != "plain" {
		t.Errorf("the kernels are %s, want plain", i.Model.Config.Network.Kernel)
	}
	// u and v pick the number in row 1, column 3 of 72: σ = 75 % 7 - 2 = 3.
	kernel := i.Model.Params["res_1a.conv1.weight"]
	if least, most := slices.Min(kernel), slices.Max(kernel); least != -2./3 || most != 4./3 {
		t.Errorf("a kernel of -2 to 4, divided by 3, is %v to %v", least, most)
	}
}

func TestRefuses(t *testing.T) {
	_, state, options := golden(t, "cifar10_single_scale")
	checkpoint := func(changes ...entry) dict {
		return dict{{"FLAGS", append(slices.Clone(options), changes...)}, {"model_state_dict_0", state}, {"ema_model_state_dict_0", state}}
	}
	mark := filepath.Join(t.TempDir(), "ran")
	for what, c := range map[string]struct {
		object  any
		options authors.Options
		want    string
	}{
		"a function to call":     {dict{{"model_state_dict_0", evil{"posix", "system", "touch " + mark}}}, authors.Options{}, `"posix.system", which no data need`},
		"another, in the flags":  {dict{{"FLAGS", easyDict{{"x", evil{"builtins", "eval", "1"}}}}}, authors.Options{}, `"builtins.eval", which no data need`},
		"a squared energy":       {checkpoint(entry{"square_energy", true}), authors.Options{}, "square_energy"},
		"other scales":           {checkpoint(entry{"multiscale", true}), authors.Options{}, "no tensor small_conv1"},
		"classes of nothing":     {checkpoint(), authors.Options{Classes: []string{"a"}}, "no classes to name"},
		"other classes":          {checkpoint(entry{"cond", true}), authors.Options{Classes: []string{"a"}}, "1 names of classes, but labels have 10 numbers"},
		"a missing tensor":       {checkpoint()[:1:1], authors.Options{}, "neither a checkpoint"},
		"a tensor that is gone":  {dict{{"model_state_dict_0", state[:30]}}, authors.Options{}, "has no tensor res_"},
		"another network":        {dict{{"w", state[0].value}}, authors.Options{}, "no convolution conv1.weight"},
		"a network without body": {state[:2], authors.Options{}, "neither res1 nor res_1a"},
	} {
		_, err := authors.Import(save(t, "model_1.pth", c.object), c.options)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", what, err, c.want)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("what a pickle says was done")
	}
}
