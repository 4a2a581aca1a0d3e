package run_test

// This file opens models that are not what they should be.

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/model"
)

// trained is the model file of a short run.
func trained(t testing.TB, changes ...string) (path string, file *safetensors.File) {
	t.Helper()
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1), append(changes, "limits.iterations=1")...)
	at := filepath.Join(dir, "run")
	start(t, at, c)
	path = filepath.Join(at, "model.safetensors")
	file, err := safetensors.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, file
}

func write(t testing.TB, path string, tensors []safetensors.Tensor, metadata map[string]string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := safetensors.Write(file, tensors, metadata); err != nil {
		t.Fatal(err)
	}
}

func TestOpenModelRefuses(t *testing.T) {
	whole, file := trained(t, "network.conditional=true")
	if m, err := model.Open(whole); err != nil || len(m.Classes) != 3 {
		t.Fatalf("the model as it was: %v", err)
	}
	with := func(key, value string) map[string]string {
		m := maps.Clone(file.Metadata)
		if m[key] = value; value == "" {
			delete(m, key)
		}
		return m
	}
	config := file.Metadata["config"]
	nan, renamed := append([]safetensors.Tensor{}, file.Tensors...), append([]safetensors.Tensor{}, file.Tensors...)
	values := make([]float32, len(nan[0].Data)/4)
	values[0] = float32(math.NaN())
	nan[0] = safetensors.FromFloat32s(nan[0].Name, nan[0].Shape, values)
	renamed[0].Name = "other"
	for name, test := range map[string]struct {
		tensors  []safetensors.Tensor
		metadata map[string]string
		words    string
	}{
		"no configuration":    {file.Tensors, with("config", ""), "not a model of joule train"},
		"no settings":         {file.Tensors, with("config", "a: ["), "configuration in the metadata"},
		"unknown setting":     {file.Tensors, with("config", strings.Replace(config, "filters: 2", "filters: 2\n  colour: red", 1)), "colour"},
		"impossible setting":  {file.Tensors, with("config", strings.Replace(config, "kind: langevin", "kind: dice", 1)), "sampler.kind"},
		"classes missing":     {file.Tensors, with("classes", ""), "classes"},
		"classes no list":     {file.Tensors, with("classes", "{}"), "classes"},
		"other classes":       {file.Tensors, with("classes", `["a","b"]`), "shape"},
		"iterations":          {file.Tensors, with("iterations", "many"), "iterations"},
		"another network":     {file.Tensors, with("config", strings.Replace(config, "filters: 2", "filters: 3", 1)), "shape"},
		"an unknown energy":   {file.Tensors, with("config", strings.Replace(config, "name: quick", "name: theirs", 1)), "no energy of that name is registered"},
		"a parameter missing": {file.Tensors[1:], file.Metadata, "tensors, but the network has"},
		"a parameter renamed": {renamed, file.Metadata, "no tensor"},
		"no number":           {nan, file.Metadata, "NaN"},
	} {
		path := filepath.Join(t.TempDir(), "m.safetensors")
		write(t, path, test.tensors, test.metadata)
		_, err := model.Open(path)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		checkLine(t, err, path, test.words)
	}
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		content []byte
		words   string
	}{
		"empty":     {nil, "too few"},
		"cut short": {content[:len(content)-1], "truncated"},
		"foreign":   {[]byte("\x89PNG\r\n\x1a\nand so on"), "not a safetensors file"},
		"too long":  {append(content[:len(content):len(content)], 0), "overlong"},
	} {
		path := filepath.Join(t.TempDir(), "m.safetensors")
		if err := os.WriteFile(path, test.content, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := model.Open(path)
		checkLine(t, err, path, test.words)
		if strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: error %q names the file more than once", name, err)
		}
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	_, err = model.Open(nowhere)
	checkLine(t, err, nowhere, "joule train")
	_, err = model.Open(filepath.Dir(nowhere))
	checkLine(t, err, filepath.Dir(nowhere), "holds no run")
}

// Whatever the metadata say, opening a model ends with a model or with a line.
func FuzzOpenModel(f *testing.F) {
	_, file := trained(f)
	f.Add(file.Metadata["config"], "", "1", "")
	f.Add("network:\n  filters: 4096\n  image: [4096, 4096, 3]\n  name: celeba128\n", "[]", "-1", "{}")
	f.Add("network: {conditional: true, filters: 2}\n", `["a"]`, "1", "[]")
	path := filepath.Join(f.TempDir(), "m.safetensors")
	f.Fuzz(func(t *testing.T, config, classes, iterations, calibration string) {
		m := map[string]string{"config": config, "classes": classes, "iterations": iterations, "calibration": calibration}
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		err = safetensors.Write(out, file.Tensors, m)
		out.Close()
		if err != nil {
			return // not UTF-8
		}
		if _, err := model.Open(path); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than a line: %v", err)
		}
	})
}

// A model whose chains start from noise with the spectrum of the data has it with it, alone and in a sum with another; samples start from it.
func TestModelOfSpectrumNoise(t *testing.T) {
	path, file := trained(t, "noise=spectrum", "loss.flow=0")
	m, err := model.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	started := func(m *model.Model) (x []float32) {
		_, err := m.Sample(t.Context(), &cpu.Engine{}, model.Sampling{Images: 2, Steps: 1, Seed: 1, Look: func(_, step int, at []float32) error {
			if step == 0 {
				x = slices.Clone(at)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	want := make([]float32, 2*m.Energy.Image.Size())
	if mcmc.FillNoise(want, m.Energy.Image.Size(), 1, 0); slices.Equal(started(m), want) {
		t.Error("samples start from uniform noise")
	}
	if m.Config.Spectrum.FillNoise(want, m.Energy.Image, 1, 0); !slices.Equal(started(m), want) {
		t.Error("samples do not start from noise with the spectrum of the data")
	}
	sum, err := model.Compose("a & b", model.DefaultMixture, map[string]*model.Model{"a": m, "b": m})
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "sum.safetensors")
	if err := sum.Save(at); err != nil {
		t.Fatal(err)
	}
	if sum, err = model.Open(at); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(started(sum), want) {
		t.Error("samples of a sum do not start from the noise of its parts")
	}
	delete(file.Metadata, "spectrum")
	write(t, at, file.Tensors, file.Metadata)
	if _, err := model.Open(at); err == nil || !strings.Contains(err.Error(), "spectrum") {
		t.Errorf("a model that has lost the spectrum opens: %v", err)
	}
}
