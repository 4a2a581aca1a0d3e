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

// A class of which nothing was learnt has no part in the mixture.
func TestMixtureOfWhatWasLearnt(t *testing.T) {
	m := &model.Model{Config: model.Paper(), Energy: pull(3), Classes: []string{"a", "b", "c"}, Unlearnt: []string{"b"},
		Params: map[string][]float32{"a": {2}, "b": {1, -3, 0.5}}}
	m.Config.Network.Image = []int{2, 2, 1}
	got, err := m.Energies(t.Context(), &cpu.Engine{Threads: 1}, make([]uint8, 4), model.AnyLabel)
	if want := 2*4*0.5/256 - math.Log(math.Exp(-1)+math.Exp(-0.5)); err != nil || math.Abs(got[0]-want) > 1e-5 {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

// All that a meter measures is by the values that parameters have now.
func TestBindDescent(t *testing.T) {
	image := expr.Shape{8, 8, 1}
	m := &model.Model{Config: model.Paper(), Params: map[string][]float32{"a": {0.1}}}
	m.Config.Network.Image, m.Config.Sampler.StepSize, m.Config.Sampler.Steps = image[:], 0.4, 3
	m.Energy = &energy.Energy{Image: image, Build: func(p *energy.Params, x, _ *expr.Value) []*expr.Value {
		d := expr.Affine(x, 1, -0.5)
		return []*expr.Value{expr.Mul(expr.Total(expr.Mul(d, d)), p.Get("a", expr.Scalar, energy.Init{}))}
	}}
	moves := func(bound, now float32) []float64 {
		m.Params = map[string][]float32{"a": {bound}}
		meter, err := m.NewMeterOf(&cpu.Engine{Threads: 1}, model.Quantities{Descent: true})
		if err == nil {
			err = meter.Bind(map[string][]float32{"a": {now}})
		}
		if err != nil {
			t.Fatal(err)
		}
		measured, err := meter.Measure(t.Context(), noise(64), model.AnyLabel)
		if err != nil {
			t.Fatal(err)
		}
		return measured[0].Moves
	}
	if got, want := moves(0.1, 0.9), moves(0.9, 0.9); !slices.Equal(got, want) {
		t.Errorf("moves %v, want %v", got, want)
	}
}
