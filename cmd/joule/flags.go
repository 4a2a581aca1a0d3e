package main

// This file has flags that several commands share, and checks them.

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/run"
)

// bounds are those of a whole number that a flag gives.
type bounds struct {
	flag               string
	value, least, most int
}

// checkBounds is an error unless each flag is within its bounds.
func checkBounds(flags ...bounds) error {
	for _, f := range flags {
		if f.value < f.least || f.value > f.most {
			return usageErrorf("--%s is %d: want %d to %d", f.flag, f.value, f.least, f.most)
		}
	}
	return nil
}

const million = 1_000_000

// configFlags say what to train: a preset with changes, and for how long.
type configFlags struct {
	preset, data string
	sets         []string
	iterations   int64
	duration     time.Duration
}

func (c *configFlags) add(f *pflag.FlagSet) {
	f.StringVar(&c.preset, "preset", run.DefaultPreset, "`name` of the configuration to start from")
	f.StringVar(&c.data, "data", "", "data set, as for joule train (default the preset's)")
	f.StringArrayVar(&c.sets, "set", nil, "change a setting: `key=value`; may be repeated")
}

// config is the preset with the changes, not yet validated.
func (c *configFlags) config() (run.Config, error) {
	config, err := run.PresetConfig(c.preset)
	if err != nil {
		return config, fmt.Errorf("--preset: %w", err)
	}
	for _, assignment := range c.sets {
		if err := settings.Set(&config, assignment); err != nil {
			return config, fmt.Errorf("--set: %w", err)
		}
	}
	if c.data != "" {
		config.Data = c.data
	}
	return config, nil
}

// limits are those given.
func (c *configFlags) limits() run.Limits {
	return run.Limits{Iterations: c.iterations, For: c.duration}
}
