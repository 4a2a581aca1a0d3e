package mcmc_test

import (
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/mcmc"
)

func TestNew(t *testing.T) {
	all := mcmc.Options{StepSize: 0.5, Noise: 0.25, Leapfrogs: 3, Temperature: 2}
	for kind, want := range map[string]mcmc.Sampler{
		"langevin": mcmc.Langevin{StepSize: 0.5, Sigma: 0.25},
		"hmc":      mcmc.HMC{StepSize: 0.5, Leapfrogs: 3, Temperature: 2},
		"mala":     mcmc.MALA{StepSize: 0.5, Temperature: 2},
	} {
		if s, err := mcmc.New(kind, all); err != nil || s != want {
			t.Errorf("%s: %+v, %v", kind, s, err)
		}
	}
	annealed := all
	annealed.Hot, annealed.Cooling = 100, 0.9
	if s, err := mcmc.New("mala", annealed); err != nil || s != (mcmc.Annealed{mcmc.MALA{StepSize: 0.5, Temperature: 2}, 100, 0.9}) {
		t.Errorf("annealed: %+v, %v", s, err)
	}
	for _, k := range mcmc.Samplers() {
		s, err := mcmc.New(k.Name, all)
		if err != nil || k.About == "" {
			t.Fatalf("%+v: %v", k, err)
		}
		if d := s.Drift(); !(d.StepSize > 0) {
			t.Errorf("%s: a drift of %v", k.Name, d)
		}
		newChain(t, 1, s)
	}
	for words, test := range map[string]struct {
		kind   string
		change func(*mcmc.Options)
	}{
		`kind is "nuts": want langevin, hmc`:               {"nuts", func(*mcmc.Options) {}},
		"noise is 2: want 0 to 1":                          {"langevin", func(o *mcmc.Options) { o.Noise = 2 }},
		"noise is NaN: want":                               {"hmc", func(o *mcmc.Options) { o.Noise = math.NaN() }},
		"step_size is 0: want more than 0, such as 100":    {"langevin", func(o *mcmc.Options) { o.StepSize = 0 }},
		"step_size is +Inf: want":                          {"langevin", func(o *mcmc.Options) { o.StepSize = math.Inf(1) }},
		"step_size is 100: with hmc, want more":            {"hmc", func(o *mcmc.Options) { o.StepSize = 100 }},
		"step_size is NaN: with mala, want more":           {"mala", func(o *mcmc.Options) { o.StepSize = math.NaN() }},
		"leapfrogs is 0: want 1 to 100":                    {"hmc", func(o *mcmc.Options) { o.Leapfrogs = 0 }},
		"leapfrogs is 101: want 1 to 100":                  {"hmc", func(o *mcmc.Options) { o.Leapfrogs = 101 }},
		"temperature is 0: want more than 0, such as 1":    {"mala", func(o *mcmc.Options) { o.Temperature = 0 }},
		"temperature is -1: want":                          {"hmc", func(o *mcmc.Options) { o.Temperature = -1 }},
		"hot is 0.5: want 1 or more":                       {"mala", func(o *mcmc.Options) { o.Hot = 0.5 }},
		"cooling is 1: want more than 0 and less than 1":   {"hmc", func(o *mcmc.Options) { o.Hot, o.Cooling = 2, 1 }},
		"coarse is -1: want 0 to 4":                        {"langevin", func(o *mcmc.Options) { o.Coarse = -1 }},
		"coarse is 2: mala goes as far in what is":         {"mala", func(o *mcmc.Options) { o.Coarse = 2 }},
		"coarse is 1: the momentum of hmc goes as far":     {"hmc", func(o *mcmc.Options) { o.Coarse = 1 }},
		"anneal is true: hmc has no noise to anneal":       {"hmc", func(o *mcmc.Options) { o.Anneal = true }},
		"anneal is true: the noise of mala is that of its": {"mala", func(o *mcmc.Options) { o.Anneal = true }},
	} {
		o := all
		test.change(&o)
		if _, err := mcmc.New(test.kind, o); err == nil || !strings.HasPrefix(err.Error(), words) {
			t.Errorf("%s %+v: %v, want %q", test.kind, o, err, words)
		}
	}
}

// A sampler that was not made by New says what is wrong with it when it is to be used.
func TestImpossibleSamplers(t *testing.T) {
	for words, s := range map[string]mcmc.Sampler{"leapfrogs is 0": mcmc.HMC{StepSize: 0.1, Temperature: 1}, "step_size is 0": mcmc.MALA{Temperature: 1}} {
		if _, err := mcmc.NewChain(&cpu.Engine{}, s, bowl, small); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: %v, want %q", s, err, words)
		}
	}
}
