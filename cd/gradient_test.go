package cd

// This file checks the loss and its gradient, term by term, in float64: the objective's own graph on the reference engine, against
// the formulas and finite differences.

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// references is the number of reference images that L_ent looks at here.
const references = 5

// graph is an engine that keeps the graph it is given. It computes nothing.
type graph struct{ outputs []*expr.Value }

// references are the names of the parameters that hold reference images.
func (g *graph) references() (names []string) {
	for _, v := range expr.Order(g.outputs...) {
		if name := v.Attr().Name; v.Op() == expr.OpParam && strings.HasPrefix(name, "references_") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (g *graph) Compile(outputs ...*expr.Value) (engine.Program, error) {
	g.outputs = append(g.outputs, outputs...)
	return g, expr.Err(outputs...)
}
func (g *graph) Bind(map[string][]float32) error        { return nil }
func (g *graph) Run(context.Context, engine.Call) error { return nil }
func (g *graph) Flops() float64                         { return 0 }

// smooth is a small energy with two scales, of images of side×side pixels in two colours.
func smooth(classes, side int) *energy.Energy {
	build := func(p *energy.Params, x, label *expr.Value) []*expr.Value {
		look := func(name string, x *expr.Value) *expr.Value {
			h := expr.Swish(energy.Conv(p, name+"_1", x, 3, energy.StandardisedKernel), 0)
			if label != nil {
				h = expr.Mul(h, expr.Broadcast(expr.MatMul(label, p.Get(name+"_gain", expr.Shape{1, classes, 3}, energy.Constant(1, energy.Array)), false, false), h.Shape()))
			}
			h = expr.Swish(energy.Conv(p, name+"_2", h, 2, energy.PlainKernel), 0)
			return energy.Head(p, name+"_head", h)
		}
		return []*expr.Value{look("small", expr.Pool(x)), look("large", x)}
	}
	return &energy.Energy{Image: expr.Shape{side, side, 2}, Classes: classes, Build: build}
}

// bench is an objective's graph and what to evaluate it on.
type bench struct {
	t          *testing.T
	model      *energy.Energy
	params     *energy.Params
	specs      []energy.Spec
	options    ObjectiveOptions
	batch      int
	values     map[string][]float64
	outputs    []*expr.Value
	references [][]float64
	third      bool // L_ent takes the third nearest reference
}

func newBench(t *testing.T, classes, side int, o ObjectiveOptions) *bench {
	t.Helper()
	b := &bench{t: t, model: smooth(classes, side), options: o, batch: 2, values: map[string][]float64{}}
	g := &graph{}
	if _, err := NewObjective(g, b.model, o); err != nil {
		t.Fatal(err)
	}
	b.outputs = g.outputs
	var err error
	if b.params, err = b.model.Params(); err != nil {
		t.Fatal(err)
	}
	b.specs = b.params.Specs()
	s := rng.New(11)
	normal := func(n int, mean, spread float64) []float64 {
		x := make([]float32, n)
		s.FillNormal(x)
		v := make([]float64, n)
		for i := range v {
			v[i] = mean + spread*float64(x[i])
		}
		return v
	}
	size := b.model.Image.Size()
	for _, spec := range b.specs {
		b.values[spec.Name] = normal(spec.Shape.Size(), 0, 0.7)
	}
	for _, name := range []string{"x_pos", "x_neg", "x_hat", "x_start"} {
		b.values[name] = normal(b.batch*size, 0.5, 0.1)
	}
	b.values["flow_z"], b.values["flow_t"] = normal(b.batch*size, 0.5, 0.3), []float64{0.4, 0.95} // before and within the taper
	for _, name := range g.references() {
		b.values[name] = normal(references*size, 0.5, 0.1)
		for i := range references {
			b.references = append(b.references, b.values[name][i*size:][:size])
		}
	}
	for k := range o.Unrolled {
		b.values[fmt.Sprintf("noise_%d", k)] = normal(b.batch*size, 0, 1)
		b.values[fmt.Sprintf("noise_%d_momentum", k)] = normal(b.batch*size, 0, 1)
		b.values[fmt.Sprintf("noise_%d_accept", k)] = slices.Repeat([]float64{0.01}, b.batch)
		if schedule := o.Sampler.Schedule(fmt.Sprintf("noise_%d", k), o.Unrolled); schedule != nil {
			for name, v := range schedule {
				b.values[name] = slices.Repeat([]float64{float64(v[k])}, b.batch)
			}
		}
	}
	for i, name := range []string{"label_pos", "label_neg"} {
		b.values[name] = make([]float64, b.batch*classes)
		for n := range b.batch {
			if classes > 0 {
				b.values[name][n*classes+(n+i)%classes] = 1
			}
		}
	}
	return b
}

func (b *bench) eval(values map[string][]float64, outputs ...*expr.Value) [][]float64 {
	b.t.Helper()
	results, err := reference.Eval(outputs, b.batch, values)
	if err != nil {
		b.t.Fatal(err)
	}
	return results
}

// energies are E_θ of images, mean over the scales, at the bench's parameters.
func (b *bench) energies(values map[string][]float64, images []float64, label string) []float64 {
	b.t.Helper()
	var one *expr.Value
	if b.model.Classes > 0 {
		one = expr.Input(label, expr.Shape{1, 1, b.model.Classes})
	}
	values = maps.Clone(values)
	values["x"] = images
	return b.eval(values, energy.Mean(b.model.Build(b.params, expr.Input("x", b.model.Image), one)))[0]
}

// end is x_kl at some parameters; the third output of an objective with a term that asks for it.
func (b *bench) end(values map[string][]float64) []float64 { return b.eval(values, b.outputs[2])[0] }

func average(v []float64, of func(float64) float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += of(x)
	}
	return sum / float64(len(v))
}

func same(x float64) float64   { return x }
func square(x float64) float64 { return x * x }

// negative is x⁻: given, or the end of an unrolled chain at the bench's own parameters.
func (b *bench) negative() []float64 {
	if b.options.Unrolled > 0 && b.hasEnd() {
		return b.end(b.values)
	}
	return b.values["x_neg"]
}

// hasEnd says whether a term asks for x_kl.
func (b *bench) hasEnd() bool {
	return slices.ContainsFunc(b.options.Terms, func(t Term) bool { return t.Weight != 0 && (t.Name == "opt" || t.Name == "ent") })
}

// neighbour is the k of L_ent here.
func (b *bench) neighbour() int {
	if b.third {
		return 3
	}
	return 1
}

// The terms by their formulas, as functions of the parameters that a gradient is taken of.
func (b *bench) formulas() map[string]func(values map[string][]float64) float64 {
	xneg := b.negative()
	return map[string]func(map[string][]float64) float64{
		"cd": func(v map[string][]float64) float64 {
			return average(b.energies(v, b.values["x_pos"], "label_pos"), same) - average(b.energies(v, xneg, "label_neg"), same)
		},
		"reg": func(v map[string][]float64) float64 {
			return b.squares(v, b.values["x_pos"], "label_pos") + b.squares(v, xneg, "label_neg")
		},
		"opt": func(v map[string][]float64) float64 { // the outer energy has the bench's parameters
			return average(b.energies(b.values, b.end(v), "label_neg"), same)
		},
		"ent": func(v map[string][]float64) float64 {
			end, size := b.end(v), b.model.Image.Size()
			sum := 0.0
			for n := range b.batch {
				var distances []float64
				for _, r := range b.references {
					d := 0.0
					for i, x := range end[n*size:][:size] {
						d += square(x - r[i])
					}
					distances = append(distances, math.Sqrt(d))
				}
				slices.Sort(distances)
				sum -= math.Log(distances[b.neighbour()-1])
			}
			return sum / float64(b.batch)
		},
		"flow": func(v map[string][]float64) float64 {
			size := b.model.Image.Size()
			x := slices.Clone(b.values["flow_z"])
			for i := range x {
				x[i] += b.values["flow_t"][i/size] * (b.values["x_pos"][i] - x[i])
			}
			sum := 0.0
			for i, g := range b.scores(v, x) {
				w := math.Min(1, (1-b.values["flow_t"][i/size])/0.2)
				sum += square(flowSteps*b.options.Sampler.Drift().StepSize*g + w*(b.values["x_pos"][i]-b.values["flow_z"][i]))
			}
			return sum / float64(len(x))
		},
	}
}

// flowSteps is the number of steps in which L_flow has a chain arrive here.
const flowSteps = 7

// scores are the gradients, by the image, of what chains descend, with the labels of the data.
func (b *bench) scores(values map[string][]float64, images []float64) []float64 {
	b.t.Helper()
	var label *expr.Value
	if b.model.Classes > 0 {
		label = expr.Input("label_pos", expr.Shape{1, 1, b.model.Classes})
	}
	values = maps.Clone(values)
	values["x"] = images
	x := expr.Input("x", b.model.Image)
	return b.eval(values, expr.Grad(energy.Sum(b.model.Build(b.params, x, label)), x)...)[0]
}

// squares is the mean of E² over the batch and the scales.
func (b *bench) squares(values map[string][]float64, images []float64, label string) float64 {
	b.t.Helper()
	var one *expr.Value
	if b.model.Classes > 0 {
		one = expr.Input(label, expr.Shape{1, 1, b.model.Classes})
	}
	values = maps.Clone(values)
	values["x"] = images
	sum, n := 0.0, 0.0
	for _, scale := range b.eval(values, b.model.Build(b.params, expr.Input("x", b.model.Image), one)...) {
		sum += average(scale, square)
		n++
	}
	return sum / n
}

// difference is the derivative of f with respect to every parameter, in the order of the specs.
func (b *bench) difference(f func(map[string][]float64) float64) []float64 {
	const h = 1e-5
	var gradient []float64
	for _, spec := range b.specs {
		for i := range b.values[spec.Name] {
			at := func(d float64) float64 {
				moved := maps.Clone(b.values)
				moved[spec.Name] = slices.Clone(b.values[spec.Name])
				moved[spec.Name][i] += d
				return f(moved)
			}
			gradient = append(gradient, (at(h)-at(-h))/(2*h))
		}
	}
	return gradient
}

// weighted are the terms with these weights, L_cd's aside.
func weighted(reg, opt, ent float64, neighbour int) []Term {
	return weightedFlow(reg, opt, ent, neighbour, 0)
}

func weightedFlow(reg, opt, ent float64, neighbour int, flow float64) []Term {
	terms := Terms(Entropy{Neighbour: neighbour, References: references}, Flow{Steps: flowSteps})
	for i, w := range []float64{1, reg, opt, ent, flow} {
		terms[i].Weight = w
	}
	return terms
}

func TestTermsAndTheirGradients(t *testing.T) {
	all := weighted(0.7, 1.3, 0.3, 1)
	doubled := weighted(0.7, 1.3, 0.3, 0)
	doubled[0].Weight = 2
	langevin := mcmc.Langevin{StepSize: 0.5, Sigma: 0.01}
	coarse := mcmc.Langevin{StepSize: 0.2, Coarse: 2, Sigma: 0.01}
	annealed := mcmc.Langevin{StepSize: 0.5, Sigma: 0.1, Anneal: true}
	for name, test := range map[string]struct {
		classes int
		options ObjectiveOptions
	}{
		"last step":         {0, ObjectiveOptions{Terms: all, Sampler: langevin}},
		"group by group":    {0, ObjectiveOptions{Terms: all, Sampler: langevin, PerGroup: true}},
		"twice L_cd":        {0, ObjectiveOptions{Terms: doubled, Sampler: langevin}},
		"twice L_cd, apart": {0, ObjectiveOptions{Terms: doubled, Sampler: langevin, PerGroup: true}},
		"conditional":       {2, ObjectiveOptions{Terms: all, Sampler: langevin}},
		"with L_flow":       {2, ObjectiveOptions{Terms: weightedFlow(1, 1.3, 0, 1, 0.4), Sampler: langevin, PerGroup: true}},
		"third neighbour":   {0, ObjectiveOptions{Terms: weighted(0, 0, 1, 3), Sampler: langevin}},
		"coarse":            {0, ObjectiveOptions{Terms: all, Sampler: coarse}},
		"hmc":               {0, ObjectiveOptions{Terms: all, Sampler: mcmc.HMC{StepSize: 0.3, Leapfrogs: 2, Temperature: 0.5}}},
		"plain":             {0, ObjectiveOptions{Terms: weighted(0, 0, 0, 1), Sampler: langevin}},
		"without L_opt":     {0, ObjectiveOptions{Terms: weighted(1, 0, 0.3, 1), Sampler: langevin, PerGroup: true}},
		"without L_ent":     {0, ObjectiveOptions{Terms: weighted(0, 1, 0, 1), Sampler: langevin, PerGroup: true}},
		"all steps":         {0, ObjectiveOptions{Terms: all, Sampler: langevin, Unrolled: 3, PerGroup: true}},
		"annealed":          {2, ObjectiveOptions{Terms: all, Sampler: annealed, Unrolled: 3}},
		"all steps of hmc":  {0, ObjectiveOptions{Terms: all, Sampler: mcmc.HMC{StepSize: 0.05, Leapfrogs: 2, Temperature: 0.5}, Unrolled: 2}},
		"unrolled for none": {0, ObjectiveOptions{Terms: weighted(1, 0, 0, 1), Sampler: langevin, Unrolled: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			side := 4
			if name == "coarse" { // in which there is something coarse
				side = 8
			}
			b := newBench(t, test.classes, side, test.options)
			b.third = name == "third neighbour"
			b.check()
		})
	}
}

// check compares the losses and gradients that the graph computes with the formulas.
func (b *bench) check() {
	t := b.t
	results := b.eval(b.values, b.outputs...)[2:]
	if b.hasEnd() {
		results = results[1:]
	}
	if _, ok := b.options.Sampler.(mcmc.HMC); ok && b.options.Unrolled > 0 {
		for _, accepted := range results[0] {
			if accepted != 1 {
				t.Fatal("a proposal is refused: its chain has no gradient to check")
			}
		}
		results = results[1:]
	}
	formulas := b.formulas()
	groups := [4][]float64{}
	total := []float64(nil)
	for i, term := range b.options.Terms {
		if term.Weight == 0 {
			continue
		}
		loss, formula := results[0][0], formulas[term.Name]
		results = results[1:]
		if want := formula(b.values); math.Abs(loss-want) > 1e-9*math.Max(1, math.Abs(want)) {
			t.Errorf("L_%s is %v, want %v", term.Name, loss, want)
		}
		gradient := b.difference(formula)
		g, scale := max(0, i-1), term.Weight // L_cd and L_reg go together
		if b.options.PerGroup && g > 0 {
			scale = 1
		}
		groups[g], total = add(groups[g], gradient, scale), add(total, gradient, term.Weight)
	}
	want := [][]float64{total}
	if b.options.PerGroup {
		want = slices.DeleteFunc(groups[:], func(g []float64) bool { return g == nil })
	}
	for g, gradient := range want {
		var got []float64
		for range b.specs {
			got = append(got, results[0]...)
			results = results[1:]
		}
		sum, norm := 0.0, 0.0
		for i := range gradient {
			sum += square(got[i] - gradient[i])
			norm += square(gradient[i])
		}
		if len(got) != len(gradient) || norm == 0 || math.Sqrt(sum/norm) > 1e-6 {
			t.Errorf("gradient %d of %d is off by %.1e of its norm %.2g", g+1, len(want), math.Sqrt(sum/norm), math.Sqrt(norm))
		}
	}
	if len(results) > 0 {
		t.Errorf("%d outputs too many", len(results))
	}
}

func add(sum, v []float64, scale float64) []float64 {
	if sum == nil {
		sum = make([]float64, len(v))
	}
	for i, x := range v {
		sum[i] += scale * x
	}
	return sum
}
