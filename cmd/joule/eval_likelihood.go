package main

// joule eval likelihood: how likely images are under a model, which takes the constant that its energy leaves open.

import (
	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/likelihood"
	"github.com/joule-ebm/joule/model"
)

type likelihoodOptions struct {
	hardware
	likelihood.Options
	in, label, curve string
	images           uint
	threads          int
	json             bool
}

func newLikelihoodCommand() *cobra.Command {
	o := likelihoodOptions{Options: likelihood.Defaults()}
	cmd := &cobra.Command{
		Use:   "likelihood RUN",
		Short: "Bracket the likelihood of images under a model",
		Long: `Estimate log Z of a trained model p(x) = exp(-E(x)/T)/Z by annealed importance sampling, and with it
the likelihood of images: RUN is a run directory or a model.safetensors file. Z is taken against the
uniform distribution, a density on [0,1] for each value of an image.

Chains go from uniform noise to the model through --rungs temperatures, by Hamiltonian Monte Carlo
with step sizes and temperatures chosen in a pilot run. They give an estimate of log Z that is too
low on average. Chains that start from samples of the model and go the other way give one that is too
high on average. A learnt model has no exact samples, so that the second is sound only as far as
what its chains start from is like them:

  --from chains  the ends of the first chains, resampled by weight and moved on by --burn-in
                 transitions; modes that no chain has found are missing from both estimates
  --from data    the images; sound if the model were true to them, else an indication

Bits per dimension are those of 8-bit images with noise of their width, which bound those of the
images themselves from above; the uniform distribution has 8. Short-run training shapes an energy that its
own chains descend at a temperature far below 1: at T = 1 such a model may say little more than
the uniform distribution. The output names the temperature at which its energy describes the images
best; give it, or a lower one to search in, as --temperature.`,
		Example: `  joule eval likelihood RUN
  joule eval likelihood RUN --temperature 0.001 --curve temperatures.png
  joule eval likelihood RUN --chains 200 --rungs 5000 --from data --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return measureLikelihood(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.in, "in", "", "images, a `data` set (default the test split of the run's own)")
	f.UintVarP(&o.images, "number", "n", 1000, "most images to take, chosen by --seed; 0 takes all")
	f.StringVar(&o.label, "label", "", "`class` of a conditional model, by name or number, and of the images")
	f.Float64Var(&o.Temperature, "temperature", o.Temperature, "T")
	f.IntVar(&o.Rungs, "rungs", o.Rungs, "temperatures between the uniform distribution and the model; more bring the two estimates closer")
	f.IntVar(&o.Chains, "chains", o.Chains, "chains each way")
	f.IntVar(&o.Leapfrogs, "leapfrogs", o.Leapfrogs, "steps of a transition")
	f.IntVar(&o.BurnIn, "burn-in", o.BurnIn, "transitions at T before chains go back, with --from chains")
	f.StringVar((*string)(&o.From), "from", string(o.From), "where chains to the uniform distribution start: chains or data")
	f.StringVar(&o.curve, "curve", "", "also draw the likelihood against the temperature, in this .png `file`")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of all random numbers")
	f.IntVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.BoolVar(&o.json, "json", false, "print an object")
	return cmd
}

func (o *likelihoodOptions) check() error {
	switch {
	case !(o.Temperature >= likelihood.Coldest && o.Temperature <= likelihood.Hottest):
		return usageErrorf("--temperature is %v: want %v to %v", o.Temperature, likelihood.Coldest, likelihood.Hottest)
	case o.From != likelihood.FromChains && o.From != likelihood.FromData:
		return usageErrorf("--from is %q: want %s or %s", o.From, likelihood.FromChains, likelihood.FromData)
	}
	if err := checkBounds(bounds{"chains", o.Chains, 2, million}, bounds{"rungs", o.Rungs, 1, million}, bounds{"leapfrogs", o.Leapfrogs, 1, 100},
		bounds{"burn-in", o.BurnIn, 0, million}, bounds{"threads", o.threads, 0, mostThreads}); err != nil {
		return err
	}
	return checkPictures(map[string]string{"curve": o.curve})
}

func measureLikelihood(cmd *cobra.Command, path string, o likelihoodOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.join(cmd, patience); err != nil {
		return err
	}
	m, err := model.Open(path)
	if err != nil {
		return err
	}
	switch {
	case o.label != "":
		label, err := chooseLabel(m, o.label)
		if err != nil {
			return err
		}
		o.Label = int(label)
	case len(m.Classes) > 0:
		return usageErrorf("the model is conditional: say with --label which of its %d classes to measure", len(m.Classes))
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	choice := benchmark.Plan{In: o.in, Images: int(o.images), Seed: o.Seed, Progress: shown.show, Warn: shown.warn}
	if len(m.Classes) > 0 {
		choice.Images = 0 // so many of the class, below
	}
	images, err := choice.OpenTest(cmd.Context(), &m.Config)
	if err != nil {
		return nameIn(err)
	}
	if len(m.Classes) > 0 {
		if of := images.OfClass(images.Class(m.Classes[o.Label])); of.Len() > 0 { // or else Measure says what there is
			images = of.AtMost(int(o.images), o.Seed)
		}
	}
	o.Progress = shown.show
	e, err := o.openEngine(o.threads, engine.Float32)
	if err != nil {
		return err
	}
	r, err := likelihood.Measure(cmd.Context(), e, m, images, o.Options)
	if err != nil {
		return err
	}
	shown.clear()
	if !o.writes() {
		return nil
	}
	if err := writeOutput(o.curve, r.Curve); err != nil {
		return err
	}
	if o.json {
		return writeJSON(cmd.OutOrStdout(), r)
	}
	return printText(cmd.OutOrStdout(), r.String())
}
