package model_test

import (
	"math"
	"testing"

	"github.com/joule-ebm/joule/model"
)

// Samplers of all kinds that are one another's like have one drift and one temperature, and the way there and back changes nothing.
func TestSamplersAlike(t *testing.T) {
	c := model.Paper()
	first, err := c.NewSampler()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"langevin", "mala", "hmc"} {
		for _, b := range []string{"langevin", "mala", "hmc"} {
			c.Sampler = model.Paper().Sampler.As(a).As(b)
			s, err := c.NewSampler()
			if err != nil {
				t.Fatal(err)
			}
			if d := s.Drift().StepSize; math.Abs(d/first.Drift().StepSize-1) > 1e-9 {
				t.Errorf("%s by way of %s has a drift of %v, want %v", b, a, d, first.Drift())
			}
			if back := c.Sampler.As("langevin"); math.Abs(back.Noise/0.001-1) > 1e-9 || math.Abs(back.StepSize/100-1) > 1e-9 {
				t.Errorf("back from %s: %+v", b, back)
			}
		}
	}
	hot := model.Paper().Sampler.AnnealedFrom(1000, 60)
	if heat := hot.Hot * math.Pow(hot.Cooling, 60); math.Abs(heat-1) > 1e-9 {
		t.Errorf("after 60 steps %v times as hot", heat)
	}
}
