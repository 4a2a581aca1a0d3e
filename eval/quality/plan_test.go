package quality_test

import (
	"path/filepath"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/quality"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/model"
)

// write writes n gray pictures of a side into a folder.
func write(t *testing.T, dir string, n, side int) {
	t.Helper()
	var pixels []uint8
	for i := range n {
		for p := range side * side {
			pixels = append(pixels, uint8(p*p*(i+3)+i*len(dir)))
		}
	}
	if err := picture.WriteFolder(dir, pixels, side, side, 1, 0, n); err != nil {
		t.Fatal(err)
	}
}

// What a model is compared with is what it learnt from: without images that it was not to learn from, and tiles at full resolution; and so
// are as many training images as there are samples.
func TestPlanOpensWhatTheModelLearns(t *testing.T) {
	classes, large, samples := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, samples, 90, 28)
	for split, n := range map[string]int{"train": 24, "test": 22} {
		write(t, filepath.Join(classes, split, "cat"), n, 28)
		write(t, filepath.Join(classes, split, "dog"), 7, 28)
		write(t, filepath.Join(large, split), n, 56)
	}
	for name, c := range map[string]struct {
		data, named string
		change      func(*model.Config)
		want, real  int // images
	}{
		"all":                 {classes, "", func(*model.Config) {}, 29, 31},
		"without dogs":        {classes, "", func(c *model.Config) { c.Exclude = "class=dog" }, 22, 24},
		"named, dogs as well": {classes, classes + ":test", func(c *model.Config) { c.Exclude = "class=dog" }, 29, 31},
		"tiles":               {large, "", func(c *model.Config) { c.Tiles = model.Tiles{Side: 28, Stride: 14} }, 22 * 9, 90},
		"named, tiles":        {classes, large + ":test", func(c *model.Config) { c.Tiles = model.Tiles{Side: 28, Stride: 28} }, 22 * 4, 90},
	} {
		m := &model.Model{Config: model.Paper()}
		m.Config.Data, m.Config.Network.Image = c.data, []int{28, 28, 1}
		c.change(&m.Config)
		plan := quality.Defaults()
		plan.Samples, plan.Data, plan.Number = samples, c.named, 200
		plan.Warn = func(line string) { t.Errorf("%s: warned of %s", name, line) }
		r, err := plan.Run(t.Context(), &cpu.Engine{Threads: 1}, m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Data != c.want || r.Real == nil || r.Real.Samples != c.real {
			t.Errorf("%s: compared with %d images, and %+v of training; want %d and %d", name, r.Data, r.Real, c.want, c.real)
		}
	}
}
