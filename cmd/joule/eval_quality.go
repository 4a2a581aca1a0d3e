package main

// joule eval quality: how near samples are to data.

import (
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/features/inception"
	"github.com/joule-ebm/joule/eval/quality"
	"github.com/joule-ebm/joule/model"
)

type qualityOptions struct {
	hardware
	quality.Plan
	sampler samplerFlags
	input   string
	json    bool
}

func newQualityCommand() *cobra.Command {
	o := qualityOptions{Plan: quality.Defaults()}
	cmd := &cobra.Command{
		Use:   "quality [RUN]",
		Short: "Measure how near the samples of a model are to data",
		Long: `Generate images from a trained model as joule sample does, or take those of --samples, and compare
them with data by the features that a network sees in them: RUN is a run directory or a
model.safetensors file.

  FID        Fréchet distance: 0 is alike. Biased upwards with few images; "extrapolated" is without
  KID        kernel distance (MMD²): 0 is alike. Unbiased, so that it may be negative
  IS         Inception Score: how surely and evenly the samples are told apart; at most the classes
  precision  share of samples among the data       density   the same, robust; about 1 is alike
  recall     share of data among the samples       coverage  the same, robust; 1 is best
  class entropy  of the classes that samples show: at most that of the data's

The features are those of
  digits       a classifier that Joule has trained on MNIST, for grey images of 28x28
  photographs  a classifier that Joule has trained on CIFAR-10, for images in colour of 32x32
  scenes       what Joule reads the pictures of objects with
  inception    the network that FID, KID and IS are named after, for all images; its weights come by
               joule eval fetch-inception. An image takes about a tenth of a second on a fast core

Only figures by inception compare with published ones.

Figures compare only if made with the same features, data and numbers of images. For a scale, the
same is done with real images of the training split in place of samples ("real").`,
		Example: `  joule eval quality RUN
  joule eval quality RUN -n 5000 --data mnist:test --json
  joule eval quality --samples images/ --data mnist:test
  joule eval quality --samples images/ --data cifar-10-batches-py -n 10000 --features inception`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return measureQuality(cmd, args, o) },
	}
	f := cmd.Flags()
	f.IntVarP(&o.Number, "number", "n", o.Number, "samples to generate, or most to take of --samples")
	f.StringVar(&o.Samples, "samples", "", "images to take in place of generating some, a `data` set: a folder of pictures, say")
	f.StringVar(&o.Data, "data", "", "images to compare with, a `data` set (default the test split of the run's own)")
	f.IntVar(&o.DataMax, "data-number", o.DataMax, "most images to take of the data, chosen by --seed; 0 takes all")
	f.StringVar(&o.Network, "features", "", "`network` that describes the images (default the one above that is for such images)")
	f.StringVar(&o.Weights, "inception-weights", "", "`file` of the weights of inception, .pth or .safetensors (default where fetch-inception puts it)")
	f.StringVar(&o.input, "inception-input", o.Input.String(), "how images are resized: pytorch, as pytorch-fid does, or tensorflow, as torch-fidelity does")
	f.IntVar(&o.Steps, "steps", 0, "steps of a chain in all (default as for joule sample)")
	o.sampler.add(f)
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of the samples and of the choice of images")
	f.BoolVar(&o.Real, "real", o.Real, "also measure real images in place of samples, if the data have a training split")
	f.IntVar(&o.Threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.BoolVar(&o.json, "json", false, "print an object with fid, kid, inception_score, manifold and more")
	return cmd
}

func measureQuality(cmd *cobra.Command, args []string, o qualityOptions) (err error) {
	if o.Input, err = inception.ParseInput(o.input); err != nil {
		return usageErrorf("--inception-input: %w", err)
	}
	if o.Network != "" && !slices.Contains(quality.Networks(), o.Network) {
		return usageErrorf("--features is %q: want one of %s", o.Network, strings.Join(quality.Networks(), ", "))
	}
	if err := refuseIdle(cmd.Flags(), o.Network != quality.Inception && (o.Network != "" || o.Weights == ""),
		"is of the network inception: give --features inception as well", "inception-weights", "inception-input"); err != nil {
		return err
	}
	if err := checkBounds(bounds{"number", o.Number, 20, math.MaxInt32}, bounds{"data-number", o.DataMax, 0, math.MaxInt32},
		bounds{"steps", o.Steps, 0, math.MaxInt32}, bounds{"threads", o.Threads, 0, mostThreads}); err != nil {
		return err
	}
	if o.Samples != "" && (o.Steps != 0 || o.sampler.changes()) {
		return usageErrorf("--samples takes images as they are, so that nothing is drawn: leave out --steps, --set, --sampler and --anneal")
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	var m *model.Model
	if len(args) == 1 {
		if m, err = model.Open(args[0]); err == nil {
			err = o.sampler.change(m, o.Steps, shown.warn)
		}
	} else if o.Samples == "" || o.Data == "" {
		err = usageErrorf("without RUN, name both --samples and --data")
	}
	if err != nil {
		return err
	}
	if err := o.join(cmd, patience); err != nil {
		return err
	}
	o.Progress, o.Warn = shown.show, shown.warn
	e, err := o.openEngine(o.Threads, engine.Float32)
	if err != nil {
		return err
	}
	r, err := o.Run(cmd.Context(), e, m)
	if err != nil {
		return err
	}
	if o.Samples == "" {
		r.SamplesFrom = args[0]
	}
	shown.clear()
	if o.json {
		return writeJSON(cmd.OutOrStdout(), r)
	}
	return printText(cmd.OutOrStdout(), r.String())
}
