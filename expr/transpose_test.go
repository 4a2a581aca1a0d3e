package expr_test

import (
	"fmt"
	"testing"

	"github.com/joule-ebm/joule/expr"
)

// TestTransposes holds that the linear operations that are said to be each other's transposes are: ⟨Ax, y⟩ = ⟨x, Aᵀy⟩.
func TestTransposes(t *testing.T) {
	type linear func(v *expr.Value) *expr.Value
	check := func(name string, x *expr.Value, a, transpose linear) {
		t.Run(fmt.Sprintf("%s/%v", name, x), func(t *testing.T) {
			y := like(a(x), "y")
			left, right := dot(a(x), y), dot(x, transpose(y))
			n := random(1, -1, 1, left, right)
			results := eval(t, n, left, right)
			near(t, "⟨Ax, y⟩", results[0][0], results[1][0], 1e-12)
			if results[0][0] == 0 {
				t.Error("both are 0")
			}
		})
	}
	for h := 1; h <= 5; h++ {
		for w := 1; w <= 5; w++ {
			s := shape{h, w, 2}
			x := expr.Input("x", s)
			check("Pool", x, expr.Pool, func(y *expr.Value) *expr.Value { return expr.Unpool(y, s) })
			for _, taps := range []int{1, 9} {
				k := expr.Param("k", shape{taps, 2, 3})
				check(fmt.Sprintf("Conv of %d taps", taps), x,
					func(x *expr.Value) *expr.Value { return expr.Conv(x, k) },
					func(y *expr.Value) *expr.Value { return expr.Conv(y, expr.Flip(k)) })
				check(fmt.Sprintf("Conv of %d taps, in the kernel", taps), expr.Param("k2", k.Shape()),
					func(k *expr.Value) *expr.Value { return expr.Conv(x, k) },
					func(y *expr.Value) *expr.Value { return expr.ConvKernel(x, y, taps) })
			}
		}
	}
	for _, taps := range []int{1, 9} {
		check("Flip", expr.Param("w", shape{taps, 2, 5}), expr.Flip, expr.Flip)
	}
	odd := shape{2, 3, 5}
	for _, k := range kinds {
		x := leaf(k, "x", odd)
		for _, to := range collapsed(odd) {
			check(fmt.Sprintf("Sum to %v", to), x,
				func(x *expr.Value) *expr.Value { return expr.Sum(x, to) },
				func(y *expr.Value) *expr.Value { return expr.Broadcast(y, odd) })
		}
		for lo := range 5 {
			for hi := lo + 1; hi <= 5; hi++ {
				check(fmt.Sprintf("Slice %d:%d", lo, hi), x,
					func(x *expr.Value) *expr.Value { return expr.Slice(x, lo, hi) },
					func(y *expr.Value) *expr.Value { return expr.Embed(y, lo, 5) })
			}
		}
		for _, groups := range []int{1, 2, 3, 6} {
			sum := func(x *expr.Value) *expr.Value { return expr.GroupSum(x, groups) }
			check(fmt.Sprintf("GroupSum in %d", groups), leaf(k, "x", shape{1, 1, 6}), sum, sum)
		}
	}
	check("BatchSum", expr.Input("x", odd), expr.BatchSum, expr.Spread)
}
