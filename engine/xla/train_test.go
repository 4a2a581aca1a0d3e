//go:build xla

package xla

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/mcmc"
)

// small are a training's images and their number in a batch.
var (
	trainImage = expr.Shape{16, 16, 1}
	trainBatch = 8
)

// newTraining is that of a small network.
func newTraining(t *testing.T, e engine.Engine) *cd.Trainer { return newTrainer(t, e, cd.Settings{}) }

// newTrainer has an engine for chains, and measures the gradients of terms now and then, as the settings say.
func newTrainer(t *testing.T, e engine.Engine, given cd.Settings) *cd.Trainer {
	t.Helper()
	model, err := energy.New("quick", energy.Options{Filters: 4, Image: trainImage})
	if err != nil {
		t.Fatal(err)
	}
	s := cd.PaperSettings()
	s.Steps, s.BufferSize, s.LearningRate, s.Epsilon = 5, 64, 0.02, 1
	s.DiagnoseEvery, s.ChainEngine = given.DiagnoseEvery, given.ChainEngine
	s.Sampler = mcmc.Langevin{StepSize: 10, Sigma: 0.001}
	s.Terms = cd.PaperTerms(cd.Entropy{Neighbour: 1, References: 10, After: 2 * trainBatch})
	trainer, err := cd.NewTrainer(e, model, s)
	if err != nil {
		t.Fatal(err)
	}
	return trainer
}

// bars are images of upright bars, unlike the noise that chains start from.
func bars(seed uint64) []float32 {
	images := make([]float32, trainBatch*trainImage.Size())
	s := rng.New(7, seed)
	s.FillUniform(images)
	for j := range images {
		images[j] *= 0.2
		if j%trainImage[1]%4 < 2 {
			images[j] += 0.8
		}
	}
	return images
}

