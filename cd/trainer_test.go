package cd_test

// This file trains small models for a few steps.

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

const side, batch = 12, 8

// settings are those of a small fast training.
func settings() cd.Settings {
	s := cd.PaperSettings()
	s.Threads, s.Steps, s.BufferSize, s.LearningRate = 1, 5, 64, 2e-3
	s.Terms = cd.PaperTerms(cd.Entropy{Neighbour: 1, References: 10, After: 2 * batch})
	s.Restart = 0.05
	return s
}

func newTrainer(t *testing.T, s cd.Settings, classes int) *cd.Trainer {
	t.Helper()
	model, err := energy.New("quick", energy.Options{Filters: 4, Image: expr.Shape{side, side, 1}, Classes: classes})
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := cd.NewTrainer(&cpu.Engine{Threads: 1}, model, s)
	if err != nil {
		t.Fatal(err)
	}
	return trainer
}

// bars are n pictures of a bright bar, upright for label 0 and lying for label 1, on a dark ground.
func bars(n int, seed uint64) (images []float32, labels []int32) {
	s := rng.New(seed)
	for range n {
		label, at := s.IntN(2), 2+s.IntN(side-4)
		labels = append(labels, int32(label))
		for p := range side * side {
			across := p % side
			if label == 1 {
				across = p / side
			}
			v := 0.1 * s.Float32()
			if across == at || across == at+1 {
				v += 0.8
			}
			images = append(images, v)
		}
	}
	return images, labels
}

func mustStep(t *testing.T, trainer *cd.Trainer, n int, conditional bool) (m cd.Metrics) {
	t.Helper()
	for range n {
		images, labels := bars(batch, uint64(trainer.Iteration)+100)
		if !conditional {
			labels = nil
		}
		var err error
		if m, err = trainer.Step(t.Context(), images, labels); err != nil {
			t.Fatalf("iteration %d: %v", trainer.Iteration+1, err)
		}
	}
	return m
}

// value is the measurement of that name; NaN if there is none.
func value(m []cd.Measurement, name string) float64 {
	for _, x := range m {
		if x.Name == name {
			return x.Value
		}
	}
	return math.NaN()
}

// energies are E of images under the averaged weights.
func energies(t *testing.T, trainer *cd.Trainer, images []float32, labels []int32) []float32 {
	t.Helper()
	classes := 0
	if labels != nil {
		classes = 2
	}
	model, err := energy.New("quick", energy.Options{Filters: 4, Image: expr.Shape{side, side, 1}, Classes: classes})
	if err != nil {
		t.Fatal(err)
	}
	params, err := model.Params()
	if err != nil {
		t.Fatal(err)
	}
	var label *expr.Value
	if classes > 0 {
		label = expr.Input("label", expr.Shape{1, 1, classes})
	}
	p, err := (&cpu.Engine{Threads: 1}).Compile(energy.Sum(model.Build(params, expr.Input("x", model.Image), label)))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Bind(trainer.Named(trainer.Averaged)); err != nil {
		t.Fatal(err)
	}
	e := make([]float32, len(images)/(side*side))
	err = p.Run(t.Context(), engine.Call{Batch: len(e), Outputs: [][]float32{e},
		Inputs: map[string][]float32{"x": images, "label": cd.OneHot(labels, classes)}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// lower is the share of pairs in which an image of a has less energy than one of b: the AUROC.
func lower(a, b []float32) float64 {
	n := 0
	for _, x := range a {
		for _, y := range b {
			if x < y {
				n++
			}
		}
	}
	return float64(n) / float64(len(a)*len(b))
}

// Every way to train learns to tell what it has seen from noise and from blurred nothing.
func TestTrainingLearns(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*cd.Settings)
		classes int
	}{
		"langevin": {func(*cd.Settings) {}, 0},
		"annealed": {func(s *cd.Settings) { s.Sampler = mcmc.Langevin{StepSize: 20, Sigma: 0.01, Anneal: true} }, 0},
		"hmc": {func(s *cd.Settings) {
			s.Sampler = mcmc.HMC{StepSize: 0.02, Leapfrogs: 3, Temperature: 1e-4}
		}, 0},
		"mala":        {func(s *cd.Settings) { s.Sampler = mcmc.MALA{StepSize: 2e-4, Temperature: 1e-4} }, 0},
		"all steps":   {func(s *cd.Settings) { s.AllSteps = true }, 0},
		"conditional": {func(*cd.Settings) {}, 2},
		"plain":       {func(s *cd.Settings) { s.Terms = s.Terms[:2] }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings()
			s.Sampler = mcmc.Langevin{StepSize: 20, Sigma: 0.005}
			test.change(&s)
			trainer := newTrainer(t, s, test.classes)
			m := mustStep(t, trainer, 150, test.classes > 0)
			seen, labels := bars(40, 1)
			noise := make([]float32, len(seen))
			mcmc.FillNoise(noise, side*side, 5, 0)
			if test.classes == 0 {
				labels = nil
			}
			a, b := energies(t, trainer, seen, labels), energies(t, trainer, noise, labels)
			// A wide margin: kernels round differently, and training amplifies that.
			if auroc := lower(a, b); auroc < 0.75 {
				t.Errorf("bars have less energy than noise in %v of the pairs; last %+v", auroc, m)
			}
			if test.classes > 0 {
				swapped := slices.Clone(labels)
				for i := range swapped {
					swapped[i] = 1 - swapped[i]
				}
				t.Logf("right labels have less energy in %v of the pairs", lower(a, energies(t, trainer, seen, swapped)))
			}
			t.Logf("acceptance %v, displacement %v", m.Acceptance, m.Displacement)
		})
	}
}

