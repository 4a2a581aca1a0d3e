package energy_test

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// initial gives the parameters first values, for the reference engine.
func initial(p *energy.Params) map[string][]float64 {
	values := map[string][]float64{}
	for name, v := range energy.InitialValues(p.Specs(), 1) {
		values[name] = wide(v)
	}
	return values
}

// uniform gives n numbers in [0, 1).
func uniform(n int, seed uint64) []float64 {
	v := make([]float32, n)
	s := rng.New(seed)
	s.FillUniform(v)
	return wide(v)
}

func eval(t *testing.T, v *expr.Value, batch int, values map[string][]float64) []float64 {
	t.Helper()
	results, err := reference.Eval([]*expr.Value{v}, batch, values)
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// moments of the elements that belong says belong: their number, mean and biased variance.
func moments(v []float64, belongs func(i int) bool) (n, mean, variance float64) {
	for i, x := range v {
		if belongs(i) {
			n, mean, variance = n+1, mean+x, variance+x*x
		}
	}
	mean /= n
	return n, mean, variance/n - mean*mean
}

func TestStandardisedKernel(t *testing.T) {
	shape := expr.Shape{9, 4, 5}
	w := uniform(shape.Size(), 1)
	k := eval(t, energy.StandardisedKernel.Of(expr.Param("w", shape)), 1, map[string][]float64{"w": w})
	for o := range shape[2] {
		n, mean, variance := moments(k, func(i int) bool { return i%shape[2] == o })
		if std := math.Sqrt(variance * n / (n - 1)); math.Abs(mean) > 1e-9 || math.Abs(std-1) > 1e-4 {
			t.Errorf("output %d has mean %g and standard deviation %g, want 0 and 1", o, mean, std)
		}
	}
	if k[0] == w[0] {
		t.Error("the kernel is unchanged")
	}
}

func TestSpectralKernel(t *testing.T) {
	for _, shape := range []expr.Shape{{9, 4, 5}, {9, 1, 7}, {1, 6, 3}} {
		w := uniform(shape.Size(), 2)
		k := eval(t, energy.SpectralKernel.Of(expr.Param("w", shape)), 1, map[string][]float64{"w": w})
		largest := func(v []float64) float64 {
			var svd mat.SVD
			if !svd.Factorize(mat.NewDense(shape[0]*shape[1], shape[2], v), mat.SVDNone) {
				t.Fatal("no singular values")
			}
			return svd.Values(nil)[0]
		}
		if s := largest(k); math.Abs(s-1) > 1e-6 {
			t.Errorf("%v: largest singular value %g, want 1", shape, s)
		}
		compare(t, "kernel/kernel[0]", divide(k, k[0]), divide(w, w[0])) // only the scale changes
	}
}

func divide(v []float64, by float64) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = v[i] / by
	}
	return out
}

func TestNorms(t *testing.T) {
	for _, c := range []struct {
		norm             energy.Norm
		channels, groups int
	}{
		{energy.ReferenceNorm, 6, 6},
		{energy.ReferenceNorm, 128, 128},
		{energy.ReferenceNorm, 160, 32},
		{"", 160, 32},
		{energy.LayerNorm, 6, 1},
	} {
		p := energy.NewParams()
		shape := expr.Shape{4, 5, c.channels}
		y := c.norm.Of(p, "norm", expr.Input("x", shape))
		values := initial(p)
		values["x"] = uniform(2*shape.Size(), 3)
		results := eval(t, y, 2, values)
		size := c.channels / c.groups
		for image := range 2 {
			for g := range c.groups {
				_, mean, variance := moments(results, func(i int) bool {
					return i/shape.Size() == image && i%c.channels/size == g
				})
				if math.Abs(mean) > 1e-9 || math.Abs(variance-1) > 1e-3 {
					t.Fatalf("%q of %d channels: group %d of image %d has mean %g, variance %g; want 0, 1", c.norm, c.channels, g, image, mean, variance)
				}
			}
		}
		if size > 1 { // no finer groups
			_, mean, _ := moments(results, func(i int) bool { return i < shape.Size() && i%c.channels == 0 })
			if math.Abs(mean) < 1e-6 {
				t.Errorf("%q of %d channels: channel 0 has mean 0 by itself", c.norm, c.channels)
			}
		}
	}

	p := energy.NewParams()
	if x := expr.Input("x", expr.Shape{4, 4, 2}); energy.NoNorm.Of(p, "norm", x) != x || len(p.Specs()) != 0 {
		t.Error("no norm does something")
	}
}

