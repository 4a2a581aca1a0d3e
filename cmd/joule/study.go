package main

// joule study: which way to train is better, with the spread over seeds. joule ablate: the study that takes the method apart.

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/eval/study"
	"github.com/joule-ebm/joule/run"
)

// studyOptions are those of both commands.
type studyOptions struct {
	configFlags
	processor                          time.Duration
	out, in                            string
	outliers                           []string
	seeds, images, samples, chainSteps int
	threads                            int
	hardware
	logFormat string
	json      bool
}

func (o *studyOptions) addFlags(f *pflag.FlagSet, seeds int, iterations int64) {
	o.configFlags.add(f)
	f.IntVar(&o.seeds, "seeds", seeds, "trainings of each configuration, with seeds from 1 on")
	f.Int64Var(&o.iterations, "iterations", iterations, "of each training")
	f.DurationVar(&o.duration, "for", 0, "train each for so long instead, such as 10m")
	f.DurationVar(&o.processor, "processor", 0, "the same in processor time, which other programs do not take away from")
	f.StringVar(&o.in, "in", "", "in-distribution images to judge by, a `data` set (default the test split of --data)")
	f.StringArrayVar(&o.outliers, "out-of", study.DefaultOutliers(), "outliers, as for joule eval ood")
	f.IntVarP(&o.images, "number", "n", 1000, "most images to take of each set to judge by")
	f.IntVar(&o.samples, "samples", 200, "samples to draw of each model")
	f.IntVar(&o.chainSteps, "steps", 0, "steps of the chains that draw them (default all rounds of joule sample)")
	f.IntVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	o.hardware.addFlags(f)
	f.StringVar(&o.logFormat, "log-format", "text", logFormatUsage)
	f.BoolVar(&o.json, "json", false, "print the results as JSON instead of the table")
}

const aboutStudies = `Each training is a run directory within --out, as of joule train. Ctrl-C saves; the same command
again goes on from there, and passes over what is finished. All of a table should be made by one
build of joule: the table says so where it is not.`

