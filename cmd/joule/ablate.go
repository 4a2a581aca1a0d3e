package main

// joule ablate: which parts of the method matter, by training without them.

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/eval/ablation"
	"github.com/joule-ebm/joule/run"
)

type ablateOptions struct {
	configFlags
	out, in, attention                 string
	losses, kernels, outliers          []string
	seeds, images, samples, chainSteps int
	threads                            int
	hardware
	json bool
}

func newAblateCommand() *cobra.Command {
	var o ablateOptions
	var losses []string
	for _, l := range ablation.Losses() {
		losses = append(losses, string(l))
	}
	cmd := &cobra.Command{
		Use:   "ablate",
		Short: "Train without parts of the method and compare",
		Long: `Train one configuration again and again with parts of the method taken out or put in,

` + ablation.Usage() + `  --kernel     standardised (weights of each channel with mean 0 and deviation 1) or spectral
  --attention  on or off, or both in turn

every combination with each of --seeds seeds, from 1 on, and all with the same budget of iterations
or time. The result is a table (ablation.md, ablation.json): which diverged and when, how well each
tells out-of-distribution images from in-distribution ones, and how like these its samples are.

Each combination is a run directory within --out, as of joule train. Ctrl-C saves; the same command
again goes on from there, and passes over what is finished. All of a table should be made by one
build of joule: the table says so where it is not.`,
		Example: fmt.Sprintf("  joule ablate                                       %d short trainings on MNIST\n",
			len(losses)*len(ablation.Kernels())*2) + `  joule ablate --iterations 250 --seeds 2 --threads 1
  joule ablate --loss cd,full --kernel standardised --attention off --for 10m
  joule ablate --preset cifar10-small --data cifar-10-binary.tar.gz --out-of mnist:test`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return studyAblation(cmd, o) },
	}
	f := cmd.Flags()
	o.add(f)
	f.StringSliceVar(&o.losses, "loss", losses, "variants of the loss")
	f.StringSliceVar(&o.kernels, "kernel", ablation.Kernels(), "normalisations of the kernels")
	f.StringVar(&o.attention, "attention", "both", "on, off or both")
	f.IntVar(&o.seeds, "seeds", 1, "trainings of each combination")
	f.Int64Var(&o.iterations, "iterations", 250, "of each training")
	f.DurationVar(&o.duration, "for", 0, "train each for so long instead, such as 10m")
	f.StringVarP(&o.out, "out", "o", "ablation", "`directory` of the study")
	f.StringVar(&o.in, "in", "", "in-distribution images to judge by, a `data` set (default the test split of --data)")
	f.StringSliceVar(&o.outliers, "out-of", ablation.DefaultOutliers(), "out-of-distribution images, as for joule eval ood")
	f.IntVarP(&o.images, "number", "n", 1000, "most images to take of each set to judge by")
	f.IntVar(&o.samples, "samples", 200, "samples to draw of each model")
	f.IntVar(&o.chainSteps, "steps", 0, "steps of the chains that draw them (default all rounds of joule sample)")
	f.IntVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.BoolVar(&o.json, "json", false, "print the results as JSON instead of the table")
	return cmd
}

func studyAblation(cmd *cobra.Command, o ablateOptions) error {
	// A limit that is not given is none of the preset's: the budget is what the command says.
	if cmd.Flags().Changed("for") && !cmd.Flags().Changed("iterations") {
		o.iterations = 0
	}
	study, err := o.study()
	if err == nil {
		err = study.Check()
	}
	if err != nil {
		return usageError{err}
	}
	screen, err := newTrainScreen(cmd.ErrOrStderr(), "text")
	if err != nil {
		return err
	}
	defer screen.clear()
	study.Log, study.Work, study.Images.Warn = screen.log, screen.other, screen.work.warn
	study.Progress = func(p ablation.Progress) {
		p.Run.Left = p.Left // of the study: what one waits for
		screen.show(p.Run)
	}
	report, err := study.Run(cmd.Context())
	screen.clear()
	switch {
	case cmd.Context().Err() != nil && report != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "joule: interrupted, %d of %d trainings are finished in %s; the same command goes on\n",
			len(report.Rows), report.Cells, shellWord(o.out))
		return errReported
	case err != nil:
		return nameIn(err)
	case o.json:
		return report.JSON(cmd.OutOrStdout())
	}
	var text strings.Builder
	if err := report.Markdown(&text); err != nil {
		return err
	}
	return printText(cmd.OutOrStdout(), text.String())
}

// study is what the options ask for.
func (o *ablateOptions) study() (*ablation.Study, error) {
	attention, ok := map[string][]bool{"on": {true}, "off": {false}, "both": nil}[o.attention]
	if !ok {
		return nil, usageErrorf("--attention is %q: want on, off or both", o.attention)
	}
	if err := checkBounds(bounds{"seeds", o.seeds, 1, 1000}, bounds{"number", o.images, 0, million}, bounds{"samples", o.samples, 4, million},
		bounds{"steps", o.chainSteps, 0, million}, bounds{"threads", o.threads, 0, mostThreads}); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	base, err := o.config()
	if err != nil {
		return nil, err
	}
	base.Limits = o.limits()
	if base.Limits == (run.Limits{}) {
		return nil, usageErrorf("--iterations is 0 and there is no --for: want a limit to each training")
	}
	if base.Data == "" {
		return nil, usageErrorf("the preset has no data: say where the images are with --data")
	}
	if err := base.Validate(); err != nil {
		return nil, err
	}
	grid := ablation.Grid{Kernels: o.kernels, Attention: attention}
	for _, name := range o.losses {
		grid.Losses = append(grid.Losses, ablation.Loss(name))
	}
	for seed := range o.seeds {
		grid.Seeds = append(grid.Seeds, uint64(seed)+1)
	}
	return &ablation.Study{Dir: o.out, Base: base, Grid: grid, Preset: o.preset, Changes: o.sets, Build: version(), Threads: o.threads,
		Device: o.device, Devices: o.devices,
		Images: benchmark.Plan{In: o.in, Out: o.outliers, Images: o.images, Seed: 1}, Samples: o.samples, Steps: o.chainSteps}, nil
}
