package enginetest

// This file uses the engine wrongly: every mistake is an error in one line that names what is wrong, and harms nothing.

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// complains fails unless err is one line that has the word in it.
func complains(t *testing.T, what string, err error, word string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: got the error %v, want a line with %q", what, err, word)
	}
}

func compileErrors(t *testing.T, e engine.Engine, _ float64) {
	x, w := expr.Input("x", shape{3, 3, 2}), expr.Param("w", shape{3, 3, 2})
	for _, c := range []struct {
		what, word string
		outputs    []*expr.Value
	}{
		{"no outputs", "output", nil},
		{"a nil output", "nil", []*expr.Value{x, nil}},
		{"a value nobody made", "no function", []*expr.Value{{}}},
		{"shapes that do not fit", "fit", []*expr.Value{expr.Add(x, expr.Input("y", shape{2, 3, 2}))}},
		{"one name for two shapes", `"x"`, []*expr.Value{expr.Total(x), expr.Total(expr.Input("x", shape{1, 3, 2}))}},
		{"one name for an input and a parameter", `"w"`, []*expr.Value{x, w, expr.Input("w", shape{3, 3, 2})}},
		{"one name for an input and a noise", `"x"`, []*expr.Value{x, expr.Gaussian("x", shape{3, 3, 2})}},
		{"an image's value that needs all images", "batch", []*expr.Value{expr.Sub(x, expr.BatchMean(x))}},
		{"a convolution by a kernel made of all images", "batch", []*expr.Value{expr.Conv(x, expr.ConvKernel(x, x, 9))}},
	} {
		_, err := e.Compile(c.outputs...)
		complains(t, c.what, err, c.word)
	}
}

func bindErrors(t *testing.T, e engine.Engine, tolerance float64) {
	x, a, b := expr.Input("x", shape{1, 1, 4}), expr.Param("a", shape{1, 1, 4}), expr.Param("b", shape{1, 1, 4})
	y := expr.Add(expr.Mul(x, a), b)
	good := Random(1, 2, y)
	p := Compile(t, e, good, y)
	want := Run(t, p, 2, good, engine.Chain{}, y)
	other := []float32{9, 9, 9, 9}
	for _, c := range []struct {
		what, word string
		params     map[string][]float32
	}{
		{"no parameters", "parameter", nil},
		{"one missing", `"b"`, map[string][]float32{"a": other}},
		{"one missing", `"a"`, map[string][]float32{"b": other}},
		{"one too short", `"b"`, map[string][]float32{"a": other, "b": other[:3]}},
		{"one too long", `"a"`, map[string][]float32{"a": make([]float32, 5), "b": other}},
	} {
		complains(t, c.what, p.Bind(c.params), c.word)
		within(t, tolerance, "after "+c.what, Run(t, p, 2, good, engine.Chain{}, y), want)
	}
}

func runErrors(t *testing.T, e engine.Engine, tolerance float64) {
	x, s, w := expr.Input("x", shape{2, 2, 3}), expr.Input("s", expr.Scalar), expr.Param("w", shape{1, 1, 3})
	outputs := []*expr.Value{expr.Mul(expr.Mul(x, s), w), expr.BatchSum(x), expr.Total(x)}
	const batch = 2
	n := Random(1, batch, outputs...)
	fresh, err := e.Compile(outputs...)
	if err != nil {
		t.Fatal(err)
	}
	call := func(change func(c *engine.Call)) engine.Call {
		c := engine.Call{Batch: batch, Inputs: map[string][]float32{"x": n["x"], "s": n["s"]}, Outputs: Buffers(batch, outputs...)}
		c.Chain.Steps = 3
		change(&c)
		return c
	}
	complains(t, "Run before Bind", fresh.Run(context.Background(), call(func(*engine.Call) {})), "Bind")

	p := Compile(t, e, n, outputs...)
	want := Run(t, p, batch, n, engine.Chain{}, outputs...)
	for _, c := range []struct {
		what, word string
		change     func(c *engine.Call)
	}{
		{"no images", "batch", func(c *engine.Call) { c.Batch = 0 }},
		{"fewer than none", "batch", func(c *engine.Call) { c.Batch = -1 }},
		{"more images than there can be", "batch", func(c *engine.Call) {
			c.Batch = math.MaxInt/2 + 1 // times 12 numbers is 0, as a 64-bit number
			c.Inputs, c.Outputs = map[string][]float32{"x": nil}, make([][]float32, 3)
			c.Chain.PerStep = map[string][]float32{"s": {1, 2, 3}}
		}},
		{"another batch", `"`, func(c *engine.Call) { c.Batch = batch + 1 }},
		{"a missing input", `"x"`, func(c *engine.Call) { delete(c.Inputs, "x") }},
		{"no inputs", `"`, func(c *engine.Call) { c.Inputs = nil }},
		{"a short input", `"x"`, func(c *engine.Call) { c.Inputs["x"] = n["x"][1:] }},
		{"no outputs", "output", func(c *engine.Call) { c.Outputs = nil }},
		{"an output too many", "output", func(c *engine.Call) { c.Outputs = append(c.Outputs, nil) }},
		{"a short output", "output 0", func(c *engine.Call) { c.Outputs[0] = c.Outputs[0][1:] }},
		{"a long output", "output 1", func(c *engine.Call) { c.Outputs[1] = make([]float32, 13) }},
		{"feedback to no input", `"nobody"`, func(c *engine.Call) { c.Chain.Feedback = map[string]int{"nobody": 0} }},
		{"feedback to a parameter", `"w"`, func(c *engine.Call) { c.Chain.Feedback = map[string]int{"w": 0} }},
		{"feedback from no output", `"x"`, func(c *engine.Call) { c.Chain.Feedback = map[string]int{"x": 3} }},
		{"feedback from before the first", `"x"`, func(c *engine.Call) { c.Chain.Feedback = map[string]int{"x": -1} }},
		{"feedback of another shape", `"x"`, func(c *engine.Call) { c.Chain.Feedback = map[string]int{"x": 2} }},
		{"feedback of a sum over the batch", `"x"`, func(c *engine.Call) { c.Chain.Feedback = map[string]int{"x": 1} }},
		{"too few values per step", `"s"`, func(c *engine.Call) { c.Chain.PerStep = map[string][]float32{"s": {1, 2}} }},
		{"an image per step", `"x"`, func(c *engine.Call) { c.Chain.PerStep = map[string][]float32{"x": {1, 2, 3}} }},
	} {
		complains(t, c.what, p.Run(context.Background(), call(c.change)), c.word)
		within(t, tolerance, "after "+c.what, Run(t, p, batch, n, engine.Chain{}, outputs...), want)
	}
}
