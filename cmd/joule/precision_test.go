package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/conform"
)

func TestConformPrecision(t *testing.T) {
	file := filepath.Join("..", "..", "testdata", "golden", "cifar10_single_scale.safetensors")
	worst := map[string]float64{}
	for _, precision := range []string{"float32", "split"} {
		var reports []conform.Report
		if err := json.Unmarshal([]byte(mustJoule(t, "conform", "--json", "--precision", precision, file)), &reports); err != nil {
			t.Fatal(err)
		}
		if r := reports[0]; !r.OK || string(r.Precision) != precision || r.Results[0].Quantity != "energy" {
			t.Errorf("%s: %+v", precision, r)
		}
		worst[precision] = reports[0].Results[0].Error
	}
	if worst["split"] <= worst["float32"] {
		t.Errorf("errors of the energy are %v", worst)
	}
}

func TestSamplePrecision(t *testing.T) {
	trained := newModel(t, expr.Shape{12, 12, 1})
	dir := t.TempDir()
	pictures := map[engine.Precision]string{}
	for _, p := range []engine.Precision{engine.Float32, engine.Split, engine.BF16} {
		out := filepath.Join(dir, string(p)+".png")
		var report sampleReport
		text := mustJoule(t, "sample", trained, "-n", "2", "--steps", "30", "--json", "--precision", string(p), "-o", out)
		if err := json.Unmarshal([]byte(text), &report); err != nil {
			t.Fatal(err)
		}
		if report.Precision != p {
			t.Errorf("%v: %+v", p, report)
		}
		pictures[p] = string(readFile(t, out))
	}
	if pictures[engine.BF16] == pictures[engine.Float32] {
		t.Error("bf16 gives the same picture as float32, so it was not used")
	}
}

func TestBenchPrecision(t *testing.T) {
	text := mustJoule(t, "bench", "--filters", "16", "--batch", "1", "--steps", "1", "--repeats", "1", "--precision", "bf16")
	if !strings.Contains(text, "chains in bf16") {
		t.Errorf("it says %s", text)
	}
}

func TestPrecisionRefused(t *testing.T) {
	for _, args := range [][]string{{"conform", "x"}, {"sample", "x"}, {"bench"}, {"train"}} {
		refused{append(args, "--precision", "fp8"), 2, `precision`}.check(t)
	}
	refused{[]string{"train", "--resume", "--out", "x", "--precision", "split"}, 2, "--precision cannot be given with --resume"}.check(t)
}
