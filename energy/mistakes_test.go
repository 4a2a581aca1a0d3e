package energy_test

// This file has the mistakes of callers: none of them is a panic or changes a finished energy.

import (
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
)

func linear(k float64, classes int) *energy.Energy {
	return &energy.Energy{Image: expr.Scalar, Classes: classes, Build: func(_ *energy.Params, x, label *expr.Value) []*expr.Value {
		if label != nil {
			x = expr.Add(x, expr.Slice(label, 0, 1))
		}
		return []*expr.Value{expr.Affine(x, k, 0)}
	}}
}

// What the caller does with the slice afterwards is nobody's business.
func TestGivenKeepsItsLabel(t *testing.T) {
	y := []float64{1, 0}
	given, err := energy.Given(y, linear(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	y[0], y[1] = 0, 1
	if e := energyOf(t, given, nil, []float32{1})[0]; e != 2 {
		t.Errorf("the energy is %v", e)
	}
}

// An energy without a function is refused wherever it is.
func TestNoFunction(t *testing.T) {
	empty := &energy.Energy{Image: expr.Scalar}
	and, err := energy.And(empty, linear(1, 0))
	if err == nil {
		_, err = and.Params()
	}
	if err == nil {
		t.Error("And took it")
	}
	for _, e := range []*energy.Energy{energy.Scoped("a", empty), energy.Weighted(2, empty)} {
		if _, err := e.Params(); err == nil {
			t.Error("no error")
		}
	}
}
