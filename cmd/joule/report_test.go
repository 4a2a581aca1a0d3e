package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// newReportedRun is a directory with a model and the configuration, as after a run's first checkpoint.
func newReportedRun(t *testing.T) string {
	t.Helper()
	dir := newModel(t, expr.Shape{28, 28, 1})
	trained, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	config, err := run.ConfigOf(trained)
	if err != nil {
		t.Fatal(err)
	}
	text, err := config.Text()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "config.yaml"), []byte(text))
	return dir
}

var reportArgs = []string{"-n", "60", "--resamples", "20", "--chains", "2", "--threads", "1", "--out-of", "noise,rotated"}

func TestReport(t *testing.T) {
	dir := newReportedRun(t)
	args := append([]string{"report", dir, "--json"}, reportArgs...)
	var result reportResult
	if err := json.Unmarshal([]byte(mustJoule(t, args...)), &result); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "report.html")
	page := string(readFile(t, path))
	if result.Output != path || result.Bytes != int64(len(page)) || len(result.Missing) != 3 { // numbers, samples, calibration
		t.Errorf("%+v of a page of %d bytes", result, len(page))
	}
	for _, part := range []string{`id="detection"`, `id="chains"`, `id="configuration"`, "Energies: rotated", "AUROC, noise", "mnist:test"} {
		if !strings.Contains(page, part) {
			t.Errorf("no %s in the page", part)
		}
	}
	mustJoule(t, args...)
	if again := string(readFile(t, path)); again != page {
		t.Error("the same command, another page")
	}
	if !slices.Equal(names(t, dir), []string{"config.yaml", "model.safetensors", "report.html"}) {
		t.Errorf("left behind: %q", names(t, dir))
	}

	// Calibrated, there are false alarms to see.
	mustJoule(t, "calibrate", dir, "-n", "50", "--json") // with those held out
	result = reportResult{}
	if err := json.Unmarshal([]byte(mustJoule(t, args...)), &result); err != nil {
		t.Fatal(err)
	}
	page = string(readFile(t, path))
	if len(result.Missing) != 2 || !strings.Contains(page, `id="calibration"`) || !strings.Contains(page, "with 50 images of") {
		t.Errorf("calibrated: %+v", result)
	}

	// A model by itself, and what is quick.
	alone := filepath.Join(t.TempDir(), "digits.safetensors")
	writeFile(t, alone, readFile(t, filepath.Join(dir, "model.safetensors")))
	if out := mustJoule(t, "report", alone, "--quick"); !strings.HasPrefix(out, strings.TrimSuffix(alone, "safetensors")+"html") {
		t.Errorf("got %s", out)
	}
	page = string(readFile(t, strings.TrimSuffix(alone, "safetensors")+"html"))
	if !strings.Contains(page, "<h1>digits</h1>") || strings.Contains(page, `id="detection"`) || strings.Contains(page, `id="missing"`) {
		t.Errorf("got %s", page)
	}
}

// A conditional model shows chains of all its classes.
func TestReportOfConditionalModel(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.html")
	code, _, stderr := joule(append([]string{"report", newModel(t, expr.Shape{28, 28, 1}, "a", "b", "c"), "-o", page, "--json"}, reportArgs...)...)
	if code != 0 || stderr != "" || !strings.Contains(string(readFile(t, page)), `id="chains"`) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// What is missing is said, on the page and on standard error, unless it was asked for.
func TestReportOfIncompleteRuns(t *testing.T) {
	dir := newReportedRun(t)
	if err := os.Remove(filepath.Join(dir, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := joule("report", dir)
	page := string(readFile(t, filepath.Join(dir, "report.html")))
	if code != 0 || !strings.Contains(out, "report.html") || !strings.Contains(stderr, "the run has no model yet") || !strings.Contains(page, "the run has no model yet") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}

	dir = newReportedRun(t) // the data of which are gone
	trained, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	trained.Config.Data = filepath.Join(dir, "gone")
	if err := trained.Save(filepath.Join(dir, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = joule("report", dir, "--chains", "1")
	page = string(readFile(t, filepath.Join(dir, "report.html")))
	if code != 0 || !strings.Contains(stderr, "gone: no such file") || strings.Contains(page, filepath.Dir(dir)) || !strings.Contains(page, `id="chains"`) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestReportRefuses(t *testing.T) {
	dir, empty := newReportedRun(t), t.TempDir()
	for _, r := range []refused{
		{[]string{empty}, 1, "holds no run"},
		{[]string{filepath.Join(empty, "missing")}, 1, "no such run directory or model file"},
		{[]string{dir, "-o", "page.pdf"}, 2, ".html"},
		{[]string{dir, "-o", filepath.Join(empty, "missing", "page.html")}, 1, "missing"},
		{[]string{dir, "--chains", "1000"}, 2, "want 0 to 64"},
		{[]string{dir, "--quick", "--out-of", "noise"}, 2, "--out-of is of what --quick leaves out"},
		{[]string{dir, "--resamples", "1"}, 2, "--resamples"},
		{[]string{dir, "--out-of", "niose"}, 1, "niose: no such file or folder"},
		{[]string{dir, "--in", "niose"}, 1, "niose: no such file or folder"},
	} {
		t.Run(strings.Join(r.args[1:], " "), func(t *testing.T) {
			r.args = append([]string{"report"}, r.args...)
			r.check(t)
		})
	}
	if files := names(t, dir); len(files) != 2 {
		t.Errorf("left behind: %q", files)
	}
}
