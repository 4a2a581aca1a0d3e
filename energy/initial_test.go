package energy_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
)

// TestInitialValues holds the first values of every parameter of a network to PyTorch's defaults.
func TestInitialValues(t *testing.T) {
	model, err := energy.New("cifar10", energy.Options{Filters: 16, Attention: true, MultiScale: true, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	p, err := model.Params()
	if err != nil {
		t.Fatal(err)
	}
	specs := p.Specs()
	values := energy.InitialValues(specs, 7)
	fanIn := 0
	for _, s := range specs {
		v := values[s.Name]
		if len(v) != s.Shape.Size() {
			t.Fatalf("%s has %d values, want %d", s.Name, len(v), s.Shape.Size())
		}
		weight, isWeight := strings.CutSuffix(s.Name, ".weight")
		norm := strings.HasSuffix(weight, "bn1") || strings.HasSuffix(weight, "bn2")
		switch {
		case strings.HasSuffix(s.Name, "gamma"), strings.Contains(s.Name, ".bn") && !isWeight:
			checkAll(t, s.Name, v, 0)
		case norm:
			checkAll(t, s.Name, v, 1)
		default:
			if isWeight { // the bias comes next
				fanIn = s.Shape[0] * s.Shape[1]
			}
			bound := 1 / math.Sqrt(float64(fanIn))
			lo, hi := float64(slices.Min(v)), float64(slices.Max(v))
			if lo < -bound || hi > bound {
				t.Errorf("%s lies in [%g, %g], want within ±%g", s.Name, lo, hi, bound)
			}
			if n := float64(len(v)); n >= 500 && (hi < bound*(1-20/n) || lo > -bound*(1-20/n)) {
				t.Errorf("%s lies in [%g, %g], want all of ±%g", s.Name, lo, hi, bound)
			}
		}
	}

	again := energy.InitialValues(specs[5:], 7)
	other := energy.InitialValues(specs, 8)
	name := specs[6].Name
	if !slices.Equal(again[name], values[name]) {
		t.Errorf("%s starts otherwise beside fewer parameters", name)
	}
	if name := "conv1.weight"; slices.Equal(other[name], values[name]) || slices.Equal(values["mid_conv1.weight"], values[name]) {
		t.Errorf("%s starts like another seed's, or like another parameter", name)
	}
}

func checkAll(t *testing.T, name string, v []float32, want float32) {
	t.Helper()
	if slices.ContainsFunc(v, func(v float32) bool { return v != want }) {
		t.Errorf("%s starts at %v, want all %g", name, v, want)
	}
}

func TestLayouts(t *testing.T) {
	count := func(s expr.Shape) []float32 {
		v := make([]float32, s.Size())
		for i := range v {
			v[i] = float32(i)
		}
		return v
	}
	for _, c := range []struct {
		layout energy.Layout
		shape  expr.Shape
		torch  []int
		here   []float32 // of 0, 1, 2, ... in PyTorch's order
	}{
		{energy.Vector, expr.Shape{1, 1, 3}, []int{3}, []float32{0, 1, 2}},
		{energy.LinearMap, expr.Shape{1, 2, 3}, []int{3, 2}, []float32{0, 2, 4, 1, 3, 5}},
		{energy.ConvKernel, expr.Shape{1, 2, 3}, []int{3, 2, 1, 1}, []float32{0, 2, 4, 1, 3, 5}},
		{energy.ConvKernel, expr.Shape{9, 1, 2}, []int{2, 1, 3, 3}, []float32{0, 9, 1, 10, 2, 11, 3, 12, 4, 13, 5, 14, 6, 15, 7, 16, 8, 17}},
		{energy.Array, expr.Shape{2, 1, 3}, []int{2, 1, 3}, []float32{0, 1, 2, 3, 4, 5}},
	} {
		s := energy.Spec{Shape: c.shape, Layout: c.layout}
		if got := s.TorchShape(); !slices.Equal(got, c.torch) {
			t.Errorf("%v %v: PyTorch's shape %v, want %v", c.layout, c.shape, got, c.torch)
		}
		here, back := make([]float32, c.shape.Size()), make([]float32, c.shape.Size())
		s.FromTorch(here, count(c.shape))
		if !slices.Equal(here, c.here) {
			t.Errorf("%v %v: %v, want %v", c.layout, c.shape, here, c.here)
		}
		s.ToTorch(back, here)
		if !slices.Equal(back, count(c.shape)) {
			t.Errorf("%v %v: there and back is %v", c.layout, c.shape, back)
		}
	}
}
