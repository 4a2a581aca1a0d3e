//go:build xla

package xla

import (
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// TestStore: parameters are cut out of an array, outputs replace whole arrays, and what has been replaced is what the next call sees.
func TestStore(t *testing.T) {
	for _, devices := range []int{1, 3} {
		e := plugin(t, devices)
		s, err := e.NewStore(map[string]int{"θ": 10, "sum": 4, "untouched": 2})
		if err != nil {
			t.Fatal(err)
		}
		x := expr.Input("x", expr.Shape{1, 1, 4})
		a, b := expr.Param("a", expr.Shape{1, 2, 3}), expr.Param("b", expr.Shape{1, 1, 4})
		outputs := []*expr.Value{expr.Total(a), expr.Affine(a, 2, 0), expr.Add(b, expr.BatchSum(x)), expr.BatchSum(expr.Mul(x, b))}
		p, err := e.Compile(outputs...)
		if err != nil {
			t.Fatal(err)
		}
		θ := engine.Place{Array: "θ"}
		places := map[string]engine.Place{"a": θ, "b": {Array: "θ", Offset: 6}}
		bind := func(places map[string]engine.Place) error { return p.(engine.StoreProgram).BindStore(s, places, nil) }
		if err := bind(places); err != nil {
			t.Fatal(err)
		}
		if err := s.Write("θ", []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}); err != nil {
			t.Fatal(err)
		}
		const batch = 5
		inputs := map[string][]float32{"x": make([]float32, batch*4)}
		for i := range inputs["x"] {
			inputs["x"][i] = float32(i % 4)
		}
		total := make([]float32, 1)
		updates := map[int]engine.Place{1: θ, 2: {Array: "θ", Offset: 6}, 3: {Array: "sum"}}
		call := engine.Call{Batch: batch, Inputs: inputs, Outputs: [][]float32{total, nil, nil, nil}, Updates: updates}
		for range 2 {
			if err := p.Run(t.Context(), call); err != nil {
				t.Fatal(err)
			}
		}
		read := func(array string, n int) []float32 {
			t.Helper()
			x := make([]float32, n)
			if err := s.Read(array, x); err != nil {
				t.Fatal(err)
			}
			return x
		}
		enginetest.Same(t, "after two updates", [][]float32{total, read("θ", 10), read("sum", 4), read("untouched", 2)},
			[][]float32{{42}, {4, 8, 12, 16, 20, 24, 7, 18, 29, 40}, {0, 65, 190, 375}, {0, 0}})

		refused := func(what, word string, err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: got %v, want a line with %q", what, err, word)
			}
			enginetest.Same(t, "after "+what, [][]float32{read("θ", 10)}, [][]float32{{4, 8, 12, 16, 20, 24, 7, 18, 29, 40}})
		}
		with := func(updates map[int]engine.Place) error {
			c := call
			c.Updates = updates
			return p.Run(t.Context(), c)
		}
		refused("half an array", `"θ"`, with(map[int]engine.Place{1: θ}))
		refused("an array written twice", `"θ"`, with(map[int]engine.Place{1: θ, 2: θ}))
		refused("no array", `"nobody"`, with(map[int]engine.Place{0: {Array: "nobody"}}))
		refused("no output", "output 9", with(map[int]engine.Place{9: θ}))
		refused("a parameter beyond the end", `"b"`, bind(map[string]engine.Place{"a": θ, "b": {Array: "θ", Offset: 7}}))
		refused("a parameter nowhere", `"b"`, bind(map[string]engine.Place{"a": θ}))
		refused("another size", `"θ"`, s.Write("θ", make([]float32, 9)))
		refused("an unknown array", `"nobody"`, s.Read("nobody", nil))
		other, err := plugin(t, devices).NewStore(map[string]int{"θ": 10})
		if err != nil {
			t.Fatal(err)
		}
		refused("a store of another device", "device", p.(engine.StoreProgram).BindStore(other, places, nil))
		call.Chain = engine.Chain{Steps: 2}
		refused("a chain", "single step", p.Run(t.Context(), call))
		call.Chain = engine.Chain{}
		if err := p.Bind(enginetest.Numbers{"a": slices.Repeat([]float32{1}, 6), "b": make([]float32, 4)}); err != nil {
			t.Fatal(err)
		}
		refused("a program that is bound to none", "bound", p.Run(t.Context(), call))
	}
}