func newStudyCommand() *cobra.Command {
	var o studyOptions
	var rows, vary []string
	cmd := &cobra.Command{
		Use:   "study",
		Short: "Train configurations several times each and compare",
		Long: `Train configurations, each with several seeds and all with the same budget of iterations or time, and
judge what they have learnt by the same images:

  --row 'NAME key=value ...'   a configuration: the preset with these settings changed. The preset
                               without changes is the first one, unless a row says so itself
  --vary key=value,value,...   a configuration for each value; repeated: for each combination

The result is a table (study.md, study.json) with the means and the spread over seeds of how well each
model tells every set of --out-of from in-distribution images, how like these its samples are, and
how often training diverged; and of the differences from the first configuration, over pairs of equal
seeds, with 95% intervals.

` + aboutStudies,
		Example: `  joule study --row 'restart buffer.restart=0.2' --row 'slow optimiser.learning_rate=1e-4 optimiser.warmup=100'
  joule study --vary sampler.steps=10,20,40 --processor 3m --seeds 5
  joule study --preset cifar10-small --data cifar-10-binary.tar.gz --vary network.kernel=standardised,spectral \
    --out-of mnist:test,dtd/,interpolation,constant --for 30m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runStudy(cmd, &o, func(run.Config) ([]study.Variant, error) { return variants(rows, vary) })
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&rows, "row", nil, "a configuration: its `name and changes`; may be repeated")
	f.StringArrayVar(&vary, "vary", nil, "a setting and the `key=values` to try; may be repeated")
	f.StringVarP(&o.out, "out", "o", "study", "`directory` of the study")
	o.addFlags(f, 3, 500)
	return cmd
}

// unchanged is the name of the preset without changes, where no row gives it one.
const unchanged = "base"

// variants are the configurations that the flags ask for.
func variants(rows, vary []string) ([]study.Variant, error) {
	switch {
	case len(rows)+len(vary) == 0:
		return nil, usageErrorf("what is there to compare? Give configurations with --row or --vary")
	case len(rows) > 0 && len(vary) > 0:
		return nil, usageErrorf("--row and --vary are two ways to list configurations: give one of them")
	}
	var keys []string
	var values [][]string
	for _, text := range vary {
		key, list, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usageErrorf("--vary %.60q: want key=value,value,...", text)
		}
		keys, values = append(keys, key), append(values, strings.Split(list, ","))
	}
	if len(keys) > 0 {
		return study.Vary(keys, values), nil
	}
	plain := false
	var all []study.Variant
	for _, text := range rows {
		words := strings.Fields(text)
		if len(words) == 0 || strings.Contains(words[0], "=") {
			return nil, usageErrorf("--row %.60q: want a name, and then settings such as buffer.restart=0.2", text)
		}
		all = append(all, study.Variant{Name: words[0], Changes: words[1:]})
		plain = plain || len(words) == 1
	}
	if plain {
		return all, nil
	}
	if slices.ContainsFunc(all, func(v study.Variant) bool { return v.Name == unchanged }) {
		return nil, usageErrorf("--row '%s ...': %s is the name of the preset without changes, which comes first: give the row another name", unchanged, unchanged)
	}
	return append([]study.Variant{{Name: unchanged}}, all...), nil
}

func newAblateCommand() *cobra.Command {
	var o studyOptions
	var losses, kernels []string
	var attention string
	for _, l := range study.Losses() {
		losses = append(losses, string(l))
	}
	cmd := &cobra.Command{
		Use:   "ablate",
		Short: "Train without parts of the method and compare",
		Long: `Train one configuration again and again with parts of the method taken out or put in,

` + study.Usage() + `  --kernel     standardised (weights of each channel with mean 0 and deviation 1) or spectral
  --attention  on or off, or both in turn

every combination with each of --seeds seeds, from 1 on, and all with the same budget of iterations
or time. It is a joule study of these configurations, and its result such a table (study.md,
study.json): which diverged and when, how well each tells out-of-distribution images from
in-distribution ones, and how like these its samples are.

` + aboutStudies,
		Example: fmt.Sprintf("  joule ablate                                       %d short trainings on MNIST\n",
			len(losses)*len(study.Kernels())*2) + `  joule ablate --iterations 250 --seeds 2 --threads 1
  joule ablate --loss cd,full --kernel standardised --attention off --for 10m
  joule ablate --preset cifar10-small --data cifar-10-binary.tar.gz --out-of mnist:test`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			with, ok := map[string][]bool{"on": {true}, "off": {false}, "both": nil}[attention]
			if !ok {
				return usageErrorf("--attention is %q: want on, off or both", attention)
			}
			if len(losses) == 0 || len(kernels) == 0 || slices.Contains(kernels, "") {
				return usageErrorf("--loss or --kernel has an empty name: want such as cd,full and spectral, or leave it out for all")
			}
			a := study.Ablation{Kernels: kernels, Attention: with}
			for _, name := range losses {
				a.Losses = append(a.Losses, study.Loss(name))
			}
			return runStudy(cmd, &o, a.Variants)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&losses, "loss", losses, "variants of the loss")
	f.StringSliceVar(&kernels, "kernel", study.Kernels(), "normalisations of the kernels")
	f.StringVar(&attention, "attention", "both", "on, off or both")
	f.StringVarP(&o.out, "out", "o", "ablation", "`directory` of the study")
	o.addFlags(f, 1, 250)
	return cmd
}

// runStudy trains and judges the configurations made of the base.
func runStudy(cmd *cobra.Command, o *studyOptions, configurations func(base run.Config) ([]study.Variant, error)) error {
	// A limit that is not given is none of the preset's: the budget is what the command says.
	timed := cmd.Flags().Changed("for") || cmd.Flags().Changed("processor")
	if timed && !cmd.Flags().Changed("iterations") {
		o.iterations = 0
	}
	s, err := o.study(cmd)
	if err == nil {
		s.Variants, err = configurations(s.Base)
	}
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		return usageError{err}
	}
	screen, err := newTrainScreen(cmd.ErrOrStderr(), o.logFormat)
	if err != nil {
		return err
	}
	defer screen.clear()
	s.Log, s.Work, s.Images.Warn = screen.log, screen.other, screen.work.warn
	s.Progress = func(p study.Progress) {
		p.Run.Left = p.Left // of the study: what one waits for
		screen.show(p.Run)
	}
	report, err := s.Run(cmd.Context())
	screen.clear()
	switch {
	case cmd.Context().Err() != nil && report != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "joule: interrupted, %d of %d trainings are finished in %s; the same command goes on\n",
			len(report.Rows), report.Cells, shellWord(o.out))
		return errReported
	case err != nil:
		return err
	case o.json:
		return report.JSON(cmd.OutOrStdout())
	}
	var text strings.Builder
	if err := report.Markdown(&text); err != nil {
		return err
	}
	return printText(cmd.OutOrStdout(), text.String())
}

// checkLimits refuses limits by --set: the flags, one of which has a value always, say all of them.
func (o *studyOptions) checkLimits() error {
	for _, assignment := range o.sets {
		if key := keyOf(assignment); strings.HasPrefix(key, "limits.") {
			return usageErrorf("--set %s beside --iterations, --for and --processor, which say all limits: give one or the other", key)
		}
	}
	return nil
}

// study is what the options ask for, but for the configurations.
func (o *studyOptions) study(cmd *cobra.Command) (*study.Study, error) {
	if err := checkBounds(bounds{"seeds", o.seeds, 1, 1000}, bounds{"number", o.images, 0, million}, bounds{"samples", o.samples, 4, million},
		bounds{"steps", o.chainSteps, 0, million}, bounds{"threads", o.threads, 0, mostThreads}); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	outliers := splitNames(o.outliers)
	switch {
	case slices.Contains(outliers, ""):
		return nil, usageErrorf("--out-of has an empty name: want outliers such as noise,rotated, or leave it out for %s", strings.Join(study.DefaultOutliers(), ","))
	case o.changes("seed"):
		return nil, usageErrorf("--set seed: the seeds of all configurations are 1 to --seeds: leave it out, and say with --seeds how many")
	}
	base, err := o.config(cmd.Context(), func(c run.Choice) {
		fmt.Fprintf(cmd.ErrOrStderr(), "joule: preset %s, chosen by the data (%s); --preset names another\n", c.Preset, c.Why)
	})
	if err != nil {
		return nil, err
	}
	if err := checkSets(o.sets, base); err != nil {
		return nil, err
	}
	if err := o.checkLimits(); err != nil {
		return nil, err
	}
	base.Limits = o.limits()
	base.Limits.Processor = o.processor
	if !o.changes("recovery.failures") {
		base.Recovery.Failures = 1 // that a training diverges is a result
	}
	if base.Limits == (run.Limits{}) {
		return nil, usageErrorf("--iterations is 0 and there is no --for or --processor: want a limit to each training")
	}
	if base.Data == "" {
		return nil, usageErrorf("the preset has no data: say where the images are with --data")
	}
	if err := base.Validate(); err != nil {
		return nil, err
	}
	s := &study.Study{Dir: o.out, Base: base, Preset: o.preset, Changes: o.sets, Build: version(), Threads: o.threads,
		Device: o.device, Devices: o.devices,
		Images: benchmark.Plan{In: o.in, Out: outliers, Images: o.images, Seed: 1}, Samples: o.samples, Steps: o.chainSteps}
	for seed := range o.seeds {
		s.Seeds = append(s.Seeds, uint64(seed)+1)
	}
	return s, nil
}
