package energy_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

var small = expr.Shape{16, 16, 1}

// network makes a network for images of 16×16.
func network(t testing.TB, name string, o energy.Options) *energy.Energy {
	t.Helper()
	if o.Image == (expr.Shape{}) {
		o.Image = small
	}
	e, err := energy.New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// parts are energies that differ in architecture, filters, scales and labels, by name.
func parts(t testing.TB) []*energy.Energy {
	return []*energy.Energy{
		energy.Scoped("a", network(t, "quick", energy.Options{Filters: 4})),
		energy.Scoped("b", network(t, "quick", energy.Options{Filters: 4})), // a's network with other weights
		energy.Scoped("c", network(t, "mnist", energy.Options{Filters: 2, Norm: energy.LayerNorm})),
		energy.Scoped("d", network(t, "cifar10", energy.Options{Filters: 2, MultiScale: true, Kernel: energy.PlainKernel})),
		energy.Scoped("e", network(t, "quick", energy.Options{Filters: 3, Classes: 3})),
	}
}

// values of an energy's parameters; none of them is zero, so that all matter.
func valuesOf(t testing.TB, seed uint64, energies ...*energy.Energy) map[string][]float32 {
	t.Helper()
	all := map[string][]float32{}
	for _, e := range energies {
		p, err := e.Params()
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range energy.InitialValues(p.Specs(), seed) {
			s := rng.New(seed, uint64(len(name)), 7)
			for i := range v {
				v[i] += 0.1 * (s.Float32() - 0.5)
			}
			all[name] = v
		}
	}
	return all
}

// measured is E and ∇E of images: each scale's energies, and the gradient of their sum.
type measured struct {
	scales   [][]float64
	gradient []float64
}

func (m measured) energy(i int) (sum float64) {
	for _, s := range m.scales {
		sum += s[i]
	}
	return sum
}

// An evaluator computes outputs for n images.
type evaluator func(outputs []*expr.Value, n int, params, inputs map[string][]float32) ([][]float64, error)

// definition computes in float64, by the engine that defines the operations.
func definition(outputs []*expr.Value, n int, params, inputs map[string][]float32) ([][]float64, error) {
	values := map[string][]float64{}
	for name, v := range params {
		values[name] = wide(v)
	}
	for name, v := range inputs {
		values[name] = wide(v)
	}
	return reference.Eval(outputs, n, values)
}

// fast computes in one program of the fast engine.
func fast(outputs []*expr.Value, n int, params, inputs map[string][]float32) ([][]float64, error) {
	program, err := (&cpu.Engine{Threads: 2}).Compile(outputs...)
	if err != nil {
		return nil, err
	}
	if err := program.Bind(params); err != nil {
		return nil, err
	}
	results := make([][]float32, len(outputs))
	for i, v := range outputs {
		results[i] = make([]float32, n*v.Shape().Size())
	}
	if err := program.Run(context.Background(), engine.Call{Batch: n, Inputs: inputs, Outputs: results}); err != nil {
		return nil, err
	}
	all := make([][]float64, len(results))
	for i, r := range results {
		all[i] = wide(r)
	}
	return all, nil
}

func measure(t testing.TB, by evaluator, e *energy.Energy, values map[string][]float32, x []float32, class int) measured {
	t.Helper()
	p, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	own := map[string][]float32{}
	for _, s := range p.Specs() {
		own[s.Name] = values[s.Name]
	}
	n := len(x) / e.Image.Size()
	inputs := map[string][]float32{"x": x}
	if e.Classes > 0 {
		labels := make([]float32, n*e.Classes)
		for i := range n {
			labels[i*e.Classes+class] = 1
		}
		inputs["label"] = labels
	}
	in := expr.Input("x", e.Image)
	scales := e.Build(p, in, e.Label())
	results, err := by(append(slices.Clone(scales), expr.Grad(energy.Sum(scales), in)[0]), n, own, inputs)
	if err != nil {
		t.Fatal(err)
	}
	return measured{results[:len(scales)], results[len(scales)]}
}

func noise(n int, image expr.Shape) []float32 {
	x, s := make([]float32, n*image.Size()), rng.New(5)
	s.FillUniform(x)
	return x
}

// value is an energy and its gradient at one image, in float64: what a composition is checked against.
type value struct {
	e float64
	g []float64
}

func weigh(w float64, v value) value {
	out := value{e: w * v.e}
	for _, g := range v.g {
		out.g = append(out.g, w*g)
	}
	return out
}

func add(vs ...value) value {
	out := value{g: make([]float64, len(vs[0].g))}
	for _, v := range vs {
		out.e += v.e
		for i, g := range v.g {
			out.g[i] += g
		}
	}
	return out
}

// mix is the definition of a mixture, without a care for overflow.
func mix(t float64, weights []float64, vs ...value) value {
	total, sum := 0.0, 0.0
	for _, w := range weights {
		total += w
	}
	for i, v := range vs {
		sum += weights[i] / total * math.Exp(-v.e/t)
	}
	var weighted []value
	for i, v := range vs {
		weighted = append(weighted, weigh(weights[i]/total*math.Exp(-v.e/t)/sum, v))
	}
	out := add(weighted...)
	out.e = -t * math.Log(sum)
	return out
}

// Random expressions of all combinators are what their definitions say, energies and gradients, in both engines.
func TestCompositionsAgainstTheirDefinition(t *testing.T) {
	all, x := parts(t), noise(2, small)
	values := valuesOf(t, 1, all...)
	for i, e := range all {
		if e.Classes > 0 {
			all[i] = given(t, 1, e)
		}
	}
	of := map[*energy.Energy][]value{} // of each image
	for _, e := range all {
		m := measure(t, definition, e, values, x, 0)
		for i := range 2 {
			of[e] = append(of[e], value{m.energy(i), m.gradient[i*small.Size():][:small.Size()]})
		}
	}
	s := rng.New(11)
	var random func(depth int) (*energy.Energy, []value, string)
	random = func(depth int) (*energy.Energy, []value, string) {
		kind := s.IntN(4)
		if depth == 0 || kind == 0 {
			e := all[s.IntN(len(all))]
			return e, of[e], e.Name
		}
		if kind == 1 {
			w := float64(s.IntN(9)-4) / 2
			e, vs, name := random(depth - 1)
			return energy.Weighted(w, e), []value{weigh(w, vs[0]), weigh(w, vs[1])}, fmt.Sprintf("%g*%s", w, name)
		}
		var of []*energy.Energy
		var vs [2][]value
		var names []string
		var logs, weights []float64
		for range 2 + s.IntN(2) {
			e, v, name := random(depth - 1)
			of, vs[0], vs[1], names = append(of, e), append(vs[0], v[0]), append(vs[1], v[1]), append(names, name)
			weights = append(weights, 0.5+float64(s.Float32()))
			logs = append(logs, math.Log(weights[len(weights)-1])+3)
		}
		if kind == 2 {
			e, err := energy.And(of...)
			if err != nil {
				t.Fatal(err)
			}
			return e, []value{add(vs[0]...), add(vs[1]...)}, "(" + strings.Join(names, " & ") + ")"
		}
		temperature := 0.05 + float64(s.Float32())
		e, err := energy.Or(energy.Mixture{Temperature: temperature, LogWeights: logs}, of...)
		if err != nil {
			t.Fatal(err)
		}
		return e, []value{mix(temperature, weights, vs[0]...), mix(temperature, weights, vs[1]...)}, "(" + strings.Join(names, " | ") + ")"
	}
	for range 12 {
		e, want, name := random(3)
		t.Run(name, func(t *testing.T) {
			for _, by := range []struct {
				name      string
				evaluator evaluator
				tolerance float64
			}{{"definition", definition, 1e-9}, {"fast", fast, 1e-3}} {
				m := measure(t, by.evaluator, e, values, x, 0)
				for i, v := range want {
					if got := m.energy(i); math.Abs(got-v.e) > by.tolerance*(1+math.Abs(v.e)) {
						t.Errorf("%s: image %d has energy %v, want %v", by.name, i, got, v.e)
					}
					difference, length := 0.0, 0.0
					for k, g := range v.g {
						d := m.gradient[i*small.Size()+k] - g
						difference, length = difference+d*d, length+g*g
					}
					if math.Sqrt(difference) > by.tolerance*(math.Sqrt(length)+1e-3) {
						t.Errorf("%s: the gradient at image %d is off by %v of %v", by.name, i, math.Sqrt(difference), math.Sqrt(length))
					}
				}
			}
		})
	}
}

func given(t testing.TB, class int, e *energy.Energy) *energy.Energy {
	t.Helper()
	g, err := energy.Given(oneHot(class, e.Classes), e)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func oneHot(class, classes int) []float64 {
	y := make([]float64, classes)
	y[class] = 1
	return y
}

func must(e *energy.Energy, err error) *energy.Energy {
	if err != nil {
		panic(err)
	}
	return e
}

// A composition of one part is that part, bit for bit; a and a is 2a; a or a is a within rounding, at any temperature.
func TestCompositionsOfOnePart(t *testing.T) {
	all, x := parts(t), noise(3, small)
	a, d := all[0], all[3]
	values := valuesOf(t, 2, all...)
	same := func(name string, e, want *energy.Energy, tolerance float64) {
		t.Helper()
		got, right := measure(t, fast, e, values, x, 0), measure(t, fast, want, values, x, 0)
		for i := range 3 {
			if g, w := got.energy(i), right.energy(i); math.Abs(g-w) > tolerance {
				t.Errorf("%s: image %d has energy %v, want %v", name, i, g, w)
			}
		}
		for k, g := range got.gradient {
			if w := right.gradient[k]; math.Abs(g-w) > tolerance {
				t.Fatalf("%s: gradient %v, want %v", name, g, w)
			}
		}
	}
	same("a alone", must(energy.And(a)), a, 0)
	same("d alone in a mixture", must(energy.Or(energy.Mixture{Temperature: 0.1}, d)), d, 0)
	same("1a", energy.Weighted(1, a), a, 0)
	same("a & a", must(energy.And(a, a)), energy.Weighted(2, a), 1e-6)
	same("d & d", must(energy.And(d, d)), energy.Weighted(2, d), 1e-5)
	for _, temperature := range []float64{1e-3, 0.01, 1, 100} {
		same("a | a", must(energy.Or(energy.Mixture{Temperature: temperature}, a, a)), a, 1e-5*max(1, temperature))
		same("d | d | d by scale", must(energy.Or(energy.Mixture{Temperature: temperature, LogWeights: []float64{1, 2, 3}, ByScale: true}, d, d, d)), d,
			1e-5*max(1, temperature))
	}
	if p, err := must(energy.And(a, a)).Params(); err != nil || len(p.Specs()) != len(mustParams(t, a)) {
		t.Errorf("a & a has %d parameters, a has %d (%v)", len(p.Specs()), len(mustParams(t, a)), err)
	}
}

// Each image has the energy and the gradient of the part that is chosen for it, bit for bit.
func TestChoice(t *testing.T) {
	all, x := parts(t), noise(3, small)
	a, b, d := all[0], all[1], all[3]
	values := valuesOf(t, 2, all...)
	choice := must(energy.Choice(a, b, d))
	p, err := choice.Params()
	if err != nil {
		t.Fatal(err)
	}
	in := expr.Input("x", small)
	e := energy.Sum(choice.Build(p, in, nil))
	inputs := map[string][]float32{"x": x, energy.ChosenInput: {0, 0, 1, 1, 0, 0, 0, 1, 0}}
	own := map[string][]float32{}
	for _, s := range p.Specs() {
		own[s.Name] = values[s.Name]
	}
	got, err := fast([]*expr.Value{e, expr.Grad(e, in)[0]}, 3, own, inputs)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range []*energy.Energy{d, a, b} {
		want, from := measure(t, fast, part, values, x, 0), i*small.Size()
		if math.Abs(got[0][i]-want.energy(i)) > 1e-6 { // scales are summed here in float64, there in float32
			t.Errorf("image %d has energy %v, want that of %s, %v", i, got[0][i], part.Name, want.energy(i))
		}
		if !slices.Equal(got[1][from:][:small.Size()], want.gradient[from:][:small.Size()]) {
			t.Errorf("image %d has another gradient than that of %s", i, part.Name)
		}
	}
}

// The shares of a mixture are what integrals over its parts are of that over all of it.
func TestShares(t *testing.T) {
	for _, c := range []struct{ weights, logZ, want []float64 }{
		{nil, []float64{0, math.Log(3)}, []float64{0.25, 0.75}},
		{[]float64{800, -700.5}, []float64{-800, 700.5}, []float64{0.5, 0.5}},
		{[]float64{math.Log(2) + 5, 5}, []float64{1, 1}, []float64{2. / 3, 1. / 3}},
		{nil, []float64{0, 1000}, []float64{0, 1}},
	} {
		shares, err := energy.Mixture{LogWeights: c.weights}.Shares(c.logZ)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range shares {
			if math.Abs(s-c.want[i]) > 1e-9 {
				t.Errorf("weights %v and log Z %v: shares %v, want %v", c.weights, c.logZ, shares, c.want)
			}
		}
	}
	for _, logZ := range [][]float64{{1}, {1, math.NaN()}, {1, math.Inf(1)}} {
		if shares, err := (energy.Mixture{LogWeights: []float64{1, 2}}).Shares(logZ); err == nil {
			t.Errorf("log Z %v: shares %v, want an error", logZ, shares)
		}
	}
}

func mustParams(t *testing.T, e *energy.Energy) []energy.Spec {
	t.Helper()
	p, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	return p.Specs()
}

// Equal networks with different weights keep them apart in one program.
func TestEqualNetworksInOneProgram(t *testing.T) {
	all, x := parts(t), noise(5, small)
	a, b := all[0], all[1]
	values := valuesOf(t, 3, a)
	for name, v := range valuesOf(t, 4, b) {
		values[name] = v
	}
	both := measure(t, fast, must(energy.And(a, b)), values, x, 0)
	for i, part := range []*energy.Energy{a, b} {
		if alone := measure(t, fast, part, values, x, 0); !slices.Equal(both.scales[i], alone.scales[0]) {
			t.Errorf("%s has energies %v alone and %v beside the other", part.Name, alone.scales[0], both.scales[i])
		}
	}
	if slices.Equal(both.scales[0], both.scales[1]) {
		t.Error("two networks have the same energies")
	}
}

// A class that is fixed gives the energies of that class, bit for bit, and the label of a composition reaches all its conditional parts.
func TestGivenAndSharedLabels(t *testing.T) {
	all, x := parts(t), noise(3, small)
	a, e := all[0], all[4]
	values := valuesOf(t, 5, all...)
	for class := range 3 {
		want := measure(t, fast, e, values, x, class)
		if got := measure(t, fast, given(t, class, e), values, x, 0); !slices.Equal(got.scales[0], want.scales[0]) || !slices.Equal(got.gradient, want.gradient) {
			t.Errorf("class %d fixed: energies %v, want %v", class, got.scales[0], want.scales[0])
		}
		mixed := must(energy.And(a, e))
		if mixed.Classes != 3 {
			t.Fatalf("%d classes", mixed.Classes)
		}
		if got := measure(t, fast, mixed, values, x, class); !slices.Equal(got.scales[1], want.scales[0]) {
			t.Errorf("class %d in a composition: energies %v, want %v", class, got.scales[1], want.scales[0])
		}
	}
}

// Energies far apart at a low temperature neither overflow nor lose the lower one.
func TestMixtureIsStable(t *testing.T) {
	constant := func(name string) *energy.Energy {
		return energy.Scoped(name, &energy.Energy{Image: expr.Shape{2, 2, 1}, Build: func(p *energy.Params, x, _ *expr.Value) []*expr.Value {
			return []*expr.Value{expr.Mul(p.Get("c", expr.Scalar, energy.Init{}), expr.Total(x))}
		}})
	}
	a, b := constant("a"), constant("b")
	or := must(energy.Or(energy.Mixture{Temperature: 1e-4, LogWeights: []float64{math.Log(0.25), math.Log(0.75)}}, a, b))
	for _, c := range []struct{ a, b, want float64 }{
		{5, 100, 5}, {100, 5, 5}, {-1e6, 1e6, -1e6}, {7, 7, 7}, {-3, -3, -3},
	} {
		m := measure(t, fast, or, map[string][]float32{"a.c": {float32(c.a)}, "b.c": {float32(c.b)}}, []float32{0, 1, 0, 0}, 0)
		if got := m.energy(0); math.Abs(got-c.want) > 2e-4+1e-6*math.Abs(c.want) {
			t.Errorf("energies %v and %v: %v, want %v", c.a, c.b, got, c.want)
		}
		for _, g := range m.gradient {
			if math.Abs(g-c.want) > 1e-3+1e-6*math.Abs(c.want) {
				t.Errorf("energies %v and %v: gradient %v, want %v", c.a, c.b, g, c.want)
			}
		}
	}
}

// A mistake is one line that names the parts.
func TestComposeRefuses(t *testing.T) {
	all := parts(t)
	a, d, e := all[0], all[3], all[4]
	large := energy.Scoped("large", network(t, "quick", energy.Options{Filters: 4, Image: expr.Shape{28, 28, 3}}))
	four := energy.Scoped("four", network(t, "quick", energy.Options{Filters: 4, Classes: 4}))
	result := func(_ *energy.Energy, err error) error { return err }
	for _, c := range []struct {
		err  error
		want string
	}{
		{result(energy.And()), "nothing"},
		{result(energy.And(a, large)), "a is of images of 16×16×1 and large of 28×28×3"},
		{result(energy.Or(energy.Mixture{}, &energy.Energy{Image: small}, large)), "part 1 is of images of 16×16×1 and large"},
		{result(energy.And(a, e, four)), "e has 3 classes and four has 4"},
		{result(energy.Or(energy.Mixture{ByScale: true}, a, d)), "a has 1 scales and d has 3"},
		{result(energy.Or(energy.Mixture{Temperature: -1}, a, d)), "temperature -1"},
		{result(energy.Or(energy.Mixture{LogWeights: []float64{1}}, a, d)), "1 log-weights for a mixture of 2"},
		{result(energy.Or(energy.Mixture{LogWeights: []float64{1, math.NaN()}}, a, d)), "log-weight NaN"},
		{result(energy.Given(oneHot(1, 2), e)), "a label of length 2 for e, whose label has length 3"},
		{result(energy.Given(nil, a)), "a label of length 0 for a"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) || strings.Contains(c.err.Error(), "\n") {
			t.Errorf("error %v: want one line with %q", c.err, c.want)
		}
	}
}
