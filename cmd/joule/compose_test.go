package main

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// A composed model is a RUN like any other: it is sampled, calibrated, scored with explanations, and composed again.
func TestComposedModelIsAModel(t *testing.T) {
	a, b, dir := newModelOf(t, "mnist"), newModelOf(t, "mnist", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"), t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	both := path("both.safetensors")
	out := mustJoule(t, "compose", "-o", both, "--expr", "a & (d:3 | d:5) & !d:8", "--set", "generation.plain=1", "a="+a, "d="+b)
	for _, words := range []string{"both.safetensors: a & (d:3 | d:5) & !d:8; ", "330 steps of langevin, step size 50"} {
		if !strings.Contains(out, words) {
			t.Errorf("%s: want %s", out, words)
		}
	}
	out = mustJoule(t, "sample", both, "-n", "2", "--steps", "4", "-o", path("samples")+"/")
	if !strings.Contains(out, "2 images by chains of 4 steps") {
		t.Error(out)
	}
	mustJoule(t, "calibrate", both, "-n", "30")
	out = mustJoule(t, "score", both, path("samples"), "--explain", path("why"), "--json")
	if !strings.Contains(out, `"p":`) {
		t.Errorf("scores %s", out)
	}
	mustJoule(t, "compose", "-o", path("again.safetensors"), "--expr", "0.5*x & y:1", "x="+both, "y="+b, "--json")
	if m, err := model.Open(path("again.safetensors")); err != nil || m.Calibration != nil || m.Config.Composition.Parts[0].Name != "x" {
		t.Errorf("composed again: %v", err)
	}
}

// A composition of one model makes the pictures of that model.
func TestComposedOfOne(t *testing.T) {
	run, dir := newModel(t, expr.Shape{12, 12, 1}, "off", "on"), t.TempDir()
	one, picture := filepath.Join(dir, "on.safetensors"), filepath.Join(dir, "x.png")
	mustJoule(t, "compose", "-o", one, "--expr", "d:on", "d="+run)
	mustJoule(t, "sample", run, "--label", "on", "-n", "4", "-o", picture)
	want := readFile(t, picture)
	mustJoule(t, "sample", one, "-n", "4", "-o", picture)
	if !bytes.Equal(readFile(t, picture), want) {
		t.Error("other pictures")
	}
}

func TestWeighByZ(t *testing.T) {
	run, dir := newModel(t, expr.Shape{12, 12, 1}, "off", "on"), t.TempDir()
	_, out, _ := joule("compose", "-o", filepath.Join(dir, "x.safetensors"), "--expr", "d:on | d:off", "--weigh-by-z", "--rungs", "10", "--chains", "4", "--json",
		"d="+run)
	var report composeReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.LogZ) != 2 || report.LogZ[0].Expression != "d:on" || report.LogZ[0].Low > report.LogZ[0].High || strings.Count(report.Expression, "@") != 2 ||
		len(report.Alternatives) != 2 || report.Alternatives[1].Expression != "d:off" || math.Abs(report.Alternatives[1].Share-0.5) > 1e-9 || len(report.Notes) > 0 {
		t.Errorf("%+v", report)
	}
}

func TestComposeCommandRefuses(t *testing.T) {
	a, b := newModel(t, expr.Shape{12, 12, 1}), newModel(t, expr.Shape{16, 16, 1})
	out := filepath.Join(t.TempDir(), "x.safetensors")
	for _, r := range []refused{
		{[]string{"compose", "-o", out, "--expr", "a & & b", "a=" + a, "b=" + b}, 2, "--expr: character 5"},
		{[]string{"compose", "-o", out, "--expr", "a & b", "a=" + a, "b=" + b}, 2, "a is of images of 12×12×1 and b of 16×16×1"},
		{[]string{"compose", "-o", out, "--expr", "a", "a=" + a, "b=" + b}, 2, "b is not in the expression"},
		{[]string{"compose", "-o", out, "--expr", "a:1", "a=" + a}, 2, "unconditional"},
		{[]string{"compose", "-o", out, "--expr", "a", a}, 2, "want NAME=RUN"},
		{[]string{"compose", "-o", out, "--expr", "a", "a=" + a, "a=" + b}, 2, "two models are called a"},
		{[]string{"compose", "-o", out, "--expr", "a", "a=" + filepath.Join(a, "none")}, 1, "there is no such run"},
		{[]string{"compose", "-o", out, "--expr", "a", "--temperature", "0", "a=" + a}, 2, "--temperature is 0"},
		{[]string{"compose", "-o", out, "--expr", "a", "--temperature", "1", "a=" + a}, 2, "--temperature is of |, which is not in the expression a"},
		{[]string{"compose", "-o", out, "--expr", "a | a", "--rungs", "9", "a=" + a}, 2, "give --weigh-by-z as well"},
		{[]string{"compose", "-o", out, "--expr", "a", "a="}, 2, "want NAME=RUN"},
		{[]string{"compose", "-o", out, "--expr", "a", "--set", "network.filters=3", "a=" + a}, 2, "want a setting of how images are drawn"},
		{[]string{"compose", "-o", out, "--expr", "a", "--set", "sampler.kind=none", "a=" + a}, 2, "sampler.kind"},
		{[]string{"compose", "-o", out, "--expr", "a", "--weigh-by-z", "a=" + a}, 1, "no alternatives"},
		{[]string{"compose", "-o", filepath.Join(a, "model.safetensors"), "--expr", "a", "a=" + a}, 2, "model.safetensors itself: name a new file"},
		{[]string{"compose", "--expr", "a", "a=" + a}, 2, "--output"},
		{[]string{"compose", "-o", out, "a=" + a}, 2, "--expr"},
	} {
		r.check(t)
	}
}
