package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/eval/quality"
	"github.com/joule-ebm/joule/expr"
)

func qualityJSON(t *testing.T, args ...string) (r quality.Report) {
	t.Helper()
	code, out, stderr := joule(append([]string{"eval", "quality", "--json", "--data-number", "300"}, args...)...)
	if code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestQuality(t *testing.T) {
	trained := newModel(t, expr.Shape{28, 28, 1})
	one := qualityJSON(t, trained, "-n", "200", "--steps", "4", "--threads", "1")
	if one.SamplesFrom != trained || one.Steps != 4 || one.DataFrom != "mnist:test" || one.Network != "digits" || one.Samples != 200 || one.Data != 300 {
		t.Errorf("report %+v", one)
	}
	// Noise is far from digits, real digits are not.
	if one.Real == nil || one.Real.From != "mnist:train" || one.Real.Samples != 200 {
		t.Fatalf("real images: %+v", one.Real)
	}
	if one.FID.Value < 20*one.Real.FID.Value || one.KID.Interval.Low < one.Real.KID.Interval.High || one.Manifold.Coverage.Value > 0.1 ||
		one.Real.Manifold.Coverage.Value < 0.9 || one.Real.InceptionScore.Mean < 2*one.InceptionScore.Mean {
		t.Errorf("report %+v", one)
	}
	if len(one.Warnings) < 2 || !strings.Contains(one.Warnings[0], "no figure compares with Inception's") || one.Real.Warnings != nil {
		t.Errorf("warnings %q", one.Warnings)
	}
	if set := qualityJSON(t, trained, "-n", "20", "--real=false", "--set", "generation.augmented=0", "--set", "generation.plain=1", "--set", "sampler.steps=3"); set.Steps != 6 {
		t.Errorf("by %d steps, want two rounds of 3", set.Steps)
	}
	again := qualityJSON(t, trained, "-n", "200", "--steps", "4", "--threads", "3", "--real=false")
	if again.Real != nil || again.FID.Value != one.FID.Value || again.KID.Value != one.KID.Value {
		t.Errorf("the same again with more threads: %+v", again)
	}
}

// Images of a folder, without a model.
func TestQualityOfFolder(t *testing.T) {
	dir := t.TempDir()
	for i := range 30 {
		writePicture(t, filepath.Join(dir, fmt.Sprintf("%02d.png", i)), 28, i, true)
	}
	r := qualityJSON(t, "--samples", dir, "--data", "mnist:test", "-n", "25")
	if r.SamplesFrom != dir || r.Steps != 0 || r.Samples != 25 || r.FID.Extrapolated != nil {
		t.Errorf("report %+v", r)
	}
	if r := qualityJSON(t, "--samples", "mnist:train", "--data", dir, "-n", "25"); r.Real != nil || r.Data != 30 {
		t.Errorf("a folder has no real images to compare with: %+v", r)
	}

	code, out, _ := joule("eval", "quality", "--samples", dir, "--data", "mnist:test", "--data-number", "300")
	for _, words := range []string{"features: digits", "real", "mnist:train", "extrapolated", "coverage", "\nnote: FID: 30 images are no more than the 64"} {
		if code != 0 || !strings.Contains(out, words) {
			t.Errorf("exit code %d, no %q in\n%s", code, words, out)
		}
	}
}

func TestQualityRefuses(t *testing.T) {
	for _, place := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} { // no weights are there
		t.Setenv(place, t.TempDir())
	}
	trained, colour := newModel(t, expr.Shape{28, 28, 1}), newModel(t, expr.Shape{24, 24, 3})
	few, coloured := t.TempDir(), t.TempDir()
	writePicture(t, filepath.Join(few, "a.png"), 28, 1, true)
	writePicture(t, filepath.Join(coloured, "a.png"), 24, 1, false)
	for _, r := range []refused{
		{[]string{}, 2, "name both --samples and --data"},
		{[]string{"--samples", few}, 2, "name both --samples and --data"},
		{[]string{"--samples", few, "--data", "mnist", "--set", "generation.plain=1"}, 2, "--samples takes images as they are"},
		{[]string{trained, "--set", "loss.cd=1"}, 2, "want a setting of how images are drawn"},
		{[]string{trained, "-n", "5"}, 2, "--number is 5: want 20"},
		{[]string{trained, "--features", "vgg"}, 2, "want one of digits"},
		{[]string{trained, "--data", "minst"}, 1, "minst: no such file or folder"},
		{[]string{"--samples", few, "--data", "mnist"}, 1, "1 images of samples"},
		{[]string{colour, "--data", coloured, "--features", "digits"}, 1, "takes 28x28x1 only; the network inception takes all"},
		{[]string{colour, "--data", coloured}, 1, "run joule eval fetch-inception"},
		{[]string{trained, "--features", "inception"}, 1, "run joule eval fetch-inception"},
		{[]string{trained, "--inception-weights", few + "/a.png"}, 1, "a.png: no file of torch.save"},
		{[]string{trained, "--inception-input", "caffe"}, 2, "want pytorch or tensorflow"},
		{[]string{trained, "--inception-input", "tensorflow"}, 2, "--inception-input is of the network inception"},
		{[]string{trained, "--features", "digits", "--inception-weights", few + "/a.png"}, 2, "--inception-weights is of the network inception"},
		{[]string{trained, "extra"}, 2, "accepts at most 1 arg"},
	} {
		t.Run(strings.Join(r.args, " "), func(t *testing.T) {
			r.args = append([]string{"eval", "quality"}, r.args...)
			r.check(t)
		})
	}
}

func TestFetchInception(t *testing.T) {
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "other weights") }))
	dir := t.TempDir()
	refused{[]string{"eval", "fetch-inception", "-o", filepath.Join(dir, "w.pth"), "--url", served.URL}, 1, "nothing is kept"}.check(t)
	served.Close()
	refused{[]string{"eval", "fetch-inception", "-o", filepath.Join(dir, "w.pth"), "--url", served.URL}, 1, "where there is no network"}.check(t)
	writeFile(t, filepath.Join(dir, "mine.pth"), []byte("mine"))
	refused{[]string{"eval", "fetch-inception", "-o", filepath.Join(dir, "mine.pth"), "--url", served.URL}, 1, "mine.pth is another file"}.check(t)
	if got := names(t, dir); len(got) != 1 || string(readFile(t, filepath.Join(dir, "mine.pth"))) != "mine" {
		t.Errorf("files %v", got)
	}
}
