package enginetest

// This file makes expressions at random, as networks are made and as nobody would, with their derivatives of first and second order.

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// grower grows an expression. Its values stay of order 1, so that rounding stays what it is.
type grower struct {
	rng.Stream
	pool   []*expr.Value // sample and shared values to go on from
	params []*expr.Value
	x      *expr.Value
}

func (g *grower) oneOf(n ...int) int { return n[g.IntN(len(n))] }

// param is a new parameter.
func (g *grower) param(s shape) *expr.Value {
	p := expr.Param(fmt.Sprint("p", len(g.params)), s)
	g.params = append(g.params, p)
	return p
}

// pick takes a value that was made before, often the last one.
func (g *grower) pick() *expr.Value {
	if g.IntN(2) == 0 {
		return g.pool[len(g.pool)-1]
	}
	return g.pool[g.IntN(len(g.pool))]
}

// grow makes a new value of old ones.
func (g *grower) grow() {
	x := g.pick()
	s := x.Shape()
	rows := s[0] * s[1]
	var y *expr.Value
	switch g.IntN(19) {
	case 0, 1, 2, 3: // a layer
		out, taps := g.oneOf(1, 3, 8, 16, 17, 24), g.oneOf(1, 9)
		w := expr.Affine(g.param(shape{taps, s[2], out}), 1/math.Sqrt(float64(taps*s[2])), 0)
		y = expr.Conv(x, w)
		if g.IntN(2) == 0 {
			y = expr.Add(y, g.param(shape{1, 1, out}))
		}
		if g.IntN(2) == 0 {
			y = expr.Swish(y, 0)
		}
	case 4, 5: // a norm, of what cannot be constant
		groups := g.oneOf(1, s[2])
		if s.Size()/groups < 4 {
			return
		}
		y = expr.Normalise(x, groups, 0.1)
		y = expr.Add(expr.Mul(g.param(s.Channels()), y), g.param(s.Channels()))
	case 6:
		y = expr.Mul(x, expr.InvStd(x, 1, 0.5))
	case 7:
		y = expr.Swish(x, g.IntN(3))
	case 8:
		y = expr.Pool(x)
	case 9:
		if rows > 40 {
			return
		}
		y = expr.Unpool(x, shape{2*s[0] - g.IntN(2), 2*s[1] - g.IntN(2), s[2]})
	case 10: // attention
		k := expr.Softmax(expr.MatMul(x, x, false, true))
		y = expr.MatMul(k, x, false, false)
	case 11:
		y = expr.Affine(expr.MatMul(x, x, true, false), 1/float64(rows), 0)
	case 12: // of values of one shape, or a row or column of it
		other := g.pool[g.IntN(len(g.pool))]
		if expr.Err(expr.Add(x, other)) != nil {
			other = g.param(axes(s)[g.IntN(len(axes(s)))])
		}
		if g.IntN(2) == 0 {
			y = expr.Add(x, other)
		} else {
			y = expr.Mul(x, other)
		}
	case 13:
		y = expr.Clamp(x, -0.7, 0.8)
	case 14:
		squared := expr.Affine(expr.Mul(x, x), 1, 1)
		y = []*expr.Value{expr.Pow(squared, -1), expr.Pow(squared, 0.5), expr.Log(squared), expr.Exp(expr.Pow(squared, -0.5))}[g.IntN(4)]
	case 15:
		to := axes(s)[g.IntN(len(axes(s)))]
		y = expr.Affine(expr.Sum(x, to), float64(to.Size())/float64(s.Size()), 0.1)
		if g.IntN(2) == 0 {
			y = expr.Broadcast(y, s)
		}
	case 16:
		if s[2] < 2 {
			return
		}
		lo := g.IntN(s[2] - 1)
		y = expr.Slice(x, lo, lo+1+g.IntN(s[2]-lo))
	case 17:
		y = expr.Embed(x, g.IntN(3), s[2]+2)
	case 18: // a parameter on its way: standardised, say
		p := g.param(s)
		y = expr.Mul(p, expr.Pow(expr.Affine(expr.Mul(p, p), 1, 0.5), -0.5))
	}
	if y.Shape().Size() > 2000 {
		return
	}
	g.pool = append(g.pool, y)
}

