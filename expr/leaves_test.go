package expr_test

import (
	"math"
	"testing"

	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/expr"
)

// Leaves of one name are one value, and a coefficient that is NaN gives a gradient that is.
func TestGradOfLeaves(t *testing.T) {
	x := func() *expr.Value { return expr.Input("x", expr.Scalar) }
	first := x()
	nan := expr.Affine(first, math.NaN(), 0)
	for what, c := range map[string]struct {
		y, wrt *expr.Value
		want   float64
	}{
		"made again":        {expr.Affine(first, 3, 0), x(), 3},
		"occurs in two":     {expr.Add(expr.Affine(first, 3, 0), expr.Exp(x())), first, 4},
		"a NaN coefficient": {nan, first, math.NaN()},
	} {
		got, err := reference.Eval(expr.Grad(c.y, c.wrt), 1, map[string][]float64{"x": {0}})
		if err != nil {
			t.Fatal(err)
		}
		if g := got[0][0]; g != c.want && !(math.IsNaN(g) && math.IsNaN(c.want)) {
			t.Errorf("%s: %v, want %v", what, g, c.want)
		}
	}
}

// A value that is not there gives no panic, but a value that carries the mistake.
func TestReplaceByNil(t *testing.T) {
	x := expr.Input("x", expr.Scalar)
	if err := expr.Err(expr.Replace(map[*expr.Value]*expr.Value{x: nil}, expr.Exp(x))...); err == nil {
		t.Error("nil in the place of a value")
	}
}
