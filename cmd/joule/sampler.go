package main

// This file changes on the command line how images are drawn from a model.

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/model"
)

// samplerFlags change a model's sampler.
type samplerFlags struct {
	kind   string
	anneal float64
	sets   []string
}

func (f *samplerFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.kind, "sampler", "", "`kind` of sampler: langevin, mala or hmc (default the run's)")
	flags.Float64Var(&f.anneal, "anneal", 0, "start chains so many `times` as hot, and cool them over the first half of their steps")
	f.addSets(flags)
}

func (f *samplerFlags) addSets(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.sets, "set", nil, "change how images are drawn: `key=value` of sampler, augmentation or generation; may be repeated")
}

// changes says whether one of the flags is there.
func (f *samplerFlags) changes() bool { return f.kind != "" || f.anneal != 0 || len(f.sets) > 0 }

// askedFlags are the classes, or the numbers and attributes, that samples are asked for by.
type askedFlags struct{ labels, conditions []string }

func (f *askedFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.labels, "label", nil, "classes of a conditional model, by name or number from 0, in turn (default all)")
	flags.StringArrayVar(&f.conditions, "condition", nil, "`numbers` and attributes of a model that is conditional on them, such as x=0.2,y=0.7; repeated: in turn")
}

// ask has m draw what the flags ask for.
func (f *askedFlags) ask(m *model.Model, s *model.Sampling) (err error) {
	if s.Labels, err = chooseLabels(m, f.labels); err != nil {
		return err
	}
	s.Conditions, err = chooseConditions(m, f.conditions)
	return err
}

// change changes the model as the flags say. Steps are those of each chain; 0: all that the configuration asks for. What another kind of sampler
// cannot take over it warns of.
func (f *samplerFlags) change(m *model.Model, steps int, warn func(string)) error {
	c := &m.Config
	if f.kind != "" {
		was := c.Sampler
		c.Sampler = was.As(f.kind)
		if was.Coarse != c.Sampler.Coarse {
			warn(fmt.Sprintf("without sampler.coarse=%v, which %s does not have: its steps go as far in what is coarse as in details", was.Coarse, f.kind))
		}
		if was.Anneal != c.Sampler.Anneal {
			warn(fmt.Sprintf("without sampler.anneal=true, which %s does not have: its noise stays as it is", f.kind))
		}
	}
	for _, set := range f.sets {
		if key, _, _ := strings.Cut(set, "="); !strings.HasPrefix(key, "sampler.") && !strings.HasPrefix(key, "generation.") && key != "augmentation" {
			return usageErrorf("--set %s: want a setting of how images are drawn: sampler.*, generation.* or augmentation", set)
		}
		if err := settings.Set(c, set); err != nil {
			return usageErrorf("--set: %w", err)
		}
	}
	if f.anneal != 0 {
		if f.anneal < 1 || f.anneal > 1e12 {
			return usageErrorf("--anneal is %v: want 1 or more, such as 1000", f.anneal)
		}
		c.Sampler = c.Sampler.AnnealedFrom(f.anneal, m.ChainSteps(model.Sampling{Steps: steps})/2)
	}
	if f.kind != "" && c.Sampler.Kind != f.kind {
		return usageErrorf("--sampler %s: --set makes sampler.kind %s: give one of them", f.kind, c.Sampler.Kind)
	}
	if err := checkSets(f.sets, *c); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}
