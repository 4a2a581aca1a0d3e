package energy_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// energyOf is E(x) of images by the fast engine.
func energyOf(t *testing.T, e *energy.Energy, params map[string][]float32, x []float32) []float32 {
	t.Helper()
	of, err := e.Function()
	if err != nil {
		t.Fatal(err)
	}
	program, err := (&cpu.Engine{Threads: 1}).Compile(of(expr.Input("x", e.Image)))
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Bind(params); err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(x)/e.Image.Size())
	err = program.Run(context.Background(), engine.Call{Batch: len(out), Inputs: map[string][]float32{"x": x}, Outputs: [][]float32{out}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Two quick networks in two scopes have twice the parameters of one, and their energies add up; in one scope they are one network twice.
func TestScope(t *testing.T) {
	quick, err := energy.New("quick", energy.Options{Filters: 4})
	if err != nil {
		t.Fatal(err)
	}
	one, err := quick.Params()
	if err != nil {
		t.Fatal(err)
	}
	sum := func(a, b string) *energy.Energy {
		return &energy.Energy{Image: quick.Image, Build: func(p *energy.Params, x, label *expr.Value) []*expr.Value {
			return append(quick.Build(p.Scope(a), x, label), quick.Build(p.Scope(b), x, label)...)
		}}
	}
	for _, c := range []struct {
		name string
		sum  *energy.Energy
		want int
	}{{"two scopes", sum("a", "b"), 2 * len(one.Specs())}, {"one scope", sum("a", "a"), len(one.Specs())}} {
		both, err := c.sum.Params()
		if err != nil {
			t.Fatal(err)
		}
		if got := len(both.Specs()); got != c.want {
			t.Errorf("%s: %d parameters, one network has %d", c.name, got, len(one.Specs()))
		}
	}

	both, err := sum("a", "b").Params()
	if err != nil {
		t.Fatal(err)
	}
	params := energy.InitialValues(both.Specs(), 1)
	x, s := make([]float32, 3*quick.Image.Size()), rng.New(2)
	s.FillUniform(x)
	part := func(scope string) []float32 {
		own := map[string][]float32{}
		for name, values := range params {
			if rest, ok := strings.CutPrefix(name, scope+"."); ok {
				own[rest] = values
			}
		}
		return energyOf(t, quick, own, x)
	}
	a, b, together := part("a"), part("b"), energyOf(t, sum("a", "b"), params, x)
	for i := range together {
		if a[i] == b[i] || math.Abs(float64(a[i]+b[i]-together[i])) > 1e-6 {
			t.Errorf("image %d: energies %v and %v, together %v", i, a[i], b[i], together[i])
		}
	}
}

// A scope within a scope has both names, and holds fixed what is held fixed around it.
func TestScopesNest(t *testing.T) {
	p := energy.NewParams()
	w := p.Scope("a").Scope("b").Get("w", expr.Scalar, energy.Init{})
	if specs := p.Specs(); len(specs) != 1 || specs[0].Name != "a.b.w" {
		t.Fatalf("parameters %v", specs)
	}
	if held := p.Frozen().Scope("a").Scope("b").Get("w", expr.Scalar, energy.Init{}); held == w || held != p.Scope("a.b").Frozen().Get("w", expr.Scalar, energy.Init{}) {
		t.Error("a frozen scope does not hold its parameters fixed")
	}
}
