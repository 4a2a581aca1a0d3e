//go:build xla

package xla

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// TestSequence: a chain, sums over what it comes to, and an update that is made if a number of theirs allows it, as one program, are what
// they are one after the other.
func TestSequence(t *testing.T) {
	const batch, steps, size = 5, 3, 4
	pixels := expr.Shape{1, 1, size}
	x, y, before, data := expr.Input("x", pixels), expr.Input("y", pixels), expr.Input("before", pixels), expr.Input("data", pixels)
	a, b, g, limit := expr.Param("a", pixels), expr.Param("b", pixels), expr.Param("g", pixels), expr.Param("limit", expr.Scalar)
	moved := expr.Add(expr.Affine(expr.Mul(x, a), 0.5, 0.1), expr.Affine(expr.Gaussian("noise", pixels), 0.1, 0))
	programs := [][]*expr.Value{
		{moved, x},
		{expr.BatchMean(expr.Mul(expr.Sub(y, data), before)), expr.Total(expr.Mul(y, b))},
		{expr.Within(expr.Total(expr.Mul(g, g)), 0, 1e9)},
		{expr.Sub(a, expr.Mul(g, limit)), expr.Add(b, g)},
	}
	θ := func(offset int) engine.Place { return engine.Place{Array: "θ", Offset: offset} }
	// run makes two such iterations, the second of which must not be made, and gives what came out and what is in the store.
	run := func(e engine.Sequencer) (outputs [][]float32) {
		s, err := e.NewStore(map[string]int{"θ": 2 * size, "g": size})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write("θ", []float32{0.9, 0.8, 0.7, 0.6, 1, 2, 3, 4}); err != nil {
			t.Fatal(err)
		}
		var stages []engine.Stage
		for _, outputs := range programs {
			p, err := e.Compile(outputs...)
			if err != nil {
				t.Fatal(err)
			}
			stages = append(stages, engine.Stage{Program: p})
		}
		stages[1].From = map[string]engine.Result{"y": {Stage: 0, Output: 0}, "before": {Stage: 0, Output: 1}}
		stages[3].From = map[string]engine.Result{"limit": {Stage: 2}}
		stages[3].If = &engine.Result{Stage: 2}
		q, err := e.Sequence(stages...)
		if err != nil {
			t.Fatal(err)
		}
		both := map[string]engine.Place{"a": θ(0), "b": θ(size), "g": {Array: "g"}}
		for i := range stages {
			if err := q.BindStore(i, s, both, nil); err != nil {
				t.Fatal(err)
			}
		}
		keep := func(values []float32) []float32 { outputs = append(outputs, values); return values }
		for iteration, scale := range []float32{1, 1e30} {
			inputs := map[string][]float32{"x": make([]float32, batch*size), "data": make([]float32, batch*size)}
			for i := range inputs["x"] {
				inputs["x"][i], inputs["data"][i] = float32(i%7)/7, scale*float32(i%5)/5
			}
			end := keep(make([]float32, batch*size))
			calls := []engine.Call{
				{Batch: batch, Inputs: inputs, Outputs: [][]float32{end, nil},
					Chain: engine.Chain{Steps: steps, Feedback: map[string]int{"x": 0}, Seed: 3, FirstImage: uint64(iteration) * batch}},
				{Batch: batch, Inputs: inputs, Outputs: [][]float32{nil, keep(make([]float32, batch))}, Updates: map[int]engine.Place{0: {Array: "g"}}},
				{Batch: batch, Outputs: [][]float32{keep(make([]float32, 1))}},
				{Batch: batch, Outputs: make([][]float32, 2), Updates: map[int]engine.Place{0: θ(0), 1: θ(size)}},
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if err := q.Run(ended, calls...); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled before it begins: %v", err)
			}
			if err := q.Run(t.Context(), calls...); err != nil {
				t.Fatal(err)
			}
			values := make([]float32, 2*size)
			if err := s.Read("θ", values); err != nil {
				t.Fatal(err)
			}
			keep(values)
		}
		return outputs
	}
	want := run(&enginetest.Kept{Engine: &cpu.Engine{Threads: 1}})
	if first, second := want[3], want[7]; want[2][0] != 1 || want[6][0] != 0 || first[0] == 0.9 || first[0] != second[0] {
		t.Fatalf("no update, and then one: %v", want)
	}
	for _, devices := range []int{1, 3} {
		for i, got := range run(plugin(t, devices)) {
			wide := make([]float64, len(got))
			for j := range wide {
				wide[j] = float64(want[i][j])
			}
			if d := enginetest.Distance(got, wide); !(d <= 1e-5) {
				t.Errorf("%d devices: result %d is %v, want %v", devices, i, got, want[i])
			}
		}
	}

	e := plugin(t, 1)
	chain, err := e.Compile(programs[0]...)
	if err != nil {
		t.Fatal(err)
	}
	update, err := e.Compile(programs[3]...)
	if err != nil {
		t.Fatal(err)
	}
	other, err := (&cpu.Engine{}).Compile(programs[3]...)
	if err != nil {
		t.Fatal(err)
	}
	first := engine.Stage{Program: chain}
	for word, stages := range map[string][]engine.Stage{
		"without stages": {},
		"stage 0":        {{Program: other}},
		`"nobody"`:       {first, {Program: update, From: map[string]engine.Result{"nobody": {}}}},
		`"limit"`:        {first, {Program: update, From: map[string]engine.Result{"limit": {}}}},
		"result 2":       {first, {Program: update, From: map[string]engine.Result{"g": {Output: 2}}}},
		"of stage 1":     {first, {Program: update, From: map[string]engine.Result{"g": {Stage: 1}}}},
		"shared number":  {first, {Program: update, If: &engine.Result{}}},
	} {
		if _, err := e.Sequence(stages...); err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want a line with %q", err, word)
		}
	}
}