// state is all of a trainer that a step may change.
func state(t *testing.T, tr *cd.Trainer) [][]float32 {
	t.Helper()
	if err := tr.Pull(); err != nil {
		t.Fatal(err)
	}
	images := make([]float32, 200*side*side)
	s := rng.New(1)
	if err := tr.Buffer.Draw(images, make([]int32, 0), mcmc.Start{}, 1, &s); err != nil {
		t.Fatal(err)
	}
	return [][]float32{slices.Clone(tr.Parameters), slices.Clone(tr.Averaged), slices.Clone(tr.Adam.Mean), slices.Clone(tr.Adam.Square),
		{float32(tr.Iteration), float32(tr.Attempt), float32(tr.RateScale), float32(tr.Adam.Updates), float32(tr.Buffer.Len())}, images}
}

func equal(a, b [][]float32) bool {
	return slices.EqualFunc(a, b, func(a, b []float32) bool {
		return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
	})
}

// A step that diverges or is cancelled changes nothing.
func TestDivergenceIsNoticedAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(tr *cd.Trainer, data []float32)
		words string
	}{
		"weights no numbers": {func(tr *cd.Trainer, _ []float32) { tr.Parameters[3] = float32(math.NaN()) }, "NaN"},
		"infinite weights":   {func(tr *cd.Trainer, _ []float32) { tr.Parameters[3] = float32(math.Inf(1)) }, "NaN"},
		"data no numbers":    {func(_ *cd.Trainer, data []float32) { data[7] = float32(math.NaN()) }, "NaN"},
		"exploding":          {func(tr *cd.Trainer, _ []float32) { tr.Parameters[len(tr.Parameters)-1] += 11 }, "beyond"},
		"falling":            {func(tr *cd.Trainer, _ []float32) { tr.Parameters[len(tr.Parameters)-1] -= 11 }, "beyond"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrainer(t, settings(), 0)
			mustStep(t, tr, 3, false)
			data, _ := bars(batch, 1)
			test.spoil(tr, data)
			before := state(t, tr)
			_, err := tr.Step(t.Context(), data, nil)
			if !errors.Is(err, cd.ErrDiverged) {
				t.Fatalf("the step says %v", err)
			}
			if !strings.Contains(err.Error(), test.words) {
				t.Errorf("error %q, want one with %q", err, test.words)
			}
			if !equal(state(t, tr), before) {
				t.Error("a step that diverged changed the state")
			}
		})
	}
}

