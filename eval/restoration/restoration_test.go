package restoration_test

import (
	"math"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/restoration"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// flat is a model of images of one intensity: its energy is the variance of an image.
func flat() *model.Model {
	c := model.Paper()
	c.Network.Image = []int{6, 6, 1}
	c.Sampler.StepSize, c.Sampler.Noise = 0.2, 0
	return &model.Model{Config: c, Params: map[string][]float32{}, Energy: &energy.Energy{Image: expr.Shape{6, 6, 1},
		Build: func(_ *energy.Params, x, _ *expr.Value) []*expr.Value {
			d := expr.Sub(x, expr.Affine(expr.Total(x), 1./36, 0))
			return []*expr.Value{expr.Total(expr.Mul(d, d))}
		}}}
}

func images() *dataset.Set {
	set := &dataset.Set{Name: "flat", Height: 6, Width: 6, Channels: 1}
	for _, v := range []uint8{40, 120, 200} {
		set.Pixels = append(set.Pixels, slices.Repeat([]uint8{v}, 36)...)
	}
	return set
}

// A model that knows what images look like restores them: noise is averaged out, and what is missing is filled in.
func TestMeasure(t *testing.T) {
	hole := make([]uint8, 36)
	hole[14], hole[15] = 1, 1
	for name, edit := range map[string]model.Edit{
		"noise":  {Noise: 0.1, Temperature: 0.0005, Steps: 100, Seed: 1},
		"a hole": {Missing: hole, Steps: 100},
		"halved": {Halvings: 1, Steps: 100},
	} {
		r, err := restoration.Measure(t.Context(), &cpu.Engine{Threads: 2}, flat(), images(), 2, edit)
		if err != nil {
			t.Fatal(err)
		}
		if better := map[string]float64{"noise": 6, "a hole": 10, "halved": -1}[name]; r.Edited < r.Degraded+better || r.Mean < r.Edited-0.1 || r.Images != 3 {
			t.Errorf("%s: %+v", name, r)
		}
		if len(r.Shown) != 3*36 || len(r.ShownDegraded) != 3*36 || len(r.ShownEdited) != 3*36 {
			t.Errorf("%s: %d, %d and %d pixels to show", name, len(r.Shown), len(r.ShownDegraded), len(r.ShownEdited))
		}
	}
	if _, err := restoration.Measure(t.Context(), &cpu.Engine{}, flat(), &dataset.Set{Height: 5, Width: 6, Channels: 1, Pixels: make([]uint8, 30)}, 1, model.Edit{}); err == nil {
		t.Error("images of another size accepted")
	}
}

func TestPSNR(t *testing.T) {
	if got := restoration.PSNR([]uint8{0, 128}, []uint8{0, 64}); math.Abs(got-(-10*math.Log10(0.0625/2))) > 1e-9 {
		t.Errorf("%v dB", got)
	}
	if got := restoration.PSNR([]uint8{7}, []uint8{7}); got != 99 {
		t.Errorf("%v dB of equal images", got)
	}
}
