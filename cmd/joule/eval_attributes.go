package main

// joule eval attributes: do samples show what was asked for?

import (
	"math"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/attributes"
	"github.com/joule-ebm/joule/model"
)

type attributesOptions struct {
	model.Sampling
	want, in string
	asked    askedFlags
	sampler  samplerFlags
	json     bool
}

func newAttributesCommand() *cobra.Command {
	o := attributesOptions{Sampling: model.Sampling{Images: 500, Seed: 1}}
	cmd := &cobra.Command{
		Use:   "attributes RUN",
		Short: "Do samples show what was asked for?",
		Long: `Draw samples from a model of digits (mnist) or of objects, which may be composed of several, read their
attributes back from the pixels, mostly by the networks that come with Joule, and count: of digits the
digit and the slant, of objects shape, colour, size and position. --want says which ones the samples are to show, with & between
those that are wanted together and | between alternatives; beside the share of samples that do stands
that of the images of the data set itself, which is what chance would give. Of a conditional model, whose
samples are drawn of each class in turn, it also counts how many show the class that was asked for.`,
		Example: `  joule eval attributes zoo:mnist-digits -n 1000
  joule eval attributes three.safetensors --want 'digit=3&slant=left'
  joule eval attributes both.safetensors --want 'shape=cube&colour=red'
  joule eval attributes joint --want shape=cube --condition shape=cube,colour=red --condition shape=cube,colour=blue
  joule eval attributes 4or9.safetensors --want 'digit=4|digit=9' -n 1000`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return measureAttributes(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.want, "want", "", "`attributes` that samples are to show, such as 'shape=cube&colour=red'")
	f.StringVar(&o.in, "in", "", "images of the data set, a `data` set (default the test split of the run's own)")
	f.IntVarP(&o.Images, "number", "n", o.Images, "number of samples")
	f.IntVar(&o.Steps, "steps", 0, "steps of a chain in all (default all rounds)")
	o.asked.add(f)
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of all random numbers")
	f.IntVar(&o.Threads, "threads", 0, "threads to use (default one a core)")
	o.sampler.add(f)
	f.BoolVar(&o.json, "json", false, "print an object")
	return cmd
}

func measureAttributes(cmd *cobra.Command, path string, o attributesOptions) error {
	if err := checkBounds(bounds{"number", o.Images, 1, million}, bounds{"steps", o.Steps, 0, math.MaxInt32}, bounds{"threads", o.Threads, 0, mostThreads}); err != nil {
		return err
	}
	options := attributes.Options{}
	if o.want != "" {
		var err error
		if options.Want, err = dataset.ParseCombinations(o.want); err != nil {
			return usageErrorf("--want: %w", err)
		}
	}
	m, err := model.Open(path)
	if err != nil {
		return err
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	if err := o.sampler.change(m, o.Steps, shown.warn); err != nil {
		return err
	}
	if err := o.asked.ask(m, &o.Sampling); err != nil {
		return err
	}
	plan := benchmark.Plan{In: o.in, Images: 2000, Seed: o.Seed, Progress: shown.show, Warn: shown.warn}
	if options.Images, err = plan.OpenTest(cmd.Context(), &m.Config); err != nil {
		return nameIn(err)
	}
	options.Sampling, options.Progress = o.Sampling, shown.show
	r, err := attributes.Measure(cmd.Context(), &cpu.Engine{Threads: o.Threads}, m, options)
	if err != nil {
		return err
	}
	shown.clear()
	if o.json {
		return writeJSON(cmd.OutOrStdout(), r)
	}
	return r.Text(cmd.OutOrStdout())
}
