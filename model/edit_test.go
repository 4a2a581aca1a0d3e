package model_test

import (
	"math"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// A prior N(μ, τ²) of each pixel, as exp(-E/T), and noise σ make a posterior that is known: an exact sampler's edits are samples of it.
func TestEditDrawsFromThePosterior(t *testing.T) {
	const mu, tau, sigma, temperature = 0.5, 0.1, 0.1, 0.02
	c := model.Paper()
	c.Sampler = model.Sampler{Kind: "mala", Steps: 60, StepSize: 0.002, Temperature: temperature}
	c.Network.Image = []int{2, 2, 1}
	prior := &energy.Energy{Image: expr.Shape{2, 2, 1}, Build: func(_ *energy.Params, x, _ *expr.Value) []*expr.Value {
		d := expr.Affine(x, 1, -mu)
		return []*expr.Value{expr.Affine(expr.Total(expr.Mul(d, d)), temperature/(2*tau*tau), 0)}
	}}
	m := &model.Model{Config: c, Energy: prior, Params: map[string][]float32{}}
	const u = uint8(102)
	const n = 2000
	edited, err := m.Edit(t.Context(), &cpu.Engine{Threads: 2}, []uint8{u, u, u, u}, n, model.Edit{Noise: sigma, Temperature: temperature, Steps: 60, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	seen := (float64(u) + 0.5) / 256
	variance := 1 / (1/(tau*tau) + 1/(sigma*sigma))
	mean := variance * (mu/(tau*tau) + seen/(sigma*sigma))
	sum, squares := 0.0, 0.0
	for _, v := range edited {
		x := (float64(v) + 0.5) / 256
		sum, squares = sum+x, squares+(x-mean)*(x-mean)
	}
	k := float64(len(edited))
	if d := sum/k - mean; math.Abs(d) > 4*math.Sqrt(variance/k) {
		t.Errorf("the mean is off by %v, of a deviation of %v", d, math.Sqrt(variance))
	}
	if r := squares / k / variance; math.Abs(r-1) > 4*math.Sqrt(2/k)+0.01 {
		t.Errorf("the variance is %v of the posterior's", r)
	}
}

// What is known of a picture stays to the last bit, each picture has its own edits, and an edit does not depend on what others there are.
func TestEdit(t *testing.T) {
	m := untrained(t, 1, nil, nil)
	size := m.Energy.Image.Size()
	pictures := testImages(m, 3)
	missing := make([]uint8, size)
	for i := range missing[:size/3] {
		missing[i] = 1
	}
	o := model.Edit{Missing: missing, Steps: 5, Seed: 3}
	all, err := m.Edit(t.Context(), &cpu.Engine{Threads: 2}, pictures, 40, o) // more than fit into a batch
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * 40 {
		for p, v := range all[i*size:][:size] {
			if missing[p] == 0 && v != pictures[i/40*size+p] {
				t.Fatalf("edit %d changes what is known", i)
			}
		}
	}
	if slices.Equal(all[:size], all[size:2*size]) || slices.Equal(all[:size/3], pictures[:size/3]) {
		t.Error("nothing, or the same, is filled in")
	}
	again, err := m.Edit(t.Context(), &cpu.Engine{Threads: 1}, pictures, 40, o)
	if err != nil || !slices.Equal(all, again) {
		t.Errorf("other edits by one thread (%v)", err)
	}
	small, err := m.Edit(t.Context(), &cpu.Engine{Threads: 2}, pictures[:6*6], 1, model.Edit{Halvings: 1, Steps: 2})
	if err != nil || len(small) != size {
		t.Errorf("a small picture: %d pixels, %v", len(small), err)
	}

	conditional := untrained(t, 2, []string{"off", "on"}, nil)
	on, err := conditional.Condition("on")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		m    *model.Model
		edit model.Edit
		n    int
	}{
		"no label":            {conditional, model.Edit{}, 1},
		"a label too many":    {m, model.Edit{To: on}, 1},
		"half a label":        {conditional, model.Edit{To: on, From: on[:1]}, 1},
		"a mask of two":       {m, model.Edit{Missing: []uint8{1, 0}}, 1},
		"no edit":             {m, model.Edit{}, 0},
		"less than no noise":  {m, model.Edit{Noise: -1}, 1},
		"pictures too large":  {m, model.Edit{Halvings: 4}, 1},
		"less than no step":   {m, model.Edit{Steps: -1}, 1},
		"nothing like a heat": {m, model.Edit{Temperature: math.NaN()}, 1},
	} {
		if _, err := c.m.Edit(t.Context(), &cpu.Engine{}, pictures[:size], c.n, c.edit); (err == nil) != (name == "pictures too large") {
			t.Errorf("%s: %v", name, err)
		}
	}
	to, err := conditional.Edit(t.Context(), &cpu.Engine{}, pictures[:size], 1, model.Edit{To: on, Steps: 2})
	if err != nil {
		t.Fatal(err)
	}
	off, _ := conditional.Condition("off")
	away, err := conditional.Edit(t.Context(), &cpu.Engine{}, pictures[:size], 1, model.Edit{To: on, From: off, Away: 5, Steps: 2})
	if err != nil || slices.Equal(to, away) {
		t.Errorf("going away from a class makes no difference (%v)", err)
	}
}

// Pictures cannot be enlarged to less than they are.
func TestEditOfNegativeHalvings(t *testing.T) {
	m := &model.Model{Config: model.Paper(), Energy: &energy.Energy{Image: expr.Shape{2, 2, 1}}}
	m.Config.Network.Image = []int{2, 2, 1}
	if _, err := m.Edit(t.Context(), &cpu.Engine{}, make([]uint8, 4), 1, model.Edit{Halvings: -1}); err == nil {
		t.Error("no error")
	}
}
