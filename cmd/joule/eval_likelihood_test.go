package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/eval/likelihood"
	"github.com/joule-ebm/joule/expr"
)

// smallPictures is a folder of a few pictures for models of 12x12 images.
func smallPictures(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		writePicture(t, filepath.Join(dir, fmt.Sprintf("%02d.png", i)), 12, i, true)
	}
	return dir
}

func TestLikelihood(t *testing.T) {
	trained, data, curve := newModel(t, expr.Shape{12, 12, 1}), smallPictures(t, 5), filepath.Join(t.TempDir(), "curve.png")
	measure := func(args ...string) (r likelihood.Report) {
		t.Helper()
		args = append([]string{"eval", "likelihood", trained, "--in", data, "--chains", "8", "--rungs", "60", "--leapfrogs", "1", "--json"}, args...)
		if err := json.Unmarshal([]byte(mustJoule(t, args...)), &r); err != nil {
			t.Fatal(err)
		}
		if r.Images != 5 || r.Dimensions != 144 || r.Up.Chains != 8 || !(r.Low < r.High) || !(r.BitsLow < r.BitsHigh) || len(r.Path) == 0 {
			t.Errorf("%+v", r)
		}
		r.Seconds = 0
		return r
	}
	one := measure("--threads", "1", "--temperature", "0.01", "--curve", curve)
	decodePNG(t, curve)
	if three := measure("--threads", "3", "--temperature", "0.01"); fmt.Sprint(three) != fmt.Sprint(one) {
		t.Errorf("three threads give %+v\none %+v", three, one)
	}
	if other := measure("--temperature", "0.01", "--from", "data"); other.Down == one.Down || other.Up != one.Up {
		t.Errorf("chains that start from data: %+v, before %+v", other, one)
	}
	if warm := measure("--temperature", "1000"); warm.Bits < 7.99 || warm.Bits > 8.01 {
		t.Errorf("at a high temperature %v bits per dimension, want 8", warm.Bits)
	}
	text := mustJoule(t, "eval", "likelihood", trained, "--in", data, "--chains", "4", "--rungs", "20")
	for _, words := range []string{"from below", "from above", "bits per dimension", "missing from both"} {
		if !strings.Contains(text, words) {
			t.Errorf("nothing about %q in\n%s", words, text)
		}
	}
}

func TestLikelihoodRefuses(t *testing.T) {
	trained, conditional, data := newModel(t, expr.Shape{12, 12, 1}), newModel(t, expr.Shape{12, 12, 1}, "cat", "dog"), smallPictures(t, 3)
	for _, r := range []refused{
		{[]string{trained, "--temperature", "0"}, 2, "--temperature"},
		{[]string{trained, "--temperature", "NaN"}, 2, "--temperature"},
		{[]string{trained, "--chains", "1"}, 2, "--chains"},
		{[]string{trained, "--from", "noise"}, 2, "chains or data"},
		{[]string{trained, "--settle", "-1"}, 2, "--burn-in"},
		{[]string{trained, "--curve", "a.jpg"}, 2, ".png"},
		{[]string{trained, "--label", "cat"}, 2, "unconditional"},
		{[]string{t.TempDir()}, 1, "holds no run"},
		{[]string{conditional, "--in", data}, 2, "--label"},
		{[]string{conditional, "--in", data, "--label", "dog"}, 1, "the images have no classes"},
	} {
		t.Run(strings.Join(r.args[1:], " "), func(t *testing.T) {
			r.args = append([]string{"eval", "likelihood"}, r.args...)
			r.check(t)
		})
	}
}
