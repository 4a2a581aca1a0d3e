package energy_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
)

func TestParamsAreTheSameValueEachTime(t *testing.T) {
	p := energy.NewParams()
	shape := expr.Shape{1, 2, 3}
	a := p.Get("a", shape, energy.Uniform(2, energy.LinearMap))
	p.Get("b", expr.Scalar, energy.Constant(1, energy.Vector))
	if p.Get("a", shape, energy.Init{}) != a {
		t.Error("a second Get gives another value")
	}
	if held := p.Frozen().Get("a", shape, energy.Init{}); held != p.Frozen().Get("a", shape, energy.Init{}) || held == a {
		t.Errorf("the frozen parameter is %v, want its own value, the same each time", held)
	}
	want := []energy.Spec{
		{Name: "a", Shape: shape, Init: energy.Uniform(2, energy.LinearMap), Layout: energy.LinearMap},
		{Name: "b", Shape: expr.Scalar, Init: energy.Constant(1, energy.Vector), Layout: energy.Vector},
	}
	if got := p.Specs(); !reflect.DeepEqual(got, want) {
		t.Errorf("specs %v, want %v", got, want)
	}
	if err := expr.Err(p.Get("a", expr.Shape{1, 3, 2}, energy.Init{})); err == nil || !strings.Contains(err.Error(), "1×2×3") {
		t.Errorf("another shape: %v", err)
	}
}

func TestMistakes(t *testing.T) {
	image := expr.Shape{8, 8, 1}
	returns := func(f func(p *energy.Params, x *expr.Value) *expr.Value) energy.Func {
		return func(p *energy.Params, x, _ *expr.Value) []*expr.Value { return []*expr.Value{f(p, x)} }
	}
	head := returns(func(p *energy.Params, x *expr.Value) *expr.Value { return energy.Head(p, "head", x) })
	for name, c := range map[string]struct {
		energy energy.Energy
		want   string
	}{
		"no function":      {energy.Energy{Image: image}, "no function"},
		"no image":         {energy.Energy{Build: head}, "image"},
		"negative classes": {energy.Energy{Image: image, Classes: -1, Build: head}, "-1 classes"},
		"no scales":        {energy.Energy{Image: image, Build: func(*energy.Params, *expr.Value, *expr.Value) []*expr.Value { return nil }}, "no scales"},
		"nil": {energy.Energy{Image: image, Build: returns(func(*energy.Params, *expr.Value) *expr.Value { return nil })},
			"scale 0"},
		"an image": {energy.Energy{Image: image, Build: returns(func(_ *energy.Params, x *expr.Value) *expr.Value { return x })},
			"scale 0 is a sample value of shape 8×8×1"},
		"the same for all images": {energy.Energy{Image: image, Build: returns(func(p *energy.Params, _ *expr.Value) *expr.Value {
			return p.Get("b", expr.Scalar, energy.Init{})
		})}, "scale 0 is a shared value"},
		"a name used twice": {energy.Energy{Image: image, Build: returns(func(p *energy.Params, x *expr.Value) *expr.Value {
			return energy.Head(p, "same", energy.Conv(p, "same", x, 2, energy.PlainKernel))
		})}, "parameter same.weight has shape 9×1×2, but is also used with shape 1×2×1"},
		"no such vector": {energy.Energy{Image: image, Build: returns(func(p *energy.Params, x *expr.Value) *expr.Value {
			return expr.Total(expr.Mul(x, p.Get("w", image, energy.Constant(0, energy.Vector))))
		})}, "parameter w of shape 8×8×1 cannot be laid out as a vector"},
		"too few channels": {energy.Energy{Image: image, Build: returns(func(p *energy.Params, x *expr.Value) *expr.Value {
			return energy.Head(p, "head", energy.Attention(p, "attention", x))
		})}, "scale 0"},
		"no label": {energy.Energy{Image: image, Build: returns(func(p *energy.Params, x *expr.Value) *expr.Value {
			return energy.Head(p, "head", expr.Add(x, energy.Linear(p, "map", nil, 1)))
		})}, "scale 0"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := c.energy.Params()
			if p != nil || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, %v; want an error with %q", p, err, c.want)
			}
		})
	}
	for name, v := range map[string]*expr.Value{"Sum": energy.Sum(nil), "Mean": energy.Mean(nil)} {
		if expr.Err(v) == nil {
			t.Errorf("%s of no scales is valid", name)
		}
	}
}
