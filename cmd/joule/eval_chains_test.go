package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/eval/chains"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// newModelOf is newModel with a folder of pictures for its data.
func newModelOf(t *testing.T, data string, classes ...string) string {
	t.Helper()
	dir := newModel(t, expr.Shape{12, 12, 1}, classes...)
	m, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	m.Config.Data = data
	if err := m.Save(m.Path); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestChains(t *testing.T) {
	dir, trained := t.TempDir(), newModelOf(t, smallPictures(t, 40))
	nearest, curves := filepath.Join(dir, "nearest.png"), filepath.Join(dir, "curves.png")
	examine := func(args ...string) (r chains.Report) {
		t.Helper()
		args = append([]string{"eval", "chains", trained, "-n", "6", "--draws", "10", "--steps", "8", "--neighbours", "2", "--json"}, args...)
		if err := json.Unmarshal([]byte(mustJoule(t, args...)), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	one := examine("--threads", "1", "--picture", nearest, "--curves", curves)
	decodePNG(t, nearest)
	decodePNG(t, curves)
	if one.Samples != 6 || one.Steps != 8 || one.Draws != 10 || one.Every != 1 || len(one.Traces) != 3 || one.Traces[0].Draws != 60 || one.Classes != nil {
		t.Errorf("%+v", one)
	}
	if c := one.Copying; len(c.Neighbours) != 6 || len(c.Neighbours[0]) != 2 || c.Samples <= 0 || c.HeldOut <= 0 || one.ImageDistance <= 0 || one.Displacement <= 0 {
		t.Errorf("%+v", one)
	}
	if three := examine("--threads", "3"); fmt.Sprint(three) != fmt.Sprint(one) {
		t.Errorf("three threads give %+v\none %+v", three, one)
	}
	if other := examine("--seed", "2"); other.Copying.Samples == one.Copying.Samples {
		t.Error("another seed gives the same samples")
	}
	text := mustJoule(t, "eval", "chains", trained, "-n", "4", "--draws", "8", "--steps", "4", "--every", "3")
	for _, words := range []string{"4 chains of 8 draws, one every 3 steps", "R-hat", "Nearest training image", "Mean energy"} {
		if !strings.Contains(text, words) {
			t.Errorf("nothing about %q in\n%s", words, text)
		}
	}
}

// A conditional model's chains keep the label that they started with.
func TestChainsOfAConditionalModel(t *testing.T) {
	data := t.TempDir()
	for i := range 24 {
		class := []string{"cat", "dog"}[i%2]
		writePicture(t, filepath.Join(data, class, fmt.Sprintf("%02d.png", i)), 12, i, true)
	}
	text := mustJoule(t, "eval", "chains", newModelOf(t, data, "cat", "dog"), "-n", "4", "--draws", "8", "--steps", "4")
	if !strings.Contains(text, "R-hat") {
		t.Error(text)
	}
}

func TestChainsRefuses(t *testing.T) {
	trained := newModelOf(t, smallPictures(t, 12))
	for _, r := range []refused{
		{[]string{trained, "-n", "1"}, 2, "--number"},
		{[]string{trained, "--draws", "7"}, 2, "--draws"},
		{[]string{trained, "--neighbours", "50"}, 2, "--neighbours"},
		{[]string{trained, "--picture", "a.jpg"}, 2, ".png"},
		{[]string{trained, "--curves", filepath.Join(t.TempDir(), "missing", "a.png")}, 1, "missing"},
		{[]string{newModelOf(t, filepath.Join(trained, "gone"))}, 1, "the data that the model was trained on"},
		{[]string{t.TempDir()}, 1, "holds no run"},
	} {
		t.Run(strings.Join(r.args[1:], " "), func(t *testing.T) {
			r.args = append([]string{"eval", "chains"}, r.args...)
			r.check(t)
		})
	}
}
