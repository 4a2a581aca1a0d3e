package likelihood

import (
	"context"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// gaussian is the energy Σ (x - μ)²/2s², whose integral over the box is known:
//
//	Z(β) = Π σ √2π (Φ((1 - μ)/σ) - Φ(-μ/σ)),    σ = s/√β.
type gaussian struct{ mu, s float64 }

func (g gaussian) energy(x *expr.Value) *expr.Value {
	d := expr.Affine(x, 1/g.s, -g.mu/g.s)
	return expr.Affine(expr.Total(expr.Mul(d, d)), 0.5, 0)
}

// normal is a pixel's distribution before it is cut off, and the probabilities below 0 and below 1.
func (g gaussian) normal(beta float64) (n distuv.Normal, below0, below1 float64) {
	n = distuv.Normal{Mu: g.mu, Sigma: g.s / math.Sqrt(beta)}
	return n, n.CDF(0), n.CDF(1)
}

func (g gaussian) logZ(d int, beta float64) float64 {
	n, below0, below1 := g.normal(beta)
	return float64(d) * math.Log(n.Sigma*math.Sqrt(2*math.Pi)*(below1-below0))
}

// samples are exact: the inverse of the distribution function.
func (g gaussian) samples(values int, beta float64, seed uint64) []float32 {
	n, below0, below1 := g.normal(beta)
	s, x := rng.New(seed), make([]float32, values)
	for i := range x {
		x[i] = float32(min(max(n.Quantile(below0+(below1-below0)*float64(s.Float32())), 0), 1))
	}
	return x
}

func newAnnealer(t *testing.T, g gaussian, image expr.Shape, threads int) *Annealer {
	t.Helper()
	a, err := NewAnnealer(&cpu.Engine{Threads: threads}, g.energy, image, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Bind(nil); err != nil {
		t.Fatal(err)
	}
	return a
}

// The two estimates bracket the truth and are close to each other: inside the box, across its walls, cold, and hot.
func TestBracketOfGaussians(t *testing.T) {
	image, ctx := expr.Shape{4, 4, 1}, context.Background()
	for _, c := range []struct {
		name string
		gaussian
		temperature float64
	}{
		{"inside the box", gaussian{0.5, 0.1}, 1},
		{"across a wall", gaussian{0.95, 0.2}, 1},
		{"cold", gaussian{0.3, 1}, 0.003},
		{"hot, beyond a wall", gaussian{1.05, 0.05}, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, beta := newAnnealer(t, c.gaussian, image, 2), 1/c.temperature
			ladder, err := a.Pilot(ctx, beta, 1000, 64, 1)
			if err != nil {
				t.Fatal(err)
			}
			up, err := a.Forward(ctx, ladder, 64, 1)
			if err != nil {
				t.Fatal(err)
			}
			down, err := a.Reverse(ctx, ladder, c.samples(64*image.Size(), beta, 2), 1)
			if err != nil {
				t.Fatal(err)
			}
			low, high, want := up.Up(1), down.Down(1), c.logZ(image.Size(), beta)
			if !(low.Low <= want && want <= high.High) || high.High-low.Low > 1 {
				t.Errorf("log Z = %.4f: from below %+v, from above %+v", want, low, high)
			}
			for _, e := range []Estimate{low, high} {
				if !(e.Low < e.LogZ && e.LogZ < e.High) || e.Effective < 16 || e.Effective > 64 || e.Acceptance < 0.5 || e.Acceptance > 0.95 {
					t.Errorf("%+v: want an interval around it, more than 16 effective chains, and acceptance between 0.5 and 0.95", e)
				}
			}
			// The way up knows log Z everywhere on it.
			middle := up.Path[len(up.Path)/2]
			if want := c.logZ(image.Size(), middle.Beta); math.Abs(middle.LogZ-want) > 0.5 {
				t.Errorf("log Z at β = %v is %v, want %v", middle.Beta, middle.LogZ, want)
			}
			if last := up.Path[len(up.Path)-1]; last != (Point{beta, low.LogZ}) {
				t.Errorf("the path ends at %v, want %v, %v", last, beta, low.LogZ)
			}
			// Samples made of the ends are samples of the model.
			starts, err := a.Starts(ctx, ladder, up, 50, 1)
			if err != nil {
				t.Fatal(err)
			}
			e, err := a.Energies(ctx, starts)
			if err != nil {
				t.Fatal(err)
			}
			exact, err := a.Energies(ctx, c.samples(4000*image.Size(), beta, 3))
			if err != nil {
				t.Fatal(err)
			}
			mean, sd := stat.MeanStdDev(exact, nil)
			if got := stat.Mean(e, nil); math.Abs(got-mean) > 5*sd/8 {
				t.Errorf("mean energy of the ends %v, of exact samples %v ± %v", got, mean, sd)
			}
		})
	}
}

// However few the rungs, the mean of the weights is Z on the way up and 1/Z on the way down: this holds only if transitions leave
// each distribution as it is and weights are what they should be.
func TestWeightsHaveNoBias(t *testing.T) {
	image, ctx, g := expr.Shape{2, 1, 1}, context.Background(), gaussian{0.8, 0.3}
	a := newAnnealer(t, g, image, 2)
	const chains = 40_000
	ladder := Ladder{Beta: []float64{0, 0.2, 1}, Step: []float64{0.2, 0.2, 0.2}}
	truth := g.logZ(image.Size(), 1)
	up, err := a.Forward(ctx, ladder, chains, 5)
	if err != nil {
		t.Fatal(err)
	}
	down, err := a.Reverse(ctx, ladder, g.samples(chains*image.Size(), 1, 6), 5)
	if err != nil {
		t.Fatal(err)
	}
	for name, logs := range map[string][]float64{"up": up.Weights, "down": down.Weights} {
		sign := map[string]float64{"up": 1, "down": -1}[name]
		ratios := make([]float64, len(logs))
		for i, l := range logs {
			ratios[i] = math.Exp(l - sign*truth)
		}
		mean, sd := stat.MeanStdDev(ratios, nil)
		if margin := 4 * sd / math.Sqrt(chains); math.Abs(mean-1) > margin || margin > 0.05 {
			t.Errorf("%s: the mean weight is %v of what it should be, ± %v", name, mean, margin)
		}
	}
}

// The same seed gives the same numbers, for any number of threads; another seed gives others.
func TestNumbersDoNotDependOnThreads(t *testing.T) {
	image, ctx, g := expr.Shape{3, 3, 1}, context.Background(), gaussian{0.4, 0.2}
	run := func(threads int, seed uint64) (Ladder, Run) {
		a := newAnnealer(t, g, image, threads)
		ladder, err := a.Pilot(ctx, 2, 60, 20, seed)
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Forward(ctx, ladder, 20, seed)
		if err != nil {
			t.Fatal(err)
		}
		return ladder, r
	}
	ladder, r := run(1, 3)
	again, same := run(3, 3)
	if !reflect.DeepEqual(again, ladder) || !reflect.DeepEqual(same, r) {
		t.Error("three threads give other numbers")
	}
	if _, other := run(1, 4); slices.Equal(other.Weights, r.Weights) {
		t.Error("another seed gives the same numbers")
	}
}

// Rungs lie where the energy varies: of a Gaussian in a wide box sd(E) ∝ 1/β, so that β rises by a factor from rung to rung.
func TestLadderFollowsTheSpreadOfTheEnergy(t *testing.T) {
	l := Ladder{}
	var sd []float64
	for k := range 200 {
		l.Beta = append(l.Beta, 100*math.Pow(float64(k)/199, pilotBend))
		l.Step = append(l.Step, 0.1)
		sd = append(sd, 1/max(l.Beta[k], 0.01))
	}
	r, err := l.respace(sd, 100)
	if err != nil {
		t.Fatal(err)
	}
	if r.Beta[0] != 0 || r.Beta[100] != 100 || len(r.Beta) != 101 {
		t.Errorf("from %v to %v in %d", r.Beta[0], r.Beta[100], len(r.Beta))
	}
	for k := 40; k < 90; k += 10 {
		if a, b := r.Beta[k+5]/r.Beta[k], r.Beta[k+10]/r.Beta[k+5]; math.Abs(a/b-1) > 0.1 {
			t.Errorf("β rises %v-fold from rung %d, then %v-fold", a, k, b)
		}
	}
	if _, err := l.respace(make([]float64, 200), 10); err != nil {
		t.Errorf("a constant energy: %v", err)
	}
}

func TestLikelihoodOfImages(t *testing.T) {
	// A density that is uniform has log p = 0, and so 8 bits a dimension; twice as dense is a bit less.
	if b := Bits(0, 10); b != 8 {
		t.Errorf("uniform: %v bits per dimension", b)
	}
	if b := Bits(10*math.Ln2, 10); math.Abs(b-7) > 1e-12 {
		t.Errorf("twice as dense: %v bits per dimension", b)
	}
	// A Gaussian's own samples: -log p is its entropy.
	g, d := gaussian{0.5, 0.05}, 40
	a := newAnnealer(t, g, expr.Shape{d, 1, 1}, 1)
	energies, err := a.Energies(context.Background(), g.samples(2000*d, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	z := g.logZ(d, 1)
	l, err := Of(energies, d, 1, Estimate{LogZ: z - 0.1, Low: z - 0.2, High: z}, Estimate{LogZ: z + 0.1, Low: z, High: z + 0.2})
	if err != nil {
		t.Fatal(err)
	}
	entropy := float64(d) * (math.Log(g.s*math.Sqrt(2*math.Pi)) + 0.5)
	if !(l.Low < -entropy && -entropy < l.High) || l.High-l.Low < 0.4 || l.High-l.Low > 1 || math.Abs(l.LogLikelihood+entropy) > 0.3 {
		t.Errorf("%+v, want about %v", l, -entropy)
	}
	if !(l.BitsLow < l.Bits && l.Bits < l.BitsHigh) || math.Abs(l.Bits-(8+entropy/float64(d)/math.Ln2)) > 0.02 {
		t.Errorf("%+v", l)
	}
}

// The whole measurement, of images that come from the energy at T = 1 while the model is at T = ¼: the likelihood is that of the
// wrong temperature, and the right one is found among those that chains pass.
func TestMeasure(t *testing.T) {
	g, image := gaussian{0.5, 0.25}, expr.Shape{4, 4, 1}
	m := &model.Model{Energy: &energy.Energy{Image: image, Build: func(_ *energy.Params, x, _ *expr.Value) []*expr.Value {
		return []*expr.Value{g.energy(x)}
	}}}
	d, ctx, images := image.Size(), context.Background(), &dataset.Set{Name: "a", Height: 4, Width: 4, Channels: 1}
	for _, x := range g.samples(400*d, 1, 7) {
		images.Pixels = append(images.Pixels, uint8(min(256*x, 255)))
	}
	o := Defaults()
	o.Temperature, o.Rungs, o.BurnIn = 0.25, 600, 50
	var done, total int64
	o.Progress = func(_, _ string, made, all int64) { done, total = made, all }
	for _, o.From = range []Start{FromChains, FromData} {
		r, err := Measure(ctx, &cpu.Engine{Threads: 2}, m, images, o)
		if err != nil {
			t.Fatal(err)
		}
		if done != total || done == 0 {
			t.Errorf("%d transitions, announced %d", done, total)
		}
		want := -4*r.MeanEnergy - g.logZ(d, 4)
		if !(r.Low < want && want < r.High) || r.High-r.Low > 4 || math.Abs(r.Bits-Bits(want, d)) > 0.1 || r.Images != 400 {
			t.Errorf("%+v\nwant a log-likelihood of %v", r, want)
		}
		if r.Best.Temperature < 0.7 || r.Best.Temperature > 1.4 || r.Best.Bits >= r.Bits || r.Best.LogLikelihood <= r.LogLikelihood {
			t.Errorf("images of temperature 1 are described best at %+v", r.Best)
		}
	}
	if _, _, err := LogZ(ctx, &cpu.Engine{}, m, o); err == nil {
		t.Error("log Z from images that there are not")
	}
	o.From = FromChains
	up, down, err := LogZ(ctx, &cpu.Engine{Threads: 2}, m, o)
	if want := g.logZ(d, 1/o.Temperature); err != nil || !(up.Low-0.5 < want && want < down.High+0.5) {
		t.Errorf("log Z from %v to %v (%v), want %v", up.LogZ, down.LogZ, err, want)
	}
	// Images that the energy finds worse than noise are described best by the uniform distribution.
	o.Temperature, o.Rungs, o.Chains, o.BurnIn, o.From = 1, 50, 8, 0, FromChains
	images.Pixels = make([]uint8, 10*d)
	r, err := Measure(ctx, &cpu.Engine{}, m, images, o)
	if err != nil || r.Best != (AtTemperature{0, 0, 8}) || r.Bits < 8 {
		t.Errorf("black images: %+v, %v", r, err)
	}
	images.Pixels = images.Pixels[:d]
	if _, err := Measure(ctx, &cpu.Engine{}, m, images, o); err == nil {
		t.Error("a single image accepted")
	}
	m.Numbers = []model.Number{{Name: "x", Max: 1}}
	if _, err := Measure(ctx, &cpu.Engine{}, m, images, o); err == nil || !strings.Contains(err.Error(), "fix them") {
		t.Errorf("a model of numbers, which images have different ones of: %v", err)
	}
	m.Numbers = nil
	for name, change := range map[string]func(*Options){
		"no temperature": func(o *Options) { o.Temperature = math.NaN() },
		"start":          func(o *Options) { o.From = "noise" },
		"burn-in":        func(o *Options) { o.BurnIn = -1 },
	} {
		wrong := o
		change(&wrong)
		if _, err := Measure(ctx, &cpu.Engine{}, m, images, wrong); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Fewer than 0 bits are a sign of an estimate gone wrong, and are called so.
func TestFewerThanNoBits(t *testing.T) {
	for _, bits := range []float64{-0.1, 0.1} {
		r := Report{Likelihood: Likelihood{Bits: bits}, Best: AtTemperature{Temperature: 1, Bits: bits}}
		if warned := strings.Contains(strings.Join(r.Warnings(), " "), "underestimated"); warned != (bits < 0) {
			t.Errorf("of %v bits: %q", bits, r.Warnings())
		}
	}
}

func TestRefuses(t *testing.T) {
	ctx, a := context.Background(), newAnnealer(t, gaussian{0.5, 1}, expr.Shape{2, 2, 1}, 1)
	good := Ladder{Beta: []float64{0, 1}, Step: []float64{0.1, 0.1}}
	for name, l := range map[string]Ladder{
		"empty":         {},
		"not from 0":    {Beta: []float64{0.5, 1}, Step: []float64{0.1, 0.1}},
		"falling":       {Beta: []float64{0, 1, 0.5}, Step: []float64{0.1, 0.1, 0.1}},
		"long steps":    {Beta: []float64{0, 1}, Step: []float64{0.1, 1}},
		"missing steps": {Beta: []float64{0, 1}, Step: []float64{0.1}},
	} {
		if _, err := a.Forward(ctx, l, 2, 1); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := a.Reverse(ctx, good, make([]float32, 5), 1); err == nil {
		t.Error("images of five values accepted")
	}
	if _, err := a.Pilot(ctx, 0, 10, 10, 1); err == nil {
		t.Error("β of 0 accepted")
	}
	if _, err := NewAnnealer(&cpu.Engine{}, gaussian{0.5, 1}.energy, expr.Shape{2, 2, 1}, 0); err == nil {
		t.Error("no leapfrogs accepted")
	}
	if _, err := a.Reverse(ctx, good, []float32{0, 0, 0, float32(math.NaN())}, 1); err == nil {
		t.Error("an energy that is no number accepted")
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := a.Forward(cancelled, good, 2, 1); err == nil {
		t.Error("a cancelled run says nothing")
	}
}