// advance makes an update, and brings the fields up to date.
func advance(t *testing.T, trainer *cd.Trainer) cd.Metrics {
	t.Helper()
	m, err := trainer.Step(t.Context(), bars(uint64(trainer.Iteration)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := trainer.Pull(); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTraining: a training follows the CPU engine's, from the same start, on the same data and with the same noise. The two differ in
// rounding, which chains and training multiply; how fast is measured on the CPU engine itself, with kernels that round in another order.
// In two iterations this engine comes no more than ten times as far away. From the third on it may happen that an image's nearest
// neighbour is another one, and soon each has gone its own way; in a hundred iterations (JOULE_LONG=1) the chains must on average go as far
// as the CPU engine's, and the energies of data and samples must stay as near to each other.
//
// Adam's ε is large: otherwise its first steps are of one size, whatever the gradient's, and where that is zero but for rounding they
// are up or down by chance.
func TestTraining(t *testing.T) {
	e := plugin(t, 1)
	e.flags = nil
	first, other, xla := newTraining(t, &cpu.Engine{}), newTraining(t, &cpu.Engine{Kernels: kernels.Portable()}), newTraining(t, e)
	start := slices.Clone(first.Parameters)
	const followed = 2
	iterations := followed
	if os.Getenv("JOULE_LONG") == "1" {
		iterations = 100
	}
	var want, got struct{ moved, gap float64 }
	for i := range iterations {
		m, n := advance(t, first), advance(t, xla)
		want.moved, got.moved = want.moved+m.Displacement, got.moved+n.Displacement
		want.gap, got.gap = want.gap+m.EnergyNeg-m.EnergyPos, got.gap+n.EnergyNeg-n.EnergyPos
		if i >= followed {
			continue
		}
		advance(t, other)
		// As a part of the way that the parameters have gone.
		way := distance(first.Parameters, start)
		kernels, apart := distance(other.Parameters, first.Parameters)/way, distance(xla.Parameters, first.Parameters)/way
		t.Logf("iteration %d: other kernels are %.1e of the way apart, XLA %.1e", i+1, kernels, apart)
		if !(apart <= 10*kernels+1e-5) {
			t.Errorf("iteration %d: the parameters are %.1e of their way apart, with other kernels %.1e", i+1, apart, kernels)
		}
	}
	n := float64(iterations)
	t.Logf("%d iterations: chains move pixels by %.4f, the CPU engine's by %.4f; the gap of the energies is %.4f, and %.4f", iterations,
		got.moved/n, want.moved/n, got.gap/n, want.gap/n)
	if !(math.Abs(got.moved-want.moved) <= 0.25*want.moved) || !(math.Abs(got.gap-want.gap) <= 0.1*math.Abs(want.gap)+0.01*n) {
		t.Error("that is not the same training")
	}
}

// distance is Euclidean.
func distance(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}

// onHost hides that an engine has stores.
type onHost struct{ engine.Engine }

// TestTrainingOnDevice: the state may be on the host, on a device or on several, it may be taken from there and put back, and a gradient
// may pass through the host on its way: each is the same training.
func TestTrainingOnDevice(t *testing.T) {
	const iterations = 2
	host := newTraining(t, onHost{plugin(t, 1)})
	start := slices.Clone(host.Parameters)
	for range iterations {
		advance(t, host)
	}
	near := func(what string, got, host *cd.Trainer) {
		t.Helper()
		for _, v := range []struct {
			name      string
			got, want []float32
		}{{"parameters", got.Parameters, host.Parameters}, {"average", got.Averaged, host.Averaged}, {"squares", got.Adam.Square, host.Adam.Square}} {
			if off, size := distance(v.got, v.want), distance(v.want, start); !(off <= 1e-3*size+2e-6) || size == 0 {
				t.Errorf("%s: the %s are %.2g of %.2g away from those of a training on the host", what, v.name, off, size)
			}
		}
		if got.Adam.Updates != host.Adam.Updates || got.Iteration != host.Iteration {
			t.Errorf("%s: %d updates in %d iterations, want %d in %d", what, got.Adam.Updates, got.Iteration, host.Adam.Updates, host.Iteration)
		}
	}
	for _, devices := range []int{1, 3} {
		trainer := newTraining(t, plugin(t, devices))
		for range iterations {
			advance(t, trainer)
		}
		near(fmt.Sprint(devices, " devices"), trainer, host)
	}

	diagnosed := newTrainer(t, plugin(t, 1), cd.Settings{DiagnoseEvery: 1})
	for range iterations {
		if m := advance(t, diagnosed); len(m.Gradients) == 0 {
			t.Error("no gradients of terms")
		}
	}
	near("diagnosed", diagnosed, host)

	one := plugin(t, 1)
	split := *one
	split.Precision = engine.Split
	inSplit, onHostInSplit := newTrainer(t, one, cd.Settings{ChainEngine: &split}), newTrainer(t, onHost{one}, cd.Settings{ChainEngine: onHost{&split}})
	for range iterations {
		advance(t, inSplit)
		advance(t, onHostInSplit)
	}
	near("chains in split", inSplit, onHostInSplit)

	begun := newTraining(t, plugin(t, 1))
	advance(t, begun)
	resumed := newTraining(t, plugin(t, 1))
	advance(t, resumed) // of which nothing must be left
	resumed.Iteration, resumed.Adam.Updates, resumed.Buffer = begun.Iteration, begun.Adam.Updates, begun.Buffer
	copy(resumed.Parameters, begun.Parameters)
	copy(resumed.Averaged, begun.Averaged)
	copy(resumed.Adam.Mean, begun.Adam.Mean)
	copy(resumed.Adam.Square, begun.Adam.Square)
	resumed.Push()
	for range iterations - 1 {
		advance(t, resumed)
	}
	near("resumed", resumed, host)

	// What has diverged is noticed on the device: nothing is updated.
	resumed.Parameters[len(resumed.Parameters)-1] += 11
	resumed.Push()
	before := [][]float32{slices.Clone(resumed.Parameters), slices.Clone(resumed.Averaged), slices.Clone(resumed.Adam.Mean), slices.Clone(resumed.Adam.Square)}
	if _, err := resumed.Step(t.Context(), bars(9), nil); !errors.Is(err, cd.ErrDiverged) {
		t.Errorf("energies beyond all limits: %v", err)
	}
	if err := resumed.Pull(); err != nil {
		t.Fatal(err)
	}
	enginetest.Same(t, "diverged", [][]float32{resumed.Parameters, resumed.Averaged, resumed.Adam.Mean, resumed.Adam.Square}, before)
}

// TestAhead: once the first iteration is made, all programs of a training are made ready in the background, so that it stands still for none:
// not where an iteration measures no gradients of terms, nor where the entropy term joins, nor where its gradient is measured.
func TestAhead(t *testing.T) {
	e := plugin(t, 1)
	ready := make(chan struct{}, 100)
	e.Compiled = func(Compilation) { ready <- struct{}{} }
	trainer := newTrainer(t, e, cd.Settings{DiagnoseEvery: 2})
	advance(t, trainer)
	const (
		first = 1 + 2 + 2 // the chain, the gradients of two groups of terms, the norm and the update
		later = 1 + 1 + 3 // the iteration, that with the entropy term, the gradients of three groups of terms
	)
	for i := range first + later {
		select {
		case <-ready:
		case <-time.After(5 * time.Minute):
			t.Fatalf("after an iteration %d programs are ready, want %d", i, first+later)
		}
	}
	for range 5 {
		if m := advance(t, trainer); m.Iteration == 5 && len(m.Gradients) != 3 {
			t.Errorf("iteration 5 has the gradients of %d groups, want 3: the entropy term has not joined", len(m.Gradients))
		}
	}
	if n := len(ready); n > 0 {
		t.Errorf("training has stood still for %d programs more", n)
	}
}

// BenchmarkTraining measures iterations of training: of the small network, where what a call costs shows most, and of mnist's.
func BenchmarkTraining(b *testing.B) {
	for _, c := range []struct {
		network        string
		filters, batch int
		image          expr.Shape
		steps          int
	}{{"quick", 4, 8, trainImage, 5}, {"mnist", 16, 64, expr.Shape{28, 28, 1}, 40}} {
		b.Run(fmt.Sprint(c.network, c.filters, "x", c.batch), func(b *testing.B) {
			model, err := energy.New(c.network, energy.Options{Filters: c.filters, Image: c.image})
			if err != nil {
				b.Fatal(err)
			}
			s := cd.PaperSettings()
			s.Steps = c.steps
			e := plugin(b, 1)
			e.flags = nil
			trainer, err := cd.NewTrainer(e, model, s)
			if err != nil {
				b.Fatal(err)
			}
			data := make([]float32, c.batch*c.image.Size())
			r := rng.New(1)
			r.FillUniform(data)
			var took []float64
			step := func() {
				start := time.Now()
				if _, err := trainer.Step(b.Context(), data, nil); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start).Seconds())
			}
			step()
			step()
			took = nil
			for b.Loop() {
				step()
			}
			slices.Sort(took)
			b.ReportMetric(1/took[len(took)/2], "iterations/s")
		})
	}
}
