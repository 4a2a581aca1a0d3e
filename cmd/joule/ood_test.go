package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
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
	trained, pictures := newModel(t, expr.Shape{28, 28, 1}), t.TempDir()
	histogram, roc := filepath.Join(pictures, "energies.png"), filepath.Join(pictures, "roc.png")
	var one map[string]any
	oodJSON(t, &one, trained, "--out-of", "fashion-mnist", "--histogram", histogram, "--roc", roc, "--threads", "1")
	for _, key := range []string{"auroc", "aupr", "fpr95"} {
		if v, ok := one[key].(float64); !ok || v < 0 || v > 1 {
			t.Errorf("%s is %v", key, one[key])
		}
	}
	// By default the in-distribution images are of the test split of what the model was trained on.
	if one["in"] != "mnist:test" || one["out_of"] != "fashion-mnist" || one["num_in"] != 200.0 || one["num_out"] != 200.0 {
		t.Errorf("got %v", one)
	}
	decodePNG(t, histogram)
	decodePNG(t, roc)

	var again, explicit, other benchmark.Comparison
	oodJSON(t, &again, trained, "--out-of", "fashion-mnist", "--threads", "3")
	oodJSON(t, &explicit, trained, "--out-of", "fashion-mnist", "--in", "mnist")
	oodJSON(t, &other, trained, "--out-of", "fashion-mnist", "--seed", "2")
	if again.AUROC != one["auroc"] || !reflect.DeepEqual(explicit, again) || other.MeanIn == again.MeanIn {
		t.Errorf("the same %+v, with --in %+v, of another seed %+v; before %v", again, explicit, other, one)
	}
}

// Without --out-of there is something to compare with; with intervals, which hold the figures.
func TestOODByDefault(t *testing.T) {
	var results []benchmark.Comparison
	oodJSON(t, &results, newModel(t, expr.Shape{28, 28, 1}), "-n", "60", "--resamples", "50")
	if len(results) != 10 || results[0].Out != "fashion-mnist" {
		t.Fatalf("compared with %d kinds: %+v", len(results), results)
	}
	for _, r := range results {
		i := r.Intervals
		if i == nil || i.Level != 0.95 || i.Resamples != 50 {
			t.Fatalf("%s: intervals %+v", r.Out, i)
		}
		for _, f := range []struct {
			value    float64
			interval benchmark.Interval
		}{{r.AUROC, i.AUROC}, {r.AUPR, i.AUPR}, {r.AUPRIn, i.AUPRIn}, {r.FPR95, i.FPR95}} {
			if !(0 <= f.interval[0] && f.interval[0] <= f.value && f.value <= f.interval[1] && f.interval[1] <= 1) {
				t.Errorf("%s: %v is not within %v", r.Out, f.value, f.interval)
			}
		}
	}

	// Photographs are compared with digits in colour.
	results = nil
	dir := t.TempDir()
	for i := range 3 {
		writePicture(t, filepath.Join(dir, string(rune('a'+i))+".png"), 32, i, false)
	}
	oodJSON(t, &results, newModel(t, expr.Shape{32, 32, 3}), "--in", dir, "-n", "3", "--resamples", "0")
	if len(results) != 10 || results[0].Out != "mnist:test" || results[0].Intervals != nil {
		t.Errorf("photographs: %+v", results)
	}
}

// Where the data have no test split, the in-distribution images are those the run has held out: a tenth of a folder, here.
func TestOODOfImagesHeldOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "photos")
	for i := range 30 {
		writePicture(t, filepath.Join(dir, fmt.Sprintf("%02d.png", i)), 28, i, true)
	}
	path := newModel(t, expr.Shape{28, 28, 1})
	trained, err := model.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	trained.Config.Data = dir
	if err := trained.Save(trained.Path); err != nil {
		t.Fatal(err)
	}
	var result benchmark.Comparison
	oodJSON(t, &result, path, "--out-of", "noise", "--resamples", "0")
	if result.In != model.HeldOutName(dir) || result.NumIn != 3 {
		t.Errorf("got %+v", result)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	refused{[]string{"eval", "ood", path, "--out-of", "noise"}, 1, "name in-distribution images with --in"}.check(t)
}

