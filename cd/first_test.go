package cd_test

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// Terms of the first images of a batch have the values and gradients that they have of these alone, and the others those of all: added up
// in the whole loss, each for itself where groups are apart. Where terms are of as many images as there are, or more, they are of all.
func TestTermsOfTheFirstImages(t *testing.T) {
	const n, classes = 5, 3
	model, err := energy.New("quick", energy.Options{Filters: 4, Image: expr.Shape{12, 12, 1}, Classes: classes})
	if err != nil {
		t.Fatal(err)
	}
	params, err := model.Params()
	if err != nil {
		t.Fatal(err)
	}
	specs := params.Specs()
	values, s := energy.InitialValues(specs, 1), rng.New(2)
	random := func(size int) []float32 {
		x := make([]float32, size)
		for i := range x {
			x[i] = s.Float32()
		}
		return x
	}
	size := model.Image.Size()
	all := cd.Examples{Positive: random(n * size), Negative: random(n * size), GradientAt: random(n * size), Start: random(n * size),
		LabelPos: random(n * classes), LabelNeg: random(n * classes), References: random(4 * size), Seed: 3, FirstChain: 40}
	of := func(m int) cd.Examples {
		x := all
		x.Positive, x.Negative, x.GradientAt, x.Start = x.Positive[:m*size], x.Negative[:m*size], x.GradientAt[:m*size], x.Start[:m*size]
		x.LabelPos, x.LabelNeg = x.LabelPos[:m*classes], x.LabelNeg[:m*classes]
		return x
	}
	terms := func(first int, names ...string) (terms []cd.Term) {
		for _, term := range cd.PaperTerms(cd.Entropy{Neighbour: 1, References: 4}) {
			if term.First = first; slices.Contains(names, term.Name) {
				terms = append(terms, term)
			}
		}
		return terms
	}
	evaluate := func(o cd.ObjectiveOptions, x cd.Examples) (cd.Evaluation, map[string]map[string][]float32) {
		t.Helper()
		o.Sampler = mcmc.Langevin{StepSize: 10, Sigma: 0.01}
		objective, err := cd.NewObjective(&cpu.Engine{Threads: 2}, model, o)
		if err != nil {
			t.Fatal(err)
		}
		gradients := map[string]map[string][]float32{}
		var into []map[string][]float32
		for _, g := range objective.Groups() {
			gradients[g.Name] = energy.Named(specs, make([]float32, energy.Numbers(specs)))
			into = append(into, gradients[g.Name])
		}
		ev, err := objective.Evaluate(t.Context(), values, x, into...)
		if err != nil {
			t.Fatal(err)
		}
		return ev, gradients
	}
	// Where there are no other terms, the energies are still those of all.
	got, gradients := evaluate(cd.ObjectiveOptions{Terms: terms(3, "opt")}, all)
	some, want := evaluate(cd.ObjectiveOptions{Terms: terms(0, "opt")}, of(3))
	whole, _ := evaluate(cd.ObjectiveOptions{Terms: terms(0, "cd")}, all)
	if !slices.Equal(got.Terms, some.Terms) || !slices.Equal(got.EnergyPos, whole.EnergyPos) || !reflect.DeepEqual(gradients, want) {
		t.Error("L_opt alone, of three images, is not that of these images, or the energies are not those of all")
	}

	for _, unrolled := range []int{0, 2} {
		for _, apart := range []bool{false, true} {
			for _, first := range []int{1, 3, n, n + 4} {
				what := fmt.Sprintf("the first %d of %d, %d steps unrolled, groups apart: %v", first, n, unrolled, apart)
				options := cd.ObjectiveOptions{Unrolled: unrolled, PerGroup: apart}
				options.Terms = append(terms(0, "cd", "reg"), terms(first, "opt", "ent")...)
				got, gradients := evaluate(options, all)

				// What is of all chains, by an objective that has them unrolled as well.
				options.Terms = terms(0, "cd", "reg", "opt", "ent")
				options.Terms[2].Weight, options.Terms[3].Weight = 1e-30, 1e-30
				whole, want := evaluate(options, all)
				options.Terms = terms(0, "cd", "reg", "opt", "ent")
				options.Terms[0].Weight, options.Terms[1].Weight = 1e-30, 1e-30
				some, more := evaluate(options, of(min(first, n)))

				for i, value := range got.Terms {
					if want := slices.Concat(whole.Terms[:2], some.Terms[2:])[i]; !alike(value, want) {
						t.Errorf("%s: term %d is %v, want %v", what, i, value, want)
					}
				}
				same := func(a, b float32) bool { return alike(float64(a), float64(b)) }
				if !slices.EqualFunc(got.EnergyPos, whole.EnergyPos, same) || !slices.EqualFunc(got.EnergyNeg, whole.EnergyNeg, same) {
					t.Errorf("%s: other energies", what)
				}
				if apart {
					want["opt"], want["ent"] = more["opt"], more["ent"]
				} else {
					for name, g := range want[""] {
						for i, v := range more[""][name] {
							g[i] += v
						}
					}
				}
				if got, want := slices.Sorted(maps.Keys(gradients)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
					t.Fatalf("%s: gradients of %q, want %q", what, got, want)
				}
				for group, g := range want {
					for name := range g {
						for i, v := range gradients[group][name] {
							if !alike(float64(v), float64(g[name][i])) {
								t.Fatalf("%s: gradient %s of %s[%d] is %v, want %v", what, group, name, i, v, g[name][i])
							}
						}
					}
				}
			}
		}
	}
}

// alike allows for another order of additions.
func alike(got, want float64) bool { return math.Abs(got-want) <= 2e-5*(1+math.Abs(want)) }
