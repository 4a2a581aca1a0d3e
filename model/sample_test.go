package model_test

import (
	"math"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
)

// A model's samples are those of the sampler that its configuration names: with an acceptance test, of exp(-E/T) itself. For
// E = 2Σx and T = ½ each pixel has density ∝ exp(-4x) on [0, 1].
func TestSamplesOfAnExactSampler(t *testing.T) {
	c := model.Paper()
	c.Sampler = model.Sampler{Kind: "mala", Steps: 20, StepSize: 0.02, Temperature: 0.5}
	c.Generation = model.Generation{Plain: 4}
	m := &model.Model{Config: c, Energy: pull(0), Params: map[string][]float32{"a": {2}}}

	mean, variance := 0.25-1/(math.Exp(4)-1), 0.0625-math.Exp(4)/math.Pow(math.Exp(4)-1, 2)
	const n = 5000
	sum, batches := 0.0, 0
	for batch, err := range m.Samples(t.Context(), &cpu.Engine{Threads: 2}, model.Sampling{Images: n, Seed: 1, Together: 2000}) {
		if err != nil {
			t.Fatal(err)
		}
		if batch.Acceptance < 0.5 || batch.Acceptance > 0.99 {
			t.Errorf("images from %d on: %v of the proposals are accepted", batch.First, batch.Acceptance)
		}
		batches++
		for _, u := range batch.Pixels {
			sum += (float64(u) + 0.5) / 256
		}
	}
	pixels := float64(n * m.Energy.Image.Size())
	if d := sum/pixels - mean; batches != 3 || math.Abs(d) > 4*math.Sqrt(variance/pixels) {
		t.Errorf("%d batches, whose mean is off by %v of a standard deviation of %v", batches, d, math.Sqrt(variance))
	}
}
