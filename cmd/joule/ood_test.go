package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/expr"
)

func oodJSON(t *testing.T, result any, args ...string) {
	t.Helper()
	code, out, stderr := joule(append([]string{"eval", "ood", "--json", "-n", "200"}, args...)...)
	if code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	if err := json.Unmarshal([]byte(out), result); err != nil {
		t.Fatal(err)
	}
}

func TestOOD(t *testing.T) {
	model, histogram := newModel(t, expr.Shape{28, 28, 1}), filepath.Join(t.TempDir(), "energies.png")
	var one map[string]any
	oodJSON(t, &one, model, "--out-of", "fashion-mnist", "--histogram", histogram, "--threads", "1")
	for _, key := range []string{"auroc", "aupr", "fpr95"} {
		if v, ok := one[key].(float64); !ok || v < 0 || v > 1 {
			t.Errorf("%s is %v", key, one[key])
		}
	}
	// By default the usual images are of the test split of what the model was trained on.
	if one["in"] != "mnist:test" || one["out_of"] != "fashion-mnist" || one["num_in"] != 200.0 || one["num_out"] != 200.0 {
		t.Errorf("got %v", one)
	}
	decodePNG(t, histogram)

	var again, explicit, other comparison
	oodJSON(t, &again, model, "--out-of", "fashion-mnist", "--threads", "3")
	oodJSON(t, &explicit, model, "--out-of", "fashion-mnist", "--in", "mnist")
	oodJSON(t, &other, model, "--out-of", "fashion-mnist", "--seed", "2")
	if again.AUROC != one["auroc"] || explicit != again || other.MeanIn == again.MeanIn {
		t.Errorf("the same %+v, with --in %+v, of another seed %+v; before %v", again, explicit, other, one)
	}
}

// Every kind of unusual images that can be made, and folders, all against the same usual ones.
func TestOODSeveral(t *testing.T) {
	model, dir := newModel(t, expr.Shape{28, 28, 1}), t.TempDir()
	for i := range 12 {
		writePicture(t, filepath.Join(dir, string(rune('a'+i))+".png"), 40, i, false)
	}
	args, want := []string{model, "--out-of", dir}, []string{dir}
	for _, kind := range eval.Outliers() {
		args, want = append(args, "--out-of", kind.Name), append(want, kind.Name)
	}
	var results []comparison
	oodJSON(t, &results, args...)
	if len(results) != len(want) {
		t.Fatalf("%d results of %d kinds", len(results), len(want))
	}
	for i, r := range results {
		if n := 200; r.Out != want[i] || r.NumOut != n && i > 0 || r.MeanIn != results[0].MeanIn {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if results[0].NumOut != 12 {
		t.Errorf("%d images of a folder of 12", results[0].NumOut)
	}

	code, out, warning := joule(append([]string{"eval", "ood", "-n", "20"}, args...)...)
	if code != 0 || strings.Count(out, "\n") != 3+len(want) || !strings.Contains(warning, dir+": images were scaled or cropped to 28x28") {
		t.Errorf("exit code %d, %s%s", code, out, warning)
	}
}

func TestOODRefuses(t *testing.T) {
	model, dir := newModel(t, expr.Shape{28, 28, 1}), t.TempDir()
	out := []string{"--out-of", "noise", "-n", "10"}
	writeFile(t, filepath.Join(dir, "empty", "readme.txt"), nil)
	writePicture(t, filepath.Join(dir, "one", "a.png"), 28, 1, true)
	for _, r := range []refused{
		{[]string{"--out-of", "niose"}, 1, "niose: no such file or folder"},
		{append(out, "--in", dir+"/empty"), 1, "holds no pictures"},
		{append(out, "--histogram", "a.jpg"), 2, ".png"},
		{append(out, "--histogram", dir+"/missing/a.png"), 1, "missing/a.png"},
		{[]string{"--in", dir + "/one", "--out-of", "interpolation"}, 1, "at least 2 in-distribution images"},
		{append(out, "extra"), 2, "accepts 1 arg"},
	} {
		t.Run(strings.Join(r.args, " "), func(t *testing.T) {
			r.args = append([]string{"eval", "ood", model}, r.args...)
			r.check(t)
		})
	}
}