// TestFrozen: E_sg(θ) has the value and the score of E, and no derivative with respect to θ.
func TestFrozen(t *testing.T) {
	model, err := energy.New("quick", energy.Options{Filters: 2, Image: expr.Shape{12, 12, 1}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := model.Params()
	if err != nil {
		t.Fatal(err)
	}
	x := expr.Input("x", model.Image)
	live, frozen := energy.Sum(model.Build(p, x, nil)), energy.Sum(model.Build(p.Frozen(), x, nil))
	outputs := []*expr.Value{live, frozen, expr.Grad(live, x)[0], expr.Grad(frozen, x)[0]}
	var leaves []*expr.Value
	for _, s := range p.Specs() {
		leaves = append(leaves, p.Get(s.Name, s.Shape, s.Init))
	}
	outputs = append(append(outputs, expr.Grad(live, leaves...)...), expr.Grad(frozen, leaves...)...)
	values := initial(p)
	values["x"] = uniform(3*model.Image.Size(), 1)
	results, err := reference.Eval(outputs, 3, values)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "energy", results[1], results[0])
	compare(t, "score", results[3], results[2])
	norms := [2]float64{}
	for i, r := range results[4:] {
		for _, v := range r {
			norms[i/len(leaves)] += math.Abs(v)
		}
	}
	if norms[0] == 0 || norms[1] != 0 {
		t.Errorf("the derivatives have sums %g live and %g frozen, want some and none", norms[0], norms[1])
	}
}

func TestSumAndMean(t *testing.T) {
	x := expr.Input("x", expr.Scalar)
	scales := []*expr.Value{x, expr.Affine(x, 3, 0), expr.Affine(x, 0, 5)}
	results, err := reference.Eval([]*expr.Value{energy.Sum(scales), energy.Mean(scales)}, 2, map[string][]float64{"x": {1, 4}})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "sum", results[0], []float64{9, 21})
	compare(t, "mean", results[1], []float64{3, 7})
}

// TestChoicesGiveDifferentEnergies: every option reaches the computation.
func TestChoicesGiveDifferentEnergies(t *testing.T) {
	base := energy.Options{Filters: 4, Image: expr.Shape{16, 16, 1}}
	seen := map[string]string{}
	for name, change := range map[string]func(o *energy.Options){
		"reference":   func(*energy.Options) {},
		"multi-scale": func(o *energy.Options) { o.MultiScale = true },
		"label":       func(o *energy.Options) { o.Classes = 2 },
		"layer":       func(o *energy.Options) { o.Norm = energy.LayerNorm },
		"no norm":     func(o *energy.Options) { o.Norm = energy.NoNorm },
		"spectral":    func(o *energy.Options) { o.Kernel, o.Norm = energy.SpectralKernel, energy.NoNorm },
		"plain":       func(o *energy.Options) { o.Kernel, o.Norm = energy.PlainKernel, energy.NoNorm },
		"attention":   func(o *energy.Options) { o.Attention = true },
	} {
		o := base
		change(&o)
		model, err := energy.New("cifar10", o)
		if err != nil {
			t.Fatal(err)
		}
		p, err := model.Params()
		if err != nil {
			t.Fatal(err)
		}
		values := initial(p)
		if o.Attention {
			values["self_attn.gamma"][0] = 1
		}
		values["x"], values["label"] = uniform(o.Image.Size(), 4), []float64{0, 1}
		var label *expr.Value
		if o.Classes > 0 {
			label = expr.Input("label", expr.Shape{1, 1, 2})
		} else {
			delete(values, "label")
		}
		e := eval(t, energy.Sum(model.Build(p, expr.Input("x", o.Image), label)), 1, values)[0]
		key := fmt.Sprintf("%.9g", e)
		if other, ok := seen[key]; ok || key == "NaN" {
			t.Errorf("%q gives the energy %s, as does %q", name, key, other)
		}
		seen[key] = name
	}
}
