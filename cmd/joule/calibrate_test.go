package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// goodPictures makes a folder of n pictures.
func goodPictures(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		writePicture(t, filepath.Join(dir, fmt.Sprintf("%03d.png", i)), 12, i, true)
	}
	return dir
}

func mustRead(t *testing.T, path string) *safetensors.File {
	t.Helper()
	file, err := safetensors.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// A calibration changes nothing else in the model file, and equal ones give equal files.
func TestCalibrate(t *testing.T) {
	dir := newModel(t, expr.Shape{12, 12, 1})
	path := filepath.Join(dir, "model.safetensors")
	before, good := mustRead(t, path), goodPictures(t, 120)
	text := mustJoule(t, "calibrate", dir, "--data", good)
	if !strings.Contains(text, "calibrated with 120 images ("+good+"), in "+path) || !strings.Contains(text, "energy     120") {
		t.Errorf("said %s", text)
	}
	first := readFile(t, path)

	var result calibrated
	if err := json.Unmarshal([]byte(mustJoule(t, "calibrate", path, "--data", good, "--json", "-n", "50", "--seed", "3")), &result); err != nil {
		t.Fatal(err)
	}
	if result.Images != 50 || len(result.Detectors) != len(detect.Kinds(1)) || result.Detectors[0].Smallest != 1.0/51 || len(result.Detectors[0].Rates) != 1 {
		t.Errorf("result %+v", result)
	}
	if bytes.Equal(readFile(t, path), first) {
		t.Error("another calibration, but the file is the same")
	}
	mustJoule(t, "calibrate", path, "--data", good)
	if !bytes.Equal(readFile(t, path), first) {
		t.Error("the same calibration, but the file is another")
	}
	after := mustRead(t, path)
	if _, ok := after.Metadata["calibration"]; !ok || len(after.Metadata) != len(before.Metadata)+1 || len(after.Tensors) != len(before.Tensors) {
		t.Fatalf("%d metadata, %d tensors; before %d, %d", len(after.Metadata), len(after.Tensors), len(before.Metadata), len(before.Tensors))
	}
	for key, value := range before.Metadata {
		if after.Metadata[key] != value {
			t.Errorf("metadata %s has become %q", key, after.Metadata[key])
		}
	}
	for i, tensor := range before.Tensors {
		if got := after.Tensors[i]; got.Name != tensor.Name || !bytes.Equal(got.Data, tensor.Data) {
			t.Errorf("tensor %d has changed", i)
		}
	}
}

func TestCalibrateRefuses(t *testing.T) {
	trained, few := newModel(t, expr.Shape{12, 12, 1}), goodPictures(t, 19)
	for _, r := range []refused{
		{[]string{few + "/missing"}, 1, "no such file or folder"},
		{[]string{few}, 1, "19 images to calibrate with: want 20 to"},
		{[]string{"mnist:train"}, 1, "the model was trained on these images"},
	} {
		before := readFile(t, filepath.Join(trained, "model.safetensors"))
		r.args = append([]string{"calibrate", trained, "--data"}, r.args...)
		t.Run(r.words, r.check)
		if !bytes.Equal(readFile(t, filepath.Join(trained, "model.safetensors")), before) {
			t.Error("the model has changed")
		}
	}
}

// Decisions follow from the p-values, in each format.
func TestScoreDecides(t *testing.T) {
	trained, good := newModel(t, expr.Shape{12, 12, 1}), goodPictures(t, 99)
	mustJoule(t, "calibrate", trained, "--data", good)
	for _, detector := range []string{"energy", "typicality", "gradient-norm", "combined"} {
		result := scoreJSON(t, trained, good, "--detector", detector, "--false-alarm", "10%")
		called := 0
		for _, s := range result {
			if s.P == nil || s.OutOfDistribution == nil || s.Q != nil || *s.OutOfDistribution != (*s.P <= 0.1) || (detector == "energy") != (s.Score == s.Energy) {
				t.Fatalf("%s: %+v", detector, s)
			}
			if *s.OutOfDistribution {
				called++
			}
		}
		// Without ties the k-th highest of n calibration scores has p = (1+k)/(n+1): 9 of 99 images have p ≤ 0.1.
		if detector == "energy" && called != 9 {
			t.Errorf("%d of 99 calibration images are called out of distribution, want 9", called)
		}
	}
	if result := scoreJSON(t, trained, good+"/000.png"); result[0].P == nil || result[0].OutOfDistribution != nil {
		t.Errorf("without a rate: %+v", result[0])
	}

	records, err := csv.NewReader(strings.NewReader(mustJoule(t, "score", trained, good, "--fdr", "0.5", "--format", "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 100 {
		t.Fatalf("%d rows", len(records))
	}
	for _, r := range records[1:] {
		p, err := strconv.ParseFloat(r[4], 64)
		q, err2 := strconv.ParseFloat(r[5], 64)
		if err != nil || err2 != nil || q < p || r[6] != strconv.FormatBool(q <= 0.5) {
			t.Fatalf("row %q", r)
		}
	}

	// With confidence, p-values are larger.
	plain, careful := scoreJSON(t, trained, good), scoreJSON(t, trained, good, "--confidence", "90%")
	for i := range plain {
		if *careful[i].P <= *plain[i].P && *plain[i].P < 1 {
			t.Errorf("p %v, with confidence %v", *plain[i].P, *careful[i].P)
		}
	}

	code, out, said := joule("score", trained, good, "--false-alarm", "0.1")
	if code != 0 || strings.Count(out, "  out-of-distribution  ") != 9 || strings.Count(out, "  in-distribution      ") != 90 ||
		said != "joule: 9 of 99 images are out of distribution at a false-alarm rate of 10%: 9.9 would be called so if all were in-distribution\n" {
		t.Errorf("exit code %d, said %q, %s", code, said, out)
	}
	for _, flag := range []string{"--false-alarm", "--fdr"} {
		if code, _, warning := joule("score", trained, good, flag, "0.5%", "--json"); code != 0 ||
			!strings.Contains(warning, "with 99 calibration images no p-value is below 0.01: at 0.5% nothing is ever out of distribution; calibrate with 199 images or more") {
			t.Errorf("%s: exit code %d, warning %q", flag, code, warning)
		}
	}
}

func TestScoreDecidesNot(t *testing.T) {
	plain, conditional := newModel(t, expr.Shape{12, 12, 1}), newModel(t, expr.Shape{12, 12, 1}, "cat", "dog")
	mustJoule(t, "calibrate", conditional, "--data", goodPictures(t, 20))
	pictures := goodPictures(t, 1)
	for _, r := range []refused{
		{[]string{plain, pictures, "--false-alarm", "1%"}, 1, "the model is not calibrated; give it in-distribution images: joule calibrate"},
		{[]string{plain, pictures, "--detector", "combined"}, 1, "not calibrated"},
		{[]string{plain, pictures, "--detector", "energie"}, 2, "want one of energy, typicality"},
		{[]string{plain, pictures, "--detector", "scale:1"}, 2, "the model has one scale"},
		{[]string{plain, pictures, "--detector", "score-norm"}, 2, "it is called gradient-norm now"},
		{[]string{plain, pictures, "--false-alarm", "1%", "--fdr", "1%"}, 2, "give one of them"},
		{[]string{plain, pictures, "--false-alarm", "200%"}, 2, "such as 1%"},
		{[]string{plain, pictures, "--confidence", "90%"}, 1, "not calibrated"},
		{[]string{plain, pictures, "--fdr", "NaN"}, 2, "such as 1%"},
		{[]string{conditional, pictures, "--false-alarm", "1%", "--label", "cat"}, 2, "--label cannot go with"},
		{[]string{conditional, pictures, "--detector", "typicality", "--label", "cat"}, 2, "--label cannot go with"},
		{[]string{plain, pictures, "--explain", pictures}, 1, "holds files already"},
	} {
		t.Run(strings.Join(r.args[2:], " "), func(t *testing.T) {
			r.args = append([]string{"score"}, r.args...)
			r.check(t)
		})
	}
	if s := scoreJSON(t, conditional, pictures, "--label", "cat", "--detector", "gradient-norm"); s[0].P != nil || s[0].Score == s[0].Energy {
		t.Errorf("of one class: %+v", s)
	}
}

// Each scale of a multi-scale model is a detector, and has a heat map.
func TestScales(t *testing.T) {
	c, err := run.PresetConfig("cifar10-small")
	if err != nil {
		t.Fatal(err)
	}
	c.Data, c.Network.Filters, c.Network.Image, c.Sampler.Steps = "cifar", 4, []int{16, 16, 3}, 2
	e, err := energy.New("cifar10", energy.Options{Filters: 4, MultiScale: true, Image: expr.Shape{16, 16, 3}})
	if err != nil {
		t.Fatal(err)
	}
	params, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	trained := filepath.Join(t.TempDir(), "model.safetensors")
	m := model.Model{Config: c.Config, Energy: e, Params: energy.InitialValues(params.Specs(), 1)}
	if err := m.Save(trained); err != nil {
		t.Fatal(err)
	}
	pictures := t.TempDir()
	for i := range 20 {
		writePicture(t, filepath.Join(pictures, fmt.Sprintf("%02d.png", i)), 16, i, false)
	}
	if text := mustJoule(t, "calibrate", trained, "--data", pictures, "--json"); !strings.Contains(text, `"name":"scale:3"`) {
		t.Errorf("said %s", text)
	}
	energies := scoreJSON(t, trained, pictures)
	sums := make([]float64, len(energies))
	for scale := 1; scale <= 3; scale++ {
		for i, s := range scoreJSON(t, trained, pictures, "--detector", fmt.Sprintf("scale:%d", scale), "--false-alarm", "10%") {
			if s.P == nil || s.OutOfDistribution == nil || s.Energy != energies[i].Energy {
				t.Fatalf("scale %d: %+v", scale, s)
			}
			sums[i] += float64(s.Score)
		}
	}
	for i, s := range energies {
		if math.Abs(sums[i]-float64(s.Energy)) > 1e-5 {
			t.Errorf("image %d: the scales' energies add up to %v, its energy is %v", i, sums[i], s.Energy)
		}
	}
	folder := filepath.Join(t.TempDir(), "why")
	mustJoule(t, "score", trained, pictures+"/00.png", "--explain", folder)
	drawn, err := png.DecodeConfig(bytes.NewReader(readFile(t, filepath.Join(folder, "000001-00.png"))))
	if err != nil || drawn.Width < 7*140 || drawn.Width > 8*(16*9+2) {
		t.Errorf("drawn %dx%d, %v: want an image, four heat maps, a wish and a change", drawn.Width, drawn.Height, err)
	}
}

// Each image that is scored has its explanation, calibrated or not, with classes or without.
func TestScoreExplains(t *testing.T) {
	pictures := goodPictures(t, 2)
	writePicture(t, filepath.Join(pictures, `what "is": this?.png`), 12, 5, true)
	writeFile(t, filepath.Join(pictures, "text.png"), []byte("no picture"))
	for _, trained := range []string{newModel(t, expr.Shape{12, 12, 1}), newModel(t, expr.Shape{12, 12, 3}, "cat", "dog")} {
		folder := filepath.Join(t.TempDir(), "why")
		if code, _, said := joule("score", trained, pictures, "--explain", folder); code != 1 || !strings.Contains(said, "text.png") {
			t.Errorf("exit code %d, said %q", code, said)
		}
		want := []string{"000001-000.png", "000002-001.png", "000003-what _is__ this_.png"}
		if got := names(t, folder); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Fatalf("drawn: %q", got)
		}
		file, err := os.Open(filepath.Join(folder, want[0]))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		drawn, err := png.DecodeConfig(file)
		if err != nil || drawn.Width <= 3*drawn.Height || drawn.Height < 140 {
			t.Errorf("drawn %dx%d, %v", drawn.Width, drawn.Height, err)
		}
	}
}
