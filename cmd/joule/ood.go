package main

// joule eval ood: how well a trained model tells outliers from in-distribution images.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

type oodOptions struct {
	in        string
	out       []string
	detector  string
	limit     uint
	seed      uint64
	resamples uint
	histogram string
	roc       string
	threads   uint
	json      bool
	markdown  bool
}

func newOODCommand() *cobra.Command {
	var o oodOptions
	var builtIn strings.Builder
	for _, kind := range benchmark.Outliers() {
		fmt.Fprintf(&builtIn, "  %-14s %s\n", kind.Name, kind.About)
	}
	cmd := &cobra.Command{
		Use:   "ood RUN",
		Short: "Measure how well a model tells outliers from in-distribution images",
		Long: `Compare the energies of in-distribution images (--in), like those of training, with those of
out-of-distribution images (--out-of), outliers, by a trained model: RUN is a run directory or a
model.safetensors file. Both are data sets as for joule train: built-in ones, folders, archives, IDX
or CIFAR files, of which the test split is taken unless another is named. Outliers may also be made
from the in-distribution images, or from nothing:

` + builtIn.String() + `  textures:DATA  patches of the pictures of a data set, not scaled

Without --out-of, these and another data set are compared. With --detector the score of another
detector takes the place of the energy; see joule score --help.

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
	f.StringVar(&o.in, "in", "", "in-distribution images, a `data` set (default the test split of the run's own, or what it held out)")
	f.StringArrayVar(&o.out, "out-of", nil, "outliers, a `data` set or a name from above; several with commas, or given several times")
	f.StringVar(&o.detector, "detector", detect.Default, "`name` of the detector that scores")
	f.UintVarP(&o.limit, "number", "n", 10_000, "most images to take of each set, chosen by --seed; 0 takes all")
	f.Uint64Var(&o.seed, "seed", 1, "of the choice of images, of those that are made, and of the bootstrap")
	f.UintVar(&o.resamples, "resamples", 1000, "of the bootstrap; 0 leaves the intervals out")
	f.StringVar(&o.histogram, "histogram", "", "also draw the distributions of the scores, in this .png `file`")
	f.StringVar(&o.roc, "roc", "", "also draw the ROC curves, in this .png `file`")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	f.BoolVar(&o.json, "json", false, "print an object with auroc, aupr, fpr95 and more; of several kinds, an array of them")
	f.BoolVar(&o.markdown, "markdown", false, "print a table in Markdown")
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
	return cmd
}

func ood(cmd *cobra.Command, path string, o oodOptions) error {
	if err := o.check(); err != nil {
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

func (o *oodOptions) check() error {
	if o.resamples != 0 && (o.resamples < 10 || o.resamples > 1e6) {
		return usageErrorf("--resamples is %d: want 0, or 10 to 1000000", o.resamples)
	}
	return checkPictures(map[string]string{"histogram": o.histogram, "roc": o.roc})
}

// measure compares what the options name, with progress and warnings on standard error.
func (o *oodOptions) measure(cmd *cobra.Command, trained *model.Model) (*benchmark.Result, error) {
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	plan := benchmark.Plan{In: o.in, Out: splitNames(o.out), Images: int(o.limit), Seed: o.seed, Resamples: int(o.resamples),
		Progress: shown.show, Warn: shown.warn}
	if o.detector != "" && o.detector != detect.Default {
		var err error
		if plan.Detector, err = detect.ForModel(trained, o.detector); err != nil {
			return nil, detectorError(trained, err)
		}
	}
	result, err := plan.Run(cmd.Context(), &cpu.Engine{Threads: int(o.threads)}, trained)
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

// readSet reads a data set with progress, and warns of what was left out or changed.
func readSet(ctx context.Context, stderr io.Writer, name string, size dataset.Size) (*dataset.Set, error) {
	shown := &stages{out: stderr}
	defer shown.clear()
	set, err := dataset.Open(ctx, name, size, dataset.WithProgress(func(done, total int) {
		shown.show("reading "+name, "images", int64(done), int64(total))
	}))
	if err != nil {
		return nil, err
	}
	for _, line := range set.Warnings() {
		shown.warn(line)
	}
	return set, nil
}