// grown are the outputs of one random program: values, a loss, its gradients, and those of a number made of a gradient.
func grown(seed uint64) []*expr.Value {
	g := &grower{Stream: rng.New(seed)}
	g.x = expr.Input("x", shape{1 + g.IntN(7), 1 + g.IntN(7), g.oneOf(1, 2, 3, 5, 8, 16, 19)})
	g.pool = []*expr.Value{g.x}
	for len(g.pool) < 5+g.IntN(8) {
		g.grow()
	}
	energy := expr.Const(0)
	for _, v := range g.pool[len(g.pool)-3:] {
		energy = expr.Add(energy, expr.Affine(expr.Total(expr.Mul(v, v)), 1/float64(v.Shape().Size()), 0))
	}
	energy = expr.Spread(energy)
	score := expr.Grad(energy, g.x)[0]
	loss := expr.BatchMean(energy)
	// The gradient with respect to the image is of no order: a step along it may be long or short, but must count.
	end := expr.Clamp(expr.Sub(g.x, expr.Affine(score, 0.5, 0)), -1, 1)
	through := expr.BatchMean(expr.Total(expr.Mul(end, expr.Input("target", g.x.Shape()))))

	outputs := []*expr.Value{energy, score, end, loss, through}
	for range 2 {
		outputs = append(outputs, g.pool[g.IntN(len(g.pool))])
	}
	outputs = append(outputs, expr.Grad(loss, g.params...)...)
	return append(outputs, expr.Grad(through, append(slices.Clone(g.params), g.x)...)...)
}

// nearStep says whether a value is so near a jump of Within, where rounding decides, that the numbers say nothing about the program.
func nearStep(t testing.TB, batch int, n map[string][]float64, outputs []*expr.Value) bool {
	var steps []*expr.Value
	for _, v := range expr.Order(outputs...) {
		if v.Op() == expr.OpWithin {
			steps = append(steps, v)
		}
	}
	before := make([]*expr.Value, len(steps))
	for i, v := range steps {
		before[i] = v.In()[0]
	}
	for i, values := range Reference(t, batch, n, before...) {
		for _, x := range values {
			for _, edge := range steps[i].Attr().X {
				if math.Abs(x-edge) < 1e-4*math.Max(1, math.Abs(x)) {
					return true
				}
			}
		}
	}
	return false
}

// RandomProgram makes a program from a seed and holds engines to the reference: they may be off by no more than rounding explains. It is
// false if that says nothing: a value is too near a jump, or the context has ended.
func RandomProgram(ctx context.Context, t testing.TB, seed uint64, engines map[string]engine.Engine) bool {
	t.Helper()
	const batch = 5
	outputs := grown(seed)
	if err := expr.Err(outputs...); err != nil {
		t.Fatalf("program %d: %v", seed, err)
	}
	n := Random(seed, batch, outputs...)
	if nearStep(t, batch, n.Wide(), outputs) {
		return false
	}
	want := Reference(t, batch, n.Wide(), outputs...)
	rounding := Rounding(t, batch, n.Wide(), want, outputs...)
	for name, e := range engines {
		all := Buffers(batch, outputs...)
		if err := Compile(t, e, n, outputs...).Run(ctx, engine.Call{Batch: batch, Inputs: n, Outputs: all}); err != nil {
			if ctx.Err() != nil {
				return false
			}
			t.Fatalf("program %d, %s: %v", seed, name, err)
		}
		for i, got := range all {
			// Values and gradients are of order 1: what is far smaller is what other numbers have left of each other.
			if d := Distance(got, want[i]); d > 1e-6*math.Max(1, Largest(want[i]))+5*rounding[i] {
				t.Errorf("program %d, output %d, %v, %s: off by %.2g of %.2g, which rounding does not explain (%.2g)",
					seed, i, outputs[i], name, d, Largest(want[i]), rounding[i])
			}
		}
	}
	return true
}