// Patches of pictures larger than the model's images, unscaled; and lists with commas.
func TestOODTextures(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{28, 28, 1}), filepath.Join(t.TempDir(), "with,comma")
	writePicture(t, filepath.Join(dir, "a.png"), 28*3+5, 1, true)
	writePicture(t, filepath.Join(dir, "b.png"), 20, 2, true)
	var results []benchmark.Comparison
	oodJSON(t, &results, trained, "--out-of", "textures:"+filepath.Dir(dir)+",noise", "--out-of", dir, "-n", "8", "--resamples", "0")
	if len(results) != 3 || results[0].NumOut != 8 || results[1].Out != "noise" || results[2].Out != dir || results[2].NumOut != 2 {
		t.Errorf("got %+v", results)
	}
	oodJSON(t, &results, trained, "--out-of", "textures:"+filepath.Dir(dir)+",noise", "--resamples", "0")
	if results[0].NumOut != 10 {
		t.Errorf("%d patches of a picture of 3 by 3 and a small one", results[0].NumOut)
	}
}

func TestOODMarkdown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a|b*_c")
	writePicture(t, filepath.Join(dir, "a.png"), 28, 1, true)
	out := mustJoule(t, "eval", "ood", newModel(t, expr.Shape{28, 28, 1}), "--out-of", dir, "--out-of", "noise", "-n", "50", "--markdown")
	lines := strings.Split(out, "\n")
	if len(lines) != 7 || !strings.HasPrefix(lines[0], "Network quick, 4 filters, ") || !strings.HasPrefix(lines[4], `| a\|b\*\_c | 1 | `) {
		t.Fatalf("got\n%s", out)
	}
	for _, line := range lines[2:6] {
		if n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); n != 7 {
			t.Errorf("%d bars in %s", n, line)
		}
	}
	plain := mustJoule(t, "eval", "ood", newModel(t, expr.Shape{28, 28, 1}), "--out-of", "noise", "-n", "50", "--markdown", "--resamples", "0")
	if strings.Contains(plain, "–") || strings.Contains(plain, "brackets") {
		t.Errorf("no intervals were asked for:\n%s", plain)
	}
}

// Every kind of outliers that can be made, and folders, all against the same in-distribution images.
func TestOODSeveral(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{28, 28, 1}), t.TempDir()
	for i := range 12 {
		writePicture(t, filepath.Join(dir, string(rune('a'+i))+".png"), 40, i, false)
	}
	args, want := []string{trained, "--out-of", dir}, []string{dir}
	for _, kind := range benchmark.Outliers() {
		args, want = append(args, "--out-of", kind.Name), append(want, kind.Name)
	}
	var results []benchmark.Comparison
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
	const head, foot = 3, 2 // the foot explains the column "by scaling", which the folder alone needs
	if code != 0 || strings.Count(out, "\n") != head+len(want)+foot || !strings.Contains(out, "\nby scaling:") || !strings.Contains(warning, dir+": images in colour of up to 40x40 were scaled or cropped to 28x28") {
		t.Errorf("exit code %d, %s%s", code, out, warning)
	}
}

func TestOODRefuses(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{28, 28, 1}), t.TempDir()
	out := []string{"--out-of", "noise", "-n", "10"}
	writeFile(t, filepath.Join(dir, "empty", "readme.txt"), nil)
	writePicture(t, filepath.Join(dir, "one", "a.png"), 28, 1, true)
	for _, r := range []refused{
		{[]string{"--out-of", "niose"}, 1, "niose: no such file or folder"},
		{append(out, "--in", dir+"/empty"), 1, "holds no pictures"},
		{append(out, "--histogram", "a.jpg"), 2, ".png"},
		{append(out, "--roc", "a.jpg"), 2, ".png"},
		{append(out, "--resamples", "5"), 2, "10 to 1000000"},
		{[]string{"--out-of", "textures:" + dir + "/empty"}, 1, "holds no pictures"},
		{[]string{"--out-of", "textures:" + dir + "/missing"}, 1, "missing: no such file or folder"},
		{append(out, "--histogram", dir+"/missing/a.png"), 1, "missing/a.png"},
		{[]string{"--in", dir + "/one", "--out-of", "interpolation"}, 1, "at least 2 in-distribution images"},
		{append(out, "extra"), 2, "accepts 1 arg"},
	} {
		t.Run(strings.Join(r.args, " "), func(t *testing.T) {
			r.args = append([]string{"eval", "ood", trained}, r.args...)
			r.check(t)
		})
	}
}
