package main

// joule eval ood: how well a trained model tells outliers from in-distribution images.

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

type oodOptions struct {
	hardware
	benchmark.Plan
	detector, histogram, roc string
	threads                  int
	json, markdown           bool
}

func newOODCommand() *cobra.Command {
	o := oodOptions{Plan: benchmark.Plan{Images: 10_000, Seed: 1, Resamples: 1000}}
	cmd := &cobra.Command{
		Use:   "ood RUN",
		Short: "Measure how well a model tells outliers from in-distribution images",
		Long: `Compare the energies of in-distribution images (--in), like those of training, with those of
out-of-distribution images (--out-of), outliers, by a trained model: RUN is a run directory or a
model.safetensors file. Both are data sets as for joule train: built-in ones, folders, archives, IDX
or CIFAR files, of which the test split is taken unless another is named. Outliers may also be made
from the in-distribution images, or from nothing:

` + benchmark.Usage() + `  textures:DATA  patches of the pictures of a data set, not scaled

Without --out-of, these and another data set are compared. With --detector the score of another
detector takes the place of the energy; see joule score --help. Of a model of tiles, tiles are compared, by
their energies; joule eval inspect measures what its score maps say of whole pictures.

  AUROC  the probability that an outlier has a higher energy than an in-distribution image:
         1 is perfect, 0.5 is chance
  AUPR   the average precision of finding the outliers: chance is their share
  FPR95  the share of outliers accepted when 95% of the in-distribution images are: 0 is perfect

Intervals are those of a bootstrap over the images, at a level of 95%. They say how much the figures
could differ with other images of the same kinds; not how much with another run of training.`,
		Example: `  joule eval ood RUN
  joule eval ood RUN --out-of fashion-mnist,noise,rotated --histogram energies.png --roc roc.png
  joule eval ood RUN --in good/ --out-of defects/ --out-of textures:walls/ --json
  joule eval ood RUN --markdown > table.md`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return ood(cmd, args[0], o) },
	}
	f := cmd.Flags()
	addPlan(f, &o.Plan)
	f.StringVar(&o.detector, "detector", detect.Default, "`name` of the detector that scores")
	f.StringVar(&o.histogram, "histogram", "", "also draw the distributions of the scores, in this .png `file`")
	f.StringVar(&o.roc, "roc", "", "also draw the ROC curves, in this .png `file`")
	f.IntVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.BoolVar(&o.json, "json", false, "print an object with auroc, aupr, fpr95 and more; of several kinds, an array of them")
	f.BoolVar(&o.markdown, "markdown", false, "print a table in Markdown")
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
	return cmd
}

func ood(cmd *cobra.Command, path string, o oodOptions) error {
	if err := checkPlan(&o.Plan); err != nil {
		return err
	}
	if err := checkPictures(map[string]string{"histogram": o.histogram, "roc": o.roc}); err != nil {
		return err
	}
	trained, err := model.Open(path)
	if err != nil {
		return err
	}
	result, err := o.measure(cmd, trained)
	if err != nil {
		return err
	}
	err = writeOutput(o.histogram, func(w io.Writer) error { return benchmark.Histogram(w, result.Detector, result.In, result.Out...) })
	if err == nil {
		err = writeOutput(o.roc, func(w io.Writer) error { return benchmark.ROCCurves(w, result.In, result.Out...) })
	}
	out := cmd.OutOrStdout()
	switch {
	case err != nil:
		return err
	case o.json && len(result.Comparisons) == 1:
		return writeJSON(out, result.Comparisons[0])
	case o.json:
		return writeJSON(out, result.Comparisons)
	case o.markdown:
		c, err := run.ConfigOf(trained)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "Network %s, %d filters, %d parameters, trained on %s for %d iterations of %d images (seed %d). ", c.Network.Name,
			c.Network.Filters, trained.Parameters(), benchmark.MarkdownName(c.Data), trained.Iterations, c.Optimiser.Batch, c.Seed)
		return result.Markdown(out)
	}
	return result.Text(out)
}

// addPlan adds the flags that say what to compare.
func addPlan(f *pflag.FlagSet, p *benchmark.Plan) {
	f.StringVar(&p.In, "in", "", "in-distribution images, a `data` set (default the test split of the run's own, or what it held out)")
	f.StringArrayVar(&p.Out, "out-of", nil, "outliers, a `data` set or a name that joule eval ood --help lists; several with commas or given again")
	f.IntVarP(&p.Images, "number", "n", p.Images, "most images to take of each set, chosen by --seed; 0 takes all")
	f.Uint64Var(&p.Seed, "seed", p.Seed, "of the choice of images, of those that are made, and of the bootstrap")
	f.IntVar(&p.Resamples, "resamples", p.Resamples, "of the bootstrap for intervals; 0 leaves them out")
}

// checkPlan checks them, and takes lists with commas apart.
func checkPlan(p *benchmark.Plan) error {
	p.Out = splitNames(p.Out)
	if p.Resamples != 0 && (p.Resamples < 10 || p.Resamples > million) {
		return usageErrorf("--resamples is %d: want 0, or 10 to %d", p.Resamples, million)
	}
	return checkBounds(bounds{"number", p.Images, 0, math.MaxInt32})
}

// measure compares what the options name, with progress and warnings on standard error.
func (o *oodOptions) measure(cmd *cobra.Command, trained *model.Model) (*benchmark.Result, error) {
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	o.Progress, o.Warn = shown.show, shown.warn
	if o.detector != "" && o.detector != detect.Default {
		if trained.Config.Tiled() {
			return nil, usageErrorf("--detector %s: of a model of tiles the energies of tiles are compared; joule eval inspect --map measures score maps of whole pictures",
				o.detector)
		}
		var err error
		if o.Detector, err = detect.ForModel(trained, o.detector); err != nil {
			return nil, detectorError(trained, err)
		}
	}
	e, err := o.openEngine(o.threads, engine.Float32)
	if err != nil {
		return nil, err
	}
	result, err := o.Run(cmd.Context(), e, trained)
	return result, nameIn(err)
}

// nameIn says what to do where a model's data have no test images.
func nameIn(err error) error {
	if none := (*benchmark.NoTestImages)(nil); errors.As(err, &none) {
		return fmt.Errorf("the model was trained on %s, and there are no others to test it with; name in-distribution images with --in: %w",
			none.Data, none.Err)
	}
	return err
}

// splitNames takes lists with commas apart, but for the name of a file that has one.
func splitNames(lists []string) (names []string) {
	for _, list := range lists {
		if _, err := os.Lstat(list); err == nil {
			names = append(names, list)
			continue
		}
		names = append(names, strings.Split(list, ",")...)
	}
	return names
}
