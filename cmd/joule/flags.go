package main

// This file has flags that several commands share, and checks them.

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
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

// refuseIdle refuses flags that are given and would do nothing, and says what is wrong with them.
func refuseIdle(given *pflag.FlagSet, idle bool, why string, flags ...string) error {
	for _, flag := range flags {
		if idle && given.Changed(flag) {
			return usageErrorf("--%s %s", flag, why)
		}
	}
	return nil
}

// refuseEmpty refuses flags that are given and empty, as from a variable of the shell that is not set.
func refuseEmpty(given *pflag.FlagSet, flags ...string) error {
	for _, flag := range flags {
		if f := given.Lookup(flag); f.Changed && f.Value.String() == "" {
			return usageErrorf("--%s is empty: give it a value, or leave it out", flag)
		}
	}
	return nil
}

// configFlags say what to train: a preset with changes, and for how long.
type configFlags struct {
	preset, data string
	from         string    // a model to begin with, where one can be
	tile         tileFlags // where tiles can be learnt
	sets         []string
	iterations   int64
	duration     time.Duration
}

func (c *configFlags) add(f *pflag.FlagSet) {
	f.StringVar(&c.preset, "preset", "", "`name` of the configuration to start from (default one for the data: "+run.DefaultPreset+" for digits)")
	f.StringVar(&c.data, "data", "", "data set, as for joule train (default the preset's)")
	f.StringArrayVar(&c.sets, "set", nil, "change a setting: `key=value`; may be repeated")
}

// config is the preset with the changes, not yet validated. Where no preset is named it is chosen by the data, which is told.
func (c *configFlags) config(ctx context.Context, tell func(choice run.Choice)) (config run.Config, err error) {
	switch {
	case c.from != "" && c.preset != "":
		return config, usageErrorf("--preset %s and --from %s: a model brings its settings with it, give one of them", c.preset, c.from)
	case c.from != "" && c.changes("from"):
		return config, usageErrorf("--from %s and --set from: give one of them", c.from)
	case c.from != "":
		if config, err = run.From(c.from); err != nil {
			return config, fmt.Errorf("--from: %w", err)
		}
	case c.preset != "":
		if config, err = run.PresetConfig(c.preset); err != nil {
			return config, usageErrorf("--preset: %w", err)
		}
	default:
		if config, err = c.chosen(ctx, tell); err != nil {
			return config, err
		}
	}
	for _, assignment := range c.sets {
		if err := settings.Set(&config, assignment); err != nil {
			return config, usageErrorf("--set: %w", err)
		}
	}
	// The preset's lanes are for its batch. More than one for an image of a smaller one only make tiles of one image, which take longer.
	if o := &config.Optimiser; !c.changes("optimiser.lanes") {
		o.Lanes = max(1, min(o.Lanes, o.Batch))
	}
	if c.data != "" {
		config.Data = c.data
	}
	return config, nil
}

// changes says whether --set names a setting.
func (c *configFlags) changes(key string) bool { return setsKey(c.sets, key) }

func setsKey(sets []string, key string) bool {
	return slices.ContainsFunc(sets, func(assignment string) bool { return keyOf(assignment) == key })
}

// keyOf is the setting that an assignment names.
func keyOf(assignment string) string {
	key, _, _ := strings.Cut(assignment, "=")
	return strings.TrimSpace(key)
}

// chosen is the configuration for the data, or the usual one where --set says itself what the images or the network are.
func (c *configFlags) chosen(ctx context.Context, tell func(run.Choice)) (config run.Config, err error) {
	choice := run.Choice{Preset: run.DefaultPreset}
	switch {
	case c.data == "" || c.changes("network.image") || c.changes("network.name"):
	default:
		if choice, err = run.Choose(ctx, c.data, c.tileSide()); err != nil {
			if wrong := c.checkChanges(); wrong != nil {
				return config, wrong
			}
			return config, err
		}
		tell(choice)
	}
	c.preset = choice.Preset
	return choice.Config()
}

// tileSide is the side of tiles, 0 if whole pictures are learnt.
func (c *configFlags) tileSide() int {
	var config run.Config
	for _, assignment := range c.sets {
		if strings.HasPrefix(assignment, "tiles.side=") {
			_ = settings.Set(&config, assignment) // an error comes again
		}
	}
	return cmp.Or(c.tile.side, config.Tiles.Side)
}

// checkChanges is what is wrong with the changes, whatever the data are.
func (c *configFlags) checkChanges() error {
	config, err := run.PresetConfig(run.DefaultPreset)
	for _, assignment := range c.sets {
		if err == nil {
			err = settings.Set(&config, assignment)
		}
	}
	if l := c.limits(); l != (run.Limits{}) {
		config.Limits = l
	}
	if err == nil {
		err = config.Validate()
	}
	if err != nil {
		return usageErrorf("--set: %w", err)
	}
	return nil
}

// checkSets refuses an assignment of --set that did not come to be in the configuration, as another flag sets the same. Of several --set of one
// setting the last counts, as of any flag.
func checkSets[C any](sets []string, config C) error {
	have, err := settings.Keys(&config)
	if err != nil {
		return err
	}
	for i, assignment := range sets {
		if setsKey(sets[i+1:], keyOf(assignment)) {
			continue
		}
		asked := config
		if err := settings.Set(&asked, assignment); err != nil {
			return usageErrorf("--set: %w", err)
		}
		want, err := settings.Keys(&asked)
		if err != nil {
			return err
		}
		for i := range want {
			if want[i].Value != have[i].Value {
				return usageErrorf("--set %s: another flag makes %s %s: give one of them", assignment, have[i].Name, cmp.Or(have[i].Value, `""`))
			}
		}
	}
	return nil
}

// limits are those given.
func (c *configFlags) limits() run.Limits {
	return run.Limits{Iterations: c.iterations, For: c.duration}
}