// collapsing are settings of chains that do not move. With [mustCollapse] they all start from one picture too.
func collapsing() cd.Settings {
	s := settings()
	s.Restart, s.Sampler = 0, mcmc.Langevin{StepSize: 1e-6}
	return s
}

// mustCollapse has chains that all start from one picture, and do not move, end in one picture, which is to be noticed.
func mustCollapse(t *testing.T, tr *cd.Trainer) {
	t.Helper()
	one, _ := bars(1, 1)
	r := rng.New(1)
	if err := tr.Buffer.Add(slices.Repeat(one, 10), nil, 0, &r); err != nil {
		t.Fatal(err)
	}
	data, _ := bars(batch, 2)
	before := state(t, tr)
	if _, err := tr.Step(t.Context(), data, nil); !errors.Is(err, cd.ErrDiverged) || !strings.Contains(err.Error(), "look alike") {
		t.Errorf("the step says %v", err)
	}
	if !equal(state(t, tr), before) {
		t.Error("a step that collapsed changed the state")
	}
}

func TestCollapseIsNoticed(t *testing.T) { mustCollapse(t, newTrainer(t, collapsing(), 0)) }

func TestCancelledStepChangesNothing(t *testing.T) {
	tr := newTrainer(t, settings(), 0)
	mustStep(t, tr, 3, false)
	before := state(t, tr)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	data, _ := bars(batch, 1)
	if _, err := tr.Step(ctx, data, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("the step says %v", err)
	}
	if !equal(state(t, tr), before) {
		t.Error("a cancelled step changed the state")
	}
}

// Before an update changes anything it waits for whoever still reads the state.
func TestBeforeUpdate(t *testing.T) {
	tr := newTrainer(t, settings(), 0)
	mustStep(t, tr, 2, false)
	before, asked, refusal := state(t, tr), 0, errors.New("not yet")
	tr.BeforeUpdate = func() error {
		if asked++; !equal(before, state(t, tr)) {
			t.Error("the state has changed")
		}
		return refusal
	}
	images, _ := bars(batch, 1)
	if _, err := tr.Step(context.Background(), images, nil); !errors.Is(err, refusal) || asked != 1 {
		t.Errorf("error %v after %d calls, want %v after one", err, asked, refusal)
	}
	if !equal(before, state(t, tr)) {
		t.Error("a step that was refused has changed the state")
	}
}

// The state is all in the exported fields: another trainer given them goes on as the first.
func TestStateIsComplete(t *testing.T) {
	a, b := newTrainer(t, settings(), 0), newTrainer(t, settings(), 0)
	mustStep(t, a, 5, false)
	copyState(t, b, a)
	mustStep(t, a, 5, false)
	mustStep(t, b, 5, false)
	if !equal(state(t, a), state(t, b)) {
		t.Error("a trainer with the same fields went another way")
	}
}

// Another attempt has other noise and, with it, other ends of the chains from the same state.
func TestAttemptsDiffer(t *testing.T) {
	samples := map[float64]bool{}
	for attempt := range int64(3) {
		tr := newTrainer(t, settings(), 0)
		tr.Attempt = attempt
		samples[mustStep(t, tr, 1, false).EnergyNeg] = true
	}
	if len(samples) != 3 {
		t.Errorf("three attempts have %d energies of samples", len(samples))
	}
}

func TestLearningRate(t *testing.T) {
	s := settings()
	s.Warmup = 4
	tr := newTrainer(t, s, 0)
	for i, want := range []float64{0.25, 0.5, 0.75, 1, 1} {
		if m := mustStep(t, tr, 1, false); math.Abs(m.LearningRate-want*s.LearningRate) > 1e-12 {
			t.Errorf("iteration %d: the learning rate is %v, want %v of %v", i+1, m.LearningRate, want, s.LearningRate)
		}
	}
	tr.RateScale = 0.5
	if m := mustStep(t, tr, 1, false); m.LearningRate != s.LearningRate/2 {
		t.Errorf("halved, the learning rate is %v", m.LearningRate)
	}
}

