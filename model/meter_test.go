package model_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// network is a small network with random weights.
func network(t *testing.T, name string, o energy.Options) (*energy.Energy, map[string][]float32) {
	t.Helper()
	e, err := energy.New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	params, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	return e, energy.InitialValues(params.Specs(), 3)
}

func newMeter(t *testing.T, e *energy.Energy, params map[string][]float32) *model.Meter {
	t.Helper()
	m, err := model.NewMeter(&cpu.Engine{Threads: 1}, e, params, true)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func noise(n int) []uint8 {
	pixels, s := make([]uint8, n), rng.New(5)
	for i := range pixels {
		pixels[i] = uint8(s.IntN(256))
	}
	return pixels
}

// Energies are those of a meter without gradients, those of the scales add up to them, and gradients are slopes of the energy, for a single class
// and for the mixture.
func TestMeter(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name string
		o    energy.Options
	}{
		{"quick", energy.Options{Filters: 4, Image: expr.Shape{12, 12, 1}}},
		{"quick", energy.Options{Filters: 4, Image: expr.Shape{12, 12, 1}, Classes: 3}},
		{"cifar10", energy.Options{Filters: 4, Image: expr.Shape{16, 16, 3}, MultiScale: true}},
		{"cifar10", energy.Options{Filters: 4, Image: expr.Shape{16, 16, 3}, MultiScale: true, Classes: 2}},
	} {
		e, params := network(t, c.name, c.o)
		meter := newMeter(t, e, params)
		if scales, err := e.Scales(); err != nil || scales != meter.Scales() || (scales == 3) != c.o.MultiScale {
			t.Fatalf("%d scales, %v; the meter has %d", scales, err, meter.Scales())
		}
		scorer, err := model.NewMeter(&cpu.Engine{Threads: 1}, e, params, false)
		if err != nil {
			t.Fatal(err)
		}
		size := e.Image.Size()
		pixels := noise(3 * size)
		labels := []int{model.AnyLabel}
		if e.Classes > 0 {
			labels = append(labels, 1)
		}
		for _, label := range labels {
			want, err := scorer.Energies(ctx, pixels, label)
			if err != nil {
				t.Fatal(err)
			}
			got, err := meter.Measure(ctx, pixels, label)
			if err != nil {
				t.Fatal(err)
			}
			gradients, err := meter.Gradients(ctx, pixels, label)
			if err != nil {
				t.Fatal(err)
			}
			for i, m := range got {
				if math.Abs(m.Energy-want[i]) > 1e-6 {
					t.Errorf("%s, label %d: energy %v, want %v", c.name, label, m.Energy, want[i])
				}
				sum := 0.0
				for _, s := range m.Scales {
					sum += s
				}
				if e.Classes == 0 && math.Abs(sum-m.Energy) > 1e-6 {
					t.Errorf("%s: scales %v, energy %v", c.name, m.Scales, m.Energy)
				}

				squares := 0.0
				for q := range size {
					g := 0.0
					for _, scale := range gradients {
						g += float64(scale[i*size+q])
					}
					squares += g * g
				}
				if math.Abs(m.Norm-math.Sqrt(squares)) > 1e-9*m.Norm {
					t.Errorf("%s: norm %v of a gradient of length %v", c.name, m.Norm, math.Sqrt(squares))
				}
				p := i*size + size/2
				beside := func(step int) float64 {
					moved := slices.Clone(pixels)
					moved[p] = uint8(128 + step)
					energies, err := scorer.Energies(ctx, moved, label)
					if err != nil {
						t.Fatal(err)
					}
					return energies[i]
				}
				pixels[p] = 128
				at, err := meter.Gradients(ctx, pixels, label)
				if err != nil {
					t.Fatal(err)
				}
				slope := 0.0
				for _, scale := range at {
					slope += float64(scale[p])
				}
				if fd := (beside(8) - beside(-8)) / (16.0 / 256); math.Abs(slope-fd) > 0.03*math.Abs(fd)+2e-4 {
					t.Errorf("%s, label %d: slope %v, by differences %v", c.name, label, slope, fd)
				}
			}
		}
		if _, err := meter.Measure(ctx, pixels, e.Classes); err == nil {
			t.Errorf("%s: a label out of range is no error", c.name)
		}
		if _, err := meter.Measure(ctx, pixels[1:], model.AnyLabel); err == nil {
			t.Errorf("%s: a part of an image is no error", c.name)
		}
	}
}

// In the bowl E(x) = a/2 Σ (x - ½)² the gradient is a(x - ½), and K steps without noise go 1 - (1 - λa)^K of the way to its bottom.
func TestMoves(t *testing.T) {
	image := expr.Shape{8, 8, 1}
	const a, lambda, steps = 0.5, 0.4, 3
	m := &model.Model{Config: model.Paper(), Params: map[string][]float32{}}
	m.Config.Network.Image, m.Config.Sampler.StepSize, m.Config.Sampler.Steps = image[:], lambda, steps
	m.Energy = &energy.Energy{Image: image, Build: func(_ *energy.Params, x, _ *expr.Value) []*expr.Value {
		d := expr.Affine(x, 1, -0.5)
		return []*expr.Value{expr.Affine(expr.Total(expr.Mul(d, d)), a/2, 0)}
	}}
	meter, err := m.NewMeterOf(&cpu.Engine{Threads: 1}, model.Quantities{Gradients: true, Descent: true})
	if err != nil {
		t.Fatal(err)
	}
	measured, err := meter.Measure(t.Context(), noise(600*image.Size()), model.AnyLabel) // more than a batch
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range measured {
		squares := 0.0
		for l, slope := range one.Slopes {
			if way := math.Exp(one.Moves[l]-slope) * a; math.Abs(way-(1-math.Pow(1-lambda*a, steps))) > 1e-4 {
				t.Fatalf("image %d goes %v of the way in octave %d", i, way, l)
			}
			squares += math.Exp(2 * slope)
		}
		if norm := math.Sqrt(squares * float64(image.Size())); math.Abs(norm-one.Norm) > 1e-5*one.Norm {
			t.Fatalf("image %d: octaves of a gradient of length %v, which is %v", i, norm, one.Norm)
		}
	}
}

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
