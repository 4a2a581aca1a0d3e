package energy_test

import (
	"math"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// The energies of places have the energy of their scale for their mean, in every network, and no parameters of their own.
func TestLocalEnergiesAverageToTheEnergy(t *testing.T) {
	for _, o := range []struct {
		name string
		energy.Options
	}{
		{"quick", energy.Options{Filters: 4, Image: expr.Shape{20, 13, 3}}},
		{"mnist", energy.Options{Filters: 4, Image: expr.Shape{12, 12, 1}, Classes: 3}},
		{"cifar10", energy.Options{Filters: 4, Image: expr.Shape{32, 32, 3}, MultiScale: true}},
	} {
		e, err := energy.New(o.name, o.Options)
		if err != nil {
			t.Fatal(err)
		}
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
		if o.Classes == 0 {
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