// Measuring each term's gradient on its own makes the same update, rounding aside.
func TestDiagnosisChangesNothing(t *testing.T) {
	plain := settings()
	often := settings()
	often.DiagnoseEvery = 1
	a, b := newTrainer(t, plain, 0), newTrainer(t, often, 0)
	for range 5 {
		m, d := mustStep(t, a, 1, false), mustStep(t, b, 1, false)
		if len(m.Gradients) > 0 {
			t.Errorf("gradients of terms without being asked: %+v", m)
		}
		opt, ent := value(d.Gradients, "opt"), value(d.Gradients, "ent")
		contrastive := value(d.Gradients, "cd")
		entropy := d.Iteration > 3 // the buffer held more than two batches
		if !(contrastive > 0) || !(opt > 0) || (ent > 0) != entropy || (value(d.Terms, "ent") != 0) != entropy || len(d.Terms) != 4 {
			t.Errorf("iteration %d: gradients of the terms %v, terms %v", d.Iteration, d.Gradients, d.Terms)
		}
		if sum := contrastive + opt + 0.3*max(0, ent); d.GradNorm > sum*(1+1e-5) {
			t.Errorf("iteration %d: the gradient's norm %v is more than its parts' %v", d.Iteration, d.GradNorm, sum)
		}
		if math.Abs(m.GradNorm-d.GradNorm) > 1e-5*m.GradNorm || math.Abs(m.Loss-d.Loss) > 1e-5*math.Abs(m.Loss) {
			t.Errorf("iteration %d: diagnosed, the norm is %v, want %v; the loss %v, want %v", d.Iteration, d.GradNorm, m.GradNorm, d.Loss, m.Loss)
		}
		copyState(t, b, a) // training amplifies roundings from one iteration to the next
	}
}

// With one step there is nothing more to differentiate through than the last step; without noise the two ways see the same numbers.
func TestAllOfOneStepIsTheLastStep(t *testing.T) {
	s := settings()
	s.Steps, s.Sampler = 1, mcmc.Langevin{StepSize: 100}
	s.Terms = cd.PaperTerms(cd.Entropy{References: 10, After: -1})
	a := newTrainer(t, s, 0)
	s.AllSteps = true
	b := newTrainer(t, s, 0)
	m, u := mustStep(t, a, 1, false), mustStep(t, b, 1, false)
	if math.Abs(m.EnergyNeg-u.EnergyNeg) > 1e-6 || math.Abs(m.GradNorm-u.GradNorm) > 1e-4*m.GradNorm || math.Abs(m.Displacement-u.Displacement) > 1e-6 ||
		value(m.Terms, "ent") == 0 || math.Abs(m.Loss-u.Loss) > 1e-5 {
		t.Errorf("all steps %+v, the last %+v", u, m)
	}
}

// With more of them the samples are those of the same chain, but the gradient of the KL term is another.
func TestAllStepsDifferentiateThroughTheChain(t *testing.T) {
	s := settings()
	s.DiagnoseEvery, s.Sampler = 1, mcmc.Langevin{StepSize: 100}
	a := newTrainer(t, s, 0)
	s.AllSteps = true
	b := newTrainer(t, s, 0)
	m, u := mustStep(t, a, 1, false), mustStep(t, b, 1, false)
	if math.Abs(m.EnergyNeg-u.EnergyNeg) > 1e-5 || math.Abs(value(m.Gradients, "cd")-value(u.Gradients, "cd")) > 1e-3*value(m.Gradients, "cd") {
		t.Errorf("all steps end elsewhere: %+v, want %+v", u, m)
	}
	if last, all := value(m.Gradients, "opt"), value(u.Gradients, "opt"); math.Abs(last-all) < 1e-2*last {
		t.Errorf("the gradient of L_opt is %v through all steps and %v through the last", all, last)
	}
}

