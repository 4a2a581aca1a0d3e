//go:build xla

package xla

import (
	"math"
	"os"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/mcmc"
)

// TestTraining: a training follows the CPU engine's, from the same start, on the same data and with the same noise. The two differ in
// rounding, which chains and training multiply; how fast is measured on the CPU engine itself, with kernels that round in another order.
// In two iterations this engine comes no more than ten times as far away. From the third on it may happen that an image's nearest
// neighbour is another one, and after a hundred (JOULE_LONG=1) each has gone its own way; the chains must then go as far as the CPU
// engine's.
//
// Adam's ε is large: otherwise its first steps are of one size, whatever the gradient's, and where that is zero but for rounding they
// are up or down by chance.
func TestTraining(t *testing.T) {
	const batch = 8
	image := expr.Shape{16, 16, 1}
	train := func(e engine.Engine) *cd.Trainer {
		model, err := energy.New("quick", energy.Options{Filters: 4, Image: image})
		if err != nil {
			t.Fatal(err)
		}
		s := cd.PaperSettings()
		s.Steps, s.BufferSize, s.LearningRate, s.Epsilon = 5, 64, 0.02, 1
		s.Sampler = mcmc.Langevin{StepSize: 10, Sigma: 0.001}
		s.Terms = cd.PaperTerms(cd.Entropy{Neighbour: 1, References: 10, After: 2 * batch})
		trainer, err := cd.NewTrainer(e, model, s)
		if err != nil {
			t.Fatal(err)
		}
		return trainer
	}
	first := train(&cpu.Engine{})
	others := []*cd.Trainer{train(&cpu.Engine{Kernels: kernels.Portable()}), train(plugin(t, 1))}
	start := slices.Clone(first.Parameters)
	iterations := 2
	if os.Getenv("JOULE_LONG") == "1" {
		iterations = 100
	}
	for i := range iterations {
		images := make([]float32, batch*image.Size())
		s := rng.New(7, uint64(i))
		s.FillUniform(images)
		for j := range images { // upright bars, unlike the noise that chains start from
			images[j] *= 0.2
			if j%image[1]%4 < 2 {
				images[j] += 0.8
			}
		}
		want, err := first.Step(t.Context(), images, nil)
		if err != nil {
			t.Fatal(err)
		}
		var apart [2]float64 // as a part of the way that the parameters have gone
		for k, trainer := range others {
			got, err := trainer.Step(t.Context(), images, nil)
			if err != nil {
				t.Fatal(err)
			}
			apart[k] = distance(trainer.Parameters, first.Parameters) / distance(first.Parameters, start)
			if i+1 == 100 && !(math.Abs(got.Displacement-want.Displacement) <= 0.25*want.Displacement) {
				t.Errorf("after %d iterations chains move pixels by %g, the CPU engine's by %g", i+1, got.Displacement, want.Displacement)
			}
		}
		if i < 4 || i+1 == iterations {
			t.Logf("iteration %d: other kernels are %.1e of the way apart, XLA %.1e", i+1, apart[0], apart[1])
		}
		if i < 2 && !(apart[1] <= 10*apart[0]+1e-5) {
			t.Errorf("iteration %d: the parameters are %.1e of their way apart, with other kernels %.1e", i+1, apart[1], apart[0])
		}
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
