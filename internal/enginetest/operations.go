package enginetest

import (
	"fmt"
	"math"

	"github.com/joule-ebm/joule/expr"
)

// Operation is one operation on operands of some shape and kind.
type Operation struct {
	Name  string
	Value *expr.Value
}

// Operations lists every operation on shapes that do not suit vectors, tiles or chunks of any length.
func Operations() (list []Operation) {
	add := func(v *expr.Value, format string, args ...any) {
		list = append(list, Operation{fmt.Sprintf(format, args...), v})
	}
	kinds := []struct {
		name string
		leaf func(name string, s shape) *expr.Value
	}{{"sample", expr.Input}, {"shared", expr.Param}}

	images := []shape{{1, 1, 1}, {1, 1, 5}, {3, 1, 1}, {7, 5, 3}, {1, 9, 8}, {4, 3, 16}, {5, 3, 17}, {2, 2, 33}, {3, 2, 130}, {19, 23, 5}}
	for _, s := range images {
		for _, k := range kinds {
			x, positive := k.leaf("x", s), k.leaf("positive", s)
			on := fmt.Sprint(k.name, " ", s)
			add(x, "itself %s", on)
			add(expr.Affine(x, -2, 0.25), "Affine %s", on)
			for _, p := range []float64{-1, -0.5, 0.5, 2, 1.7} {
				add(expr.Pow(positive, p), "Pow %g %s", p, on)
			}
			for _, p := range []float64{0, 2, 3} {
				add(expr.Pow(x, p), "Pow of any sign %g %s", p, on)
			}
			add(expr.Exp(x), "Exp %s", on)
			add(expr.Log(positive), "Log %s", on)
			for order := range 5 {
				add(expr.Swish(expr.Affine(x, 4, 0), order), "Swish %d %s", order, on)
			}
			add(expr.Clamp(x, -0.5, 0.25), "Clamp %s", on)
			add(expr.Within(x, -0.5, 0.25), "Within %s", on)
			add(expr.Negative(x), "Negative %s", on)
			add(expr.Stop(x), "Stop %s", on)
			add(expr.Spread(x), "Spread %s", on)
			add(expr.Softmax(expr.Affine(x, 5, 0)), "Softmax %s", on)
			add(expr.Pool(x), "Pool %s", on)
			for _, to := range []shape{{2*s[0] - 1, 2*s[1] - 1, s[2]}, {2 * s[0], 2 * s[1], s[2]}, {2*s[0] - 1, 2 * s[1], s[2]}} {
				add(expr.Unpool(x, to), "Unpool to %v %s", to, on)
			}
			for _, to := range axes(s) {
				add(expr.Sum(positive, to), "Sum to %v %s", to, on)
				add(expr.Broadcast(k.leaf("small", to), s), "Broadcast from %v %s", to, on)
				add(expr.Add(x, expr.Input("other", to)), "Add sample %v to %s", to, on)
				add(expr.Mul(expr.Param("other", to), x), "Mul shared %v by %s", to, on)
			}
			for groups := 1; groups <= s[2]; groups++ {
				if s[2]%groups != 0 {
					continue
				}
				add(expr.GroupSum(k.leaf("row", s.Channels()), groups), "GroupSum %d %s", groups, on)
				if s.Size() > groups { // of one element nothing is left
					add(expr.Normalise(expr.Affine(x, 1, 3), groups, 1e-5), "Normalise %d %s", groups, on)
					add(expr.InvStd(x, groups, 1e-5), "InvStd %d %s", groups, on)
				}
			}
			if c := s[2]; c > 1 {
				add(expr.Slice(x, 1, c), "Slice %s", on)
				add(expr.Slice(x, 0, (c+1)/2), "Slice of the first half %s", on)
			}
			add(expr.Embed(x, 3, s[2]+5), "Embed %s", on)
			add(expr.Embed(x, 0, s[2]), "Embed in itself %s", on)
			add(expr.Nearest(x, expr.Param("references", shape{5, s[0] * s[1], s[2]}), 2), "Nearest %s", on)
		}
		x := expr.Input("x", s)
		add(expr.BatchSum(x), "BatchSum %v", s)
		add(expr.BatchMean(x), "BatchMean %v", s)
		add(expr.Flip(expr.Param("w", s)), "Flip %v", s)
	}

	for _, s := range []shape{{1, 1, 0}, {1, 6, 0}, {5, 1, 0}, {2, 3, 0}, {7, 5, 0}, {14, 13, 0}} {
		for _, c := range [][2]int{{1, 1}, {1, 16}, {3, 5}, {8, 1}, {16, 32}, {17, 33}, {2, 47}, {40, 8}, {5, 130}} {
			for _, taps := range []int{1, 9} {
				x, y := shape{s[0], s[1], c[0]}, shape{s[0], s[1], c[1]}
				w := expr.Param("w", shape{taps, c[0], c[1]})
				on := fmt.Sprintf("%d taps %v to %d channels", taps, x, c[1])
				convolved := expr.Conv(expr.Input("x", x), w)
				add(convolved, "Conv %s", on)
				add(expr.Add(convolved, expr.Param("bias", shape{1, 1, c[1]})), "Conv with bias %s", on)
				add(expr.Conv(expr.Param("x", x), w), "Conv of shared %s", on)
				add(expr.Conv(expr.Input("y", y), expr.Flip(w)), "Conv with Flip %s", on)
				add(expr.Conv(expr.Input("x", x), expr.Affine(w, 2, 0)), "Conv with a computed kernel %s", on)
				add(expr.ConvKernel(expr.Input("x", x), expr.Input("y", y), taps), "ConvKernel %s", on)
				add(expr.ConvKernel(expr.Param("x", x), expr.Input("y", y), taps), "ConvKernel of shared %s", on)
			}
		}
	}

	for _, m := range [][3]int{{1, 1, 1}, {3, 5, 7}, {20, 4, 20}, {6, 17, 33}, {1, 40, 2}, {49, 8, 49}} {
		for t := range 4 {
			ta, tb := t&1 > 0, t&2 > 0
			a, b := shape{m[0], 1, m[1]}, shape{1, m[1], m[2]}
			if ta {
				a = shape{1, m[1], m[0]}
			}
			if tb {
				b = shape{m[2], 1, m[1]}
			}
			on := fmt.Sprintf("%v %v transposed %t %t", a, b, ta, tb)
			add(expr.MatMul(expr.Input("a", a), expr.Input("b", b), ta, tb), "MatMul %s", on)
			add(expr.MatMul(expr.Param("a", a), expr.Input("b", b), ta, tb), "MatMul shared by sample %s", on)
			add(expr.MatMul(expr.Input("a", a), expr.Param("b", b), ta, tb), "MatMul sample by shared %s", on)
		}
	}

	for _, s := range []shape{{1, 1, 1}, {1, 7, 3}, {9, 3, 8}, {9, 2, 17}} {
		// A matrix whose leading singular value stands out: how fast others are left behind is not what is tested.
		ones := expr.Broadcast(expr.Param("positive", shape{s[0], s[1], 1}), s)
		add(expr.Singular(expr.Add(ones, expr.Affine(expr.Param("w", s), 0.3, 0))), "Singular %v", s)
	}
	add(expr.Const(math.Pi), "Const")
	add(expr.BatchSize(), "BatchSize")
	add(expr.Spread(expr.Const(math.Pi)), "Spread Const")
	return list
}

// axes are the shapes that s can be summed to: some of its axes kept.
func axes(s shape) (list []shape) {
	seen := map[shape]bool{}
	for kept := range 8 {
		to := shape{1, 1, 1}
		for axis := range to {
			if kept&(1<<axis) > 0 {
				to[axis] = s[axis]
			}
		}
		if !seen[to] {
			seen[to], list = true, append(list, to)
		}
	}
	return list
}