func TestHealthy(t *testing.T) {
	good := cd.Metrics{EnergyPos: -9.9, EnergyNeg: 9.9, Diversity: 0.02, DataDiversity: 1}
	if err := good.Healthy(); err != nil {
		t.Errorf("%+v: %v", good, err)
	}
	for _, spoil := range []func(*cd.Metrics){
		func(m *cd.Metrics) { m.Loss = math.NaN() },
		func(m *cd.Metrics) { m.Loss = math.Inf(-1) },
		func(m *cd.Metrics) { m.GradNorm = math.Inf(1) },
		func(m *cd.Metrics) { m.EnergyPos = math.NaN() },
		func(m *cd.Metrics) { m.EnergyNeg = math.NaN() },
		func(m *cd.Metrics) { m.EnergyPos = -10.1 },
		func(m *cd.Metrics) { m.EnergyNeg = 10.1 },
		func(m *cd.Metrics) { m.Diversity = 0.009 },
	} {
		m := good
		spoil(&m)
		if err := m.Healthy(); !errors.Is(err, cd.ErrDiverged) {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

func TestNewTrainerRefuses(t *testing.T) {
	model, err := energy.New("quick", energy.Options{Filters: 2, Image: expr.Shape{side, side, 1}})
	if err != nil {
		t.Fatal(err)
	}
	loss := cd.Contrastive
	for want, spoil := range map[string]func(*cd.Settings){
		"steps 0":         func(s *cd.Settings) { s.Steps = 0 },
		"buffer size 0":   func(s *cd.Settings) { s.BufferSize = 0 },
		"no term":         func(s *cd.Settings) { s.Terms = nil },
		"term ent":        func(s *cd.Settings) { s.Terms = cd.PaperTerms(cd.Entropy{}) }, // no references
		`"L_cd"`:          func(s *cd.Settings) { s.Terms[0].Name = "L_cd" },
		`"a/b"`:           func(s *cd.Settings) { s.Terms[0].Gradient = "a/b" },
		"total":           func(s *cd.Settings) { s.Terms[0].Name = "total" },
		"norm":            func(s *cd.Settings) { s.Terms[0].Gradient = "norm" },
		"two terms":       func(s *cd.Settings) { s.Terms[0].Name = "reg" },
		"weight is NaN":   func(s *cd.Settings) { s.Terms[0].Weight = math.NaN() },
		"no function":     func(s *cd.Settings) { s.Terms[0].Loss = nil },
		"returns nothing": func(s *cd.Settings) { s.Terms[0].Loss = func(*cd.Batch) *expr.Value { return nil } },
		"shapes": func(s *cd.Settings) {
			s.Terms[0].Loss = func(b *cd.Batch) *expr.Value { return expr.Add(b.Positive.X, expr.Input("y", expr.Shape{5, 5, 5})) }
		},
		"one number": func(s *cd.Settings) {
			s.Terms[0].Loss = func(b *cd.Batch) *expr.Value { return b.Energies(b.Positive)[0] }
		},
		"waits for 65 images": func(s *cd.Settings) { s.Terms[3].Buffer = 65 },
		"all terms wait":      func(s *cd.Settings) { s.Terms = []cd.Term{{Name: "late", Weight: 1, Buffer: 1, Loss: loss}} },
	} {
		s := settings()
		spoil(&s)
		if _, err := cd.NewTrainer(&cpu.Engine{}, model, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
	if _, err := cd.NewTrainer(&cpu.Engine{}, &energy.Energy{}, settings()); err == nil {
		t.Error("an energy without a function is accepted")
	}
}

func TestOneHot(t *testing.T) {
	if got := cd.OneHot([]int32{1, 0, 5, -1}, 2); !slices.Equal(got, []float32{0, 1, 1, 0, 0, 0, 0, 0}) {
		t.Errorf("one-hot: %v", got)
	}
	if got := cd.OneHot(nil, 0); got != nil {
		t.Errorf("unconditional: %v", got)
	}
}

// Labels that are numbers are what the settings say they are: with one-hot ones training is that of classes, with others it is not.
func TestConditions(t *testing.T) {
	weights := func(conditions []float32) [][]float32 {
		s := settings()
		s.Conditions = conditions
		tr := newTrainer(t, s, 2)
		mustStep(t, tr, 8, true)
		mustStep(t, tr, 8, true)
		return [][]float32{tr.Parameters, tr.Averaged}
	}
	classes := weights(nil)
	if !equal(classes, weights([]float32{1, 0, 0, 1})) {
		t.Error("one-hot conditions train otherwise than classes")
	}
	if equal(classes, weights([]float32{1, 0.5, 0.5, 1})) {
		t.Error("other conditions make no difference")
	}
	model, err := energy.New("quick", energy.Options{Filters: 4, Image: expr.Shape{side, side, 1}, Classes: 2})
	if err != nil {
		t.Fatal(err)
	}
	s := settings()
	s.Conditions = []float32{1, 2, 3}
	if _, err := cd.NewTrainer(&cpu.Engine{}, model, s); err == nil {
		t.Error("half a condition accepted")
	}
}

// Labels that a conditional energy does not know, or too few of them, are an error and no panic, and leave everything as it was.
func TestLabelsOutOfRange(t *testing.T) {
	images, _ := bars(3, 3)
	for _, conditions := range [][]float32{nil, {1, 0, 0, 1}} {
		s := settings()
		s.Conditions = conditions
		tr := newTrainer(t, s, 2)
		before := slices.Clone(tr.Parameters)
		for _, labels := range [][]int32{{0, 1, 2}, {0, -1, 1}, {0, 1}, nil} {
			if _, err := tr.Step(t.Context(), images, labels); err == nil || tr.Iteration != 0 || tr.Buffer.Len() != 0 || !slices.Equal(tr.Parameters, before) {
				t.Errorf("labels %v, conditions %v: %v", labels, conditions, err)
			}
		}
	}
}

// Of chains that are relabelled, half start from the data, and all under labels drawn evenly, whatever those of the data are.
func TestRelabel(t *testing.T) {
	const n = 400
	images, labels := bars(n, 3)
	for i := range labels {
		labels[i] = 0
	}
	for _, share := range []float64{0, 0.5, 1} {
		s := settings()
		s.Relabel, s.Steps, s.Sampler, s.BufferSize = share, 1, mcmc.Langevin{StepSize: 1e-9}, n
		tr := newTrainer(t, s, 2)
		if _, err := tr.Step(t.Context(), images, labels); err != nil {
			t.Fatal(err)
		}
		var draw rng.Stream
		starts, under := make([]float32, len(images)), make([]int32, n)
		if err := tr.Buffer.Draw(starts, under, mcmc.Start{}, 1, &draw); err != nil {
			t.Fatal(err)
		}
		fromData, ones := 0, 0
		for i := range n {
			mean := float32(0)
			for _, v := range starts[i*side*side:][:side*side] {
				mean += v / side / side
			}
			if mean < 0.35 { // dark ground with a bar; noise has 0.5
				fromData++
				ones += int(under[i])
			}
		}
		if want := share / 2 * n; math.Abs(float64(fromData)-want) > 40 {
			t.Errorf("share %v: %d of %d chains start from the data, want some %.0f", share, fromData, n, want)
		}
		if want := float64(fromData) / 2; math.Abs(float64(ones)-want) > 40 {
			t.Errorf("share %v: %d of %d chains from the data are under label 1, want some %.0f", share, ones, fromData, want)
		}
	}
}

// copyState has one trainer go on as another.
func copyState(t *testing.T, to, from *cd.Trainer) {
	t.Helper()
	to.Iteration, to.Attempt, to.RateScale, to.Adam = from.Iteration, from.Attempt, from.RateScale, from.Adam
	to.Parameters, to.Averaged = slices.Clone(from.Parameters), slices.Clone(from.Averaged)
	to.Adam.Mean, to.Adam.Square = slices.Clone(from.Adam.Mean), slices.Clone(from.Adam.Square)
	to.Buffer = copyOf(t, from.Buffer)
}

func copyOf(t *testing.T, b *mcmc.Buffer) *mcmc.Buffer {
	t.Helper()
	twin, err := mcmc.NewBuffer(settings().BufferSize, side, side, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	var saved bytes.Buffer
	if _, err := b.WriteTo(&saved); err != nil {
		t.Fatal(err)
	}
	if _, err := twin.ReadFrom(&saved); err != nil {
		t.Fatal(err)
	}
	return twin
}
