package model_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// pull is an energy of two scales that can be computed by hand: a·Σx and Σ b_y, where y is the label.
func pull(classes int) *energy.Energy {
	return &energy.Energy{Image: expr.Shape{2, 2, 1}, Classes: classes, Build: func(p *energy.Params, x, label *expr.Value) []*expr.Value {
		scales := []*expr.Value{expr.Mul(expr.Total(x), p.Get("a", expr.Scalar, energy.Constant(1, energy.Array)))}
		if label != nil {
			b := p.Get("b", expr.Shape{1, 1, classes}, energy.Constant(1, energy.Array))
			scales = append(scales, expr.Total(expr.Mul(label, b)))
		}
		return scales
	}}
}

func newMeterOf(t *testing.T, classes int) *model.Meter {
	t.Helper()
	s, err := model.NewMeter(&cpu.Engine{Threads: 2}, pull(classes), map[string][]float32{"a": {2}, "b": {1, -3, 0.5}}, false)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEnergies(t *testing.T) {
	var pixels []uint8
	var want []float64
	for i := range 600 { // more than one batch
		u := uint8(i % 251)
		pixels = append(pixels, u, 0, 255, u)
		want = append(want, 2*(2*float64(u)+255+4*0.5)/256)
	}
	labels := map[int]float64{0: 1, 1: -3, 2: 0.5, model.AnyLabel: -math.Log(math.Exp(-1) + math.Exp(3) + math.Exp(-0.5))}
	for label, shift := range labels {
		t.Run(fmt.Sprint("label ", label), func(t *testing.T) {
			got, err := newMeterOf(t, 3).Energies(context.Background(), pixels, label)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, got, want, shift)
		})
	}
	t.Run("unconditional", func(t *testing.T) {
		got, err := newMeterOf(t, 0).Energies(context.Background(), pixels, model.AnyLabel)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, got, want, 0)
	})
}

func compare(t *testing.T, got, want []float64, shift float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d energies of %d images", len(got), len(want))
	}
	for i := range got {
		if math.Abs(got[i]-want[i]-shift) > 1e-5 {
			t.Fatalf("image %d has energy %v, want %v", i, got[i], want[i]+shift)
		}
	}
}

func TestEnergiesRefuses(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := newMeterOf(t, 3)
	if _, err := s.Energies(ctx, make([]uint8, 5), 0); err == nil {
		t.Error("no error for a part of an image")
	}
	for _, label := range []int{-2, 3} {
		if _, err := s.Energies(ctx, make([]uint8, 4), label); err == nil {
			t.Errorf("no error for label %d", label)
		}
	}
	if _, err := newMeterOf(t, 0).Energies(ctx, make([]uint8, 4), 0); err == nil {
		t.Error("no error for a label in an unconditional model")
	}
	if _, err := model.NewMeter(&cpu.Engine{}, pull(0), nil, false); err == nil {
		t.Error("no error for missing parameters")
	}
	cancel()
	if _, err := s.Energies(ctx, make([]uint8, 4), model.AnyLabel); err == nil {
		t.Error("no error when cancelled")
	}
}
