package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/eval/inspection"
)

// writeParts writes a data set of defects: gray pictures of 24×28 pixels, those with a spot with their masks.
func writeParts(t *testing.T, dir string) {
	t.Helper()
	write := func(name string, n int, spot, mask bool) {
		img := image.NewGray(image.Rect(0, 0, 28, 24))
		for y := range 24 {
			for x := range 28 {
				v := uint8(100 + (x*7+y*13+n*29)%23)
				if mask {
					v = 0
				}
				if spot && x >= n%20 && x < n%20+5 && y >= 9 && y < 14 {
					v = 255
				}
				img.SetGray(x, y, color.Gray{v})
			}
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := writePNG(path, img); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 220 {
		write(fmt.Sprintf("train/good/%03d.png", n), n, false, false)
	}
	for n := range 6 {
		write(fmt.Sprintf("test/good/%03d.png", n), 300+n, false, false)
		write(fmt.Sprintf("test/spot/%03d.png", n), 400+n, true, false)
		write(fmt.Sprintf("ground_truth/spot/%03d_mask.png", n), 400+n, true, true)
	}
}

// An engineer's path: train on tiles of good pictures, judge large pictures, see where they are odd, measure.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	data, trained := filepath.Join(dir, "data"), filepath.Join(dir, "run")
	writeParts(t, data)
	mustJoule := func(t *testing.T, args ...string) string { // with what it says of its work on standard error
		t.Helper()
		code, stdout, stderr := joule(args...)
		if code != 0 {
			t.Fatalf("joule %s: exit code %d, %s", strings.Join(args, " "), code, stderr)
		}
		return stdout
	}
	mustJoule(t, "train", "--data", data, "--tile", "16", "--out", trained, "--iterations", "3", "--tile-position", "--set", "network.filters=2",
		"--set", "sampler.steps=2", "--set", "optimiser.batch=4", "--set", "buffer.size=40", "--set", "loss.ent=0", "--set", "output.pictures=2",
		"--set", "generation.augmented=0", "--set", "generation.plain=1")

	var scored []detect.Scored
	out := mustJoule(t, "score", trained, filepath.Join(data, "test"), "--false-alarm", "50%", "--json", "--explain", filepath.Join(dir, "why"))
	if err := json.Unmarshal([]byte(out), &scored); err != nil || len(scored) != 12 {
		t.Fatalf("%d pictures (%v)", len(scored), err)
	}
	for _, s := range scored {
		if s.Resized || s.P == nil || *s.OutOfDistribution != (len(s.Regions) > 0) {
			t.Errorf("%+v", s)
		}
	}
	if drawn, err := os.ReadDir(filepath.Join(dir, "why")); err != nil || len(drawn) != 12 {
		t.Errorf("%d explanations (%v)", len(drawn), err)
	}

	var report inspection.Report
	out = mustJoule(t, "eval", "inspect", trained, "--data", data, "--resamples", "20", "--json", "--pictures", filepath.Join(dir, "found"))
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	f := report.Defects[0]
	if f.Name != "spot" || f.Good != 6 || f.Faulty != 6 || f.Masks != 6 || f.Pixel.Interval == nil || len(report.Alarms) != 1 {
		t.Errorf("%+v of %+v", f, report)
	}
	if drawn, err := filepath.Glob(filepath.Join(dir, "found", "spot-*.png")); err != nil || len(drawn) != 6 {
		t.Errorf("%d pictures (%v)", len(drawn), err)
	}
	for format, want := range map[string]string{"csv": "\nspot,6,6,", "table": "image AUROC", "markdown": "| spot | 6 | 6 |"} {
		if out := mustJoule(t, "eval", "inspect", trained, "--resamples", "0", "--format", format, "--map", "gradient-norm"); !strings.Contains(out, want) {
			t.Errorf("%s:\n%s", format, out)
		}
	}
	mustJoule(t, "calibrate", trained)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"eval", "inspect", trained, "--map", "magic"}, 2, "energy"},
		{[]string{"eval", "inspect", trained, "--false-alarm", "5%"}, 2, "give --pictures as well"},
		{[]string{"eval", "inspect", trained, "--fpr-limit", "0"}, 2, "--fpr-limit"},
		{[]string{"eval", "inspect", trained, "--data", "mnist"}, 1, "parts"},
		{[]string{"score", trained, data, "--detector", "typicality"}, 2, "gradient-norm"},
		{[]string{"eval", "ood", trained, "--detector", "gradient-norm"}, 2, "joule eval inspect"},
		{[]string{"eval", "ood", trained, "--detector", "typicality"}, 2, "joule eval inspect"},
		{[]string{"eval", "chains", trained}, 1, "joule compose"}, // as its numbers say where a tile is
		{[]string{"eval", "likelihood", trained}, 1, "joule compose"},
		{[]string{"train", "--tile", "16", "--set", "network.image=28,28,1"}, 2, "16,16,1"},
		{[]string{"train", "--stride", "16"}, 2, "tiles.side"},
		{[]string{"train", "--tile", "16", "--picture", "8,8"}, 2, "tiles.picture"},
	} {
		code, _, stderr := joule(c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("joule %s: exit code %d, want %d:\n%s", strings.Join(c.args, " "), code, c.code, stderr)
		}
	}
}
