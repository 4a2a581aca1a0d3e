package chains

import (
	"context"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/model"
)

// A sampler known to be right on a distribution known to be simple: chains of HMC on a wide bowl mix at once, agree and have the right
// mean energy; chains of tiny steps do not mix, and are found out.
func TestRecord(t *testing.T) {
	image := expr.Shape{3, 3, 1}
	bowl := func(_ *energy.Params, x, _ *expr.Value) []*expr.Value { // T = 1, σ = 0.1: ½ for each of 9 pixels
		d := expr.Affine(x, 10, -5)
		return []*expr.Value{expr.Affine(expr.Total(expr.Mul(d, d)), 0.5, 0)}
	}
	record := func(threads int, step float64) (Recording, []float32) {
		m := &model.Model{Config: model.Paper(), Energy: &energy.Energy{Image: image, Build: bowl}}
		m.Config.Sampler.Kind, m.Config.Sampler.StepSize, m.Config.Sampler.Leapfrogs = "hmc", step, 4
		w, err := newRecorder(&cpu.Engine{Threads: threads}, m)
		if err != nil {
			t.Fatal(err)
		}
		const n = 10
		x := make([]float32, n*image.Size())
		mcmc.FillNoise(x, image.Size(), 1, 0)
		if _, err := w.chain.Run(context.Background(), x, mcmc.RunOptions{Steps: 20, Seed: 1}); err != nil {
			t.Fatal(err)
		}
		var made int64
		r, err := w.record(context.Background(), x, 50, 2, mcmc.RunOptions{Seed: 1, FirstStep: 20}, func(k int64) { made += k })
		if err != nil {
			t.Fatal(err)
		}
		if made != n*50*2 {
			t.Errorf("%d steps reported", made)
		}
		return r, x
	}
	r, x := record(1, 0.04)
	again, same := record(3, 0.04)
	if !reflect.DeepEqual(r, again) || !slices.Equal(x, same) {
		t.Error("three threads give other numbers")
	}
	for _, trace := range r.Traces {
		if trace.Draws != 500 || trace.Effective < 250 || trace.RHat > 1.03 {
			t.Errorf("chains that mix: %s: %v of %d, R̂ %v", trace.Name, trace.Effective, trace.Draws, trace.RHat)
		}
	}
	if e := r.Traces[0]; e.Name != "energy" || math.Abs(e.Mean-4.5) > 0.5 || math.Abs(e.Std-math.Sqrt(4.5)) > 0.4 {
		t.Errorf("%+v, want the energy of nine squared normal numbers", e)
	}
	// Independent states of a bowl of σ = 0.1 are about 0.1·√2 apart.
	if math.Abs(r.Displacement-0.1*math.Sqrt2) > 0.03 || r.PathLength < 20*r.Displacement || r.Acceptance < 0.8 || r.Acceptance > 0.999 {
		t.Errorf("travelled %v by a way of %v, acceptance %v", r.Displacement, r.PathLength, r.Acceptance)
	}
	slow, _ := record(1, 0.0005)
	for _, trace := range slow.Traces {
		if trace.Effective > 60 || trace.RHat < 1.5 {
			t.Errorf("chains that hardly move: %s: %v of %d, R̂ %v", trace.Name, trace.Effective, trace.Draws, trace.RHat)
		}
	}
	if slow.Displacement > 0.05 {
		t.Errorf("chains that hardly move travelled %v", slow.Displacement)
	}
}
