package expr_test

import (
	"slices"
	"testing"

	"github.com/joule-ebm/joule/expr"
)

// TestOrder: everything once, inputs before their users, the same for the same structure.
func TestOrder(t *testing.T) {
	build := func() []*expr.Value {
		e, x := newNetwork(""), expr.Input("x", image)
		end := descend(e, x, 1)
		return append([]*expr.Value{end, end, nil, x}, expr.Grad(expr.BatchMean(e.energy(end)), e.params()...)...)
	}
	roots := build()
	order := expr.Order(roots...)
	place := map[*expr.Value]int{}
	for i, v := range order {
		if _, twice := place[v]; twice {
			t.Errorf("%v comes twice", v)
		}
		place[v] = i
		for _, u := range v.In() {
			if j, ok := place[u]; !ok || j >= i {
				t.Errorf("%v comes before its input %v", v, u)
			}
		}
	}
	for _, v := range roots {
		if _, ok := place[v]; v != nil && !ok {
			t.Errorf("%v is missing", v)
		}
	}
	again := expr.Order(build()...)
	same := slices.EqualFunc(order, again, func(a, b *expr.Value) bool {
		return a.Op() == b.Op() && a.Shape() == b.Shape() && a.Kind() == b.Kind() && a.Attr() == b.Attr()
	})
	if !same {
		t.Error("the same expression built twice has another order")
	}
	if got := expr.Order(); len(got) != 0 {
		t.Errorf("nothing has the order %v", got)
	}
}

// TestDeepExpressions: a long chain is differentiated, simplified and ordered without deep recursion.
func TestDeepExpressions(t *testing.T) {
	const depth = 20_000
	x := expr.Param("x", expr.Scalar)
	y := x
	for range depth {
		y = expr.Add(expr.Clamp(y, -1, 1), x)
	}
	g := expr.Simplify(expr.Grad(y, x)...)
	if n := len(expr.Order(y)); n != 2*depth+1 {
		t.Errorf("%d values, want %d", n, 2*depth+1)
	}
	allNear(t, "Σ 1", eval(t, numbers{"x": {1e-6}}, g...)[0], []float64{depth + 1}, 0)
}
