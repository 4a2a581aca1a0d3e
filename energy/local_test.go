package energy_test

import (
	"errors"
	"math"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// The energies of places have the energy of their scale for their mean, in every network and in sums of them, and no parameters of their own.
func TestLocalEnergiesAverageToTheEnergy(t *testing.T) {
	network := func(name string, o energy.Options) *energy.Energy { return must(energy.New(name, o)) }
	quick := func(scope string) *energy.Energy {
		return energy.Scoped(scope, network("quick", energy.Options{Filters: 4, Image: expr.Shape{20, 20, 1}}))
	}
	classes := network("mnist", energy.Options{Filters: 4, Image: expr.Shape{20, 20, 1}, Classes: 3})
	for _, o := range []struct {
		name string
		e    *energy.Energy
	}{
		{"quick", network("quick", energy.Options{Filters: 4, Image: expr.Shape{20, 13, 3}})},
		{"mnist", classes},
		{"cifar10", network("cifar10", energy.Options{Filters: 4, Image: expr.Shape{32, 32, 3}, MultiScale: true})},
		{"a weight", energy.Weighted(0.5, quick("a"))},
		{"a & !b", must(energy.And(quick("a"), energy.Weighted(-0.001, quick("b"))))},
		{"2*(a & 3*c) & -b", must(energy.And(energy.Weighted(2, must(energy.And(quick("a"), energy.Weighted(3, energy.Scoped("c", classes))))),
			energy.Weighted(-1, quick("b"))))},
		{"c:1", must(energy.Given([]float64{0, 1, 0}, classes))},
		{"a or nothing", must(energy.Or(energy.Mixture{}, quick("a")))},
	} {
		e := o.e
		p, err := e.Params()
		if err != nil {
			t.Fatal(err)
		}
		known := len(p.Specs())
		x, label := expr.Input("x", e.Image), e.Label()
		scales, local := e.Build(p, x, label), e.Local(p, x, label)
		if len(local) != len(scales) || len(p.Specs()) != known {
			t.Fatalf("%s: %d scales, %d maps, %d parameters of %d", o.name, len(scales), len(local), len(p.Specs()), known)
		}
		program, err := (&cpu.Engine{Threads: 1}).Compile(append(scales, local...)...)
		if err != nil {
			t.Fatal(err)
		}
		s := rng.New(3)
		params := map[string][]float32{}
		for _, spec := range p.Specs() {
			values := make([]float32, spec.Shape.Size())
			for i := range values {
				values[i] = s.Normal() / 4
			}
			params[spec.Name] = values
		}
		if err := program.Bind(params); err != nil {
			t.Fatal(err)
		}
		const n = 2
		inputs := map[string][]float32{"x": make([]float32, n*e.Image.Size()), "label": {1, 0, 0, 0, 0, 1}}
		if e.Classes == 0 {
			delete(inputs, "label")
		}
		for i := range inputs["x"] {
			inputs["x"][i] = s.Float32()
		}
		var outputs [][]float32
		for range scales {
			outputs = append(outputs, make([]float32, n))
		}
		for _, l := range local {
			outputs = append(outputs, make([]float32, n*l.Shape().Size()))
		}
		if err := program.Run(t.Context(), engine.Call{Batch: n, Inputs: inputs, Outputs: outputs}); err != nil {
			t.Fatal(err)
		}
		for k := range scales {
			places := local[k].Shape().Size()
			if places < 2 {
				t.Errorf("%s: scale %d has %d places", o.name, k, places)
			}
			for i := range n {
				var mean float64
				for _, v := range outputs[len(scales)+k][i*places:][:places] {
					mean += float64(v) / float64(places)
				}
				if want := float64(outputs[k][i]); math.Abs(mean-want) > 1e-4*math.Max(1, math.Abs(want)) {
					t.Errorf("%s: scale %d of image %d has places of mean %v, energy %v", o.name, k, i, mean, want)
				}
			}
		}
	}
}

// A mixture is no mean over places, nor is a sum with it or with another term that has none: a map of what is left would be of another energy.
func TestEnergiesWithoutPlaces(t *testing.T) {
	quick := func(scope string) *energy.Energy {
		return energy.Scoped(scope, must(energy.New("quick", energy.Options{Filters: 4, Image: expr.Shape{12, 12, 1}})))
	}
	mixture := must(energy.Or(energy.Mixture{}, quick("b"), quick("c")))
	for name, e := range map[string]*energy.Energy{
		"b | c": mixture, "b | c by scale": must(energy.Or(energy.Mixture{ByScale: true}, quick("b"), quick("c"))), "2*(b | c)": energy.Weighted(2, mixture),
		"a & (b | c)": must(energy.And(quick("a"), mixture)), "one of b and c": must(energy.Choice(quick("b"), quick("c"))),
		"a & an observation": must(energy.And(quick("a"), must(energy.Observation(expr.Shape{12, 12, 1}, 0, 1)))),
	} {
		p, err := e.Params()
		if err != nil {
			t.Fatal(err)
		}
		for _, local := range e.Local(p, expr.Input("x", e.Image), nil) {
			err = errors.Join(err, expr.Err(local))
		}
		if !errors.Is(err, energy.ErrNoPlaces) {
			t.Errorf("%s: %v, want energies of no places", name, err)
		}
	}
}
