package cd_test

// This file trains where the engine keeps the state and makes an iteration one program: the CPU engine, with stores and sequences of
// package enginetest. What devices do with them is tested in engine/xla.

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
	"github.com/joule-ebm/joule/mcmc"
)

func newKept(t *testing.T, s cd.Settings, classes int) (*cd.Trainer, *enginetest.Kept) {
	t.Helper()
	model, err := energy.New("quick", energy.Options{Filters: 4, Image: expr.Shape{side, side, 1}, Classes: classes})
	if err != nil {
		t.Fatal(err)
	}
	e := &enginetest.Kept{Engine: &cpu.Engine{Threads: 1}}
	trainer, err := cd.NewTrainer(e, model, s)
	if err != nil {
		t.Fatal(err)
	}
	return trainer, e
}

// An iteration of one program is the iteration, to rounding, whatever chains and loss are. Where the gradients of terms are measured it is
// several programs, and the same.
func TestKeptIterationIsTheSame(t *testing.T) {
	const iterations = 4
	for name, test := range map[string]struct {
		change  func(*cd.Settings)
		classes int
		several int // iterations of several programs
	}{
		"langevin":  {func(*cd.Settings) {}, 0, 0},
		"annealed":  {func(s *cd.Settings) { s.Sampler = mcmc.Langevin{StepSize: 20, Sigma: 0.01, Anneal: true} }, 0, 0},
		"hmc":       {func(s *cd.Settings) { s.Sampler = mcmc.HMC{StepSize: 0.02, Leapfrogs: 3, Temperature: 1e-4} }, 0, 0},
		"mala":      {func(s *cd.Settings) { s.Sampler = mcmc.MALA{StepSize: 2e-4, Temperature: 1e-4} }, 0, 0},
		"all steps": {func(s *cd.Settings) { s.AllSteps = true }, 0, 0},
		"all of hmc": {func(s *cd.Settings) {
			s.AllSteps, s.Sampler = true, mcmc.HMC{StepSize: 0.02, Leapfrogs: 2, Temperature: 1e-4}
		}, 0, 0},
		"conditional": {func(*cd.Settings) {}, 2, 0},
		"plain":       {func(s *cd.Settings) { s.Terms = s.Terms[:2] }, 0, 0},
		"not clipped": {func(s *cd.Settings) { s.ClipNorm = 0 }, 0, 0},
		"diagnosed":   {func(s *cd.Settings) { s.DiagnoseEvery = 2 }, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings()
			s.Warmup, s.Epsilon = 2, 1e-3 // a large ε: steps whose size does not depend on the gradient's multiply its rounding
			test.change(&s)
			host := newTrainer(t, s, test.classes)
			s.Terms = slices.Clone(s.Terms)
			for i := range s.Terms {
				s.Terms[i].First = 3 // but there all terms look at all images
			}
			kept, e := newKept(t, s, test.classes)
			for range iterations {
				start := slices.Clone(host.Parameters)
				m, k := mustStep(t, host, 1, test.classes > 0), mustStep(t, kept, 1, test.classes > 0)
				for what, v := range map[string][2]float64{
					"loss": {m.Loss, k.Loss}, "norm": {m.GradNorm, k.GradNorm}, "E⁺": {m.EnergyPos, k.EnergyPos}, "E⁻": {m.EnergyNeg, k.EnergyNeg},
					"L_ent": {value(m.Terms, "ent"), value(k.Terms, "ent")}, "acceptance": {m.Acceptance, k.Acceptance}, "rate": {m.LearningRate, k.LearningRate},
					"displacement": {m.Displacement, k.Displacement}, "diversity": {m.Diversity, k.Diversity}, "of data": {m.DataDiversity, k.DataDiversity},
				} {
					if math.Abs(v[0]-v[1]) > 1e-3*math.Abs(v[0])+1e-6 {
						t.Errorf("iteration %d: %s is %v, want %v", m.Iteration, what, v[1], v[0])
					}
				}
				if err := kept.Pull(); err != nil {
					t.Fatal(err)
				}
				way := apart(host.Parameters, start)
				for what, v := range map[string][2][]float32{"parameters": {host.Parameters, kept.Parameters}, "average": {host.Averaged, kept.Averaged},
					"means": {host.Adam.Mean, kept.Adam.Mean}, "squares": {host.Adam.Square, kept.Adam.Square}} {
					if off := apart(v[0], v[1]); off > 1e-3*way || way == 0 {
						t.Errorf("iteration %d: the %s are %v away from the host's, which went %v", m.Iteration, what, off, way)
					}
				}
				if kept.Iteration != host.Iteration || kept.Adam.Updates != host.Adam.Updates || kept.Buffer.Len() != host.Buffer.Len() {
					t.Errorf("iteration %d of %d, %d updates", kept.Iteration, host.Iteration, kept.Adam.Updates)
				}
				copy(kept.Parameters, host.Parameters) // training multiplies roundings from one iteration to the next
				copy(kept.Averaged, host.Averaged)
				copy(kept.Adam.Mean, host.Adam.Mean)
				copy(kept.Adam.Square, host.Adam.Square)
				kept.Push()
			}
			if want := iterations - test.several; e.Runs != want {
				t.Errorf("%d iterations of one program, want %d", e.Runs, want)
			}
		})
	}
}

// apart is a Euclidean distance.
func apart(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += math.Pow(float64(a[i]-b[i]), 2)
	}
	return math.Sqrt(sum)
}

// The device finds what [cd.Metrics.Healthy] finds, and leaves everything as it was.
func TestKeptDivergenceChangesNothing(t *testing.T) {
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
			tr, e := newKept(t, settings(), 0)
			mustStep(t, tr, 3, false)
			data, _ := bars(batch, 1)
			if err := tr.Pull(); err != nil {
				t.Fatal(err)
			}
			test.spoil(tr, data)
			tr.Push()
			before := state(t, tr)
			if _, err := tr.Step(t.Context(), data, nil); !errors.Is(err, cd.ErrDiverged) || !strings.Contains(err.Error(), test.words) || e.Runs != 4 {
				t.Fatalf("the step says %v, after %d iterations of one program", err, e.Runs)
			}
			if !equal(state(t, tr), before) {
				t.Error("a step that diverged changed the state")
			}
		})
	}
	t.Run("collapse", func(t *testing.T) {
		tr, _ := newKept(t, collapsing(), 0)
		mustCollapse(t, tr)
	})
}

// Where a device has made the update, whoever refuses it ends training after the iteration.
func TestKeptUpdateIsRefused(t *testing.T) {
	tr, _ := newKept(t, settings(), 0)
	mustStep(t, tr, 2, false)
	before, refusal := state(t, tr), errors.New("not yet")
	tr.BeforeUpdate = func() error {
		if !slices.Equal(tr.Parameters, before[0]) || tr.Buffer.Len() != 2*batch {
			t.Error("what is read before Pull has changed")
		}
		return refusal
	}
	images, _ := bars(batch, uint64(tr.Iteration)+100)
	if _, err := tr.Step(t.Context(), images, nil); !errors.Is(err, refusal) || tr.Iteration != 3 {
		t.Fatalf("%v, in iteration %d", err, tr.Iteration)
	}
	twin, _ := newKept(t, settings(), 0)
	mustStep(t, twin, 3, false)
	if !equal(state(t, tr), state(t, twin)) {
		t.Error("another state than that of three iterations")
	}
}
