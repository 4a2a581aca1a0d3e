package main

// joule eval ood: how well a trained model tells unusual images from usual ones.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/rng"
	"github.com/joule-ebm/joule/run"
	"github.com/joule-ebm/joule/run/durable"
)

type oodOptions struct {
	in        string
	out       []string
	limit     uint
	seed      uint64
	histogram string
	threads   uint
	json      bool
}

func newOODCommand() *cobra.Command {
	var o oodOptions
	var builtIn strings.Builder
	for _, kind := range eval.Outliers() {
		fmt.Fprintf(&builtIn, "  %-14s %s\n", kind.Name, kind.About)
	}
	cmd := &cobra.Command{
		Use:   "ood RUN",
		Short: "Measure how well a model tells unusual images from usual ones",
		Long: `Compare the energies of usual images (--in) with those of unusual ones (--out-of) by a trained
model: RUN is a run directory or a model.safetensors file. Both are data sets as for joule train:
built-in ones, folders, archives, IDX or CIFAR files, of which the test split is taken unless
another is named. Unusual images may also be made from the usual ones, or from nothing:

` + builtIn.String() + `
  AUROC  the probability that an unusual image has a higher energy than a usual one:
         1 is perfect, 0.5 is chance
  AUPR   the average precision of finding the unusual images: chance is their share
  FPR95  the share of unusual images accepted when 95% of the usual ones are: 0 is perfect`,
		Example: `  joule eval ood RUN --out-of fashion-mnist
  joule eval ood RUN --in mnist:test --out-of noise --out-of rotated --histogram energies.png
  joule eval ood RUN --in good/ --out-of defects/ --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return ood(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.in, "in", "", "usual images, a `data` set (default the test split of the run's own)")
	f.StringArrayVar(&o.out, "out-of", nil, "unusual images, a `data` set or a name from above; may be given several times")
	f.UintVarP(&o.limit, "number", "n", 10_000, "most images to take of each set, chosen by --seed; 0 takes all")
	f.Uint64Var(&o.seed, "seed", 1, "of the choice of images, and of those that are made")
	f.StringVar(&o.histogram, "histogram", "", "also draw the distributions of the energies, in this .png `file`")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	f.BoolVar(&o.json, "json", false, "print an object with auroc, aupr, fpr95 and more; with several --out-of, an array of them")
	if err := cmd.MarkFlagRequired("out-of"); err != nil {
		panic(err)
	}
	return cmd
}

// comparison is what --json prints.
type comparison struct {
	In  string `json:"in"`
	Out string `json:"out_of"`
	eval.Detection
}

func ood(cmd *cobra.Command, path string, o oodOptions) error {
	if o.histogram != "" && !hasExtension(o.histogram, ".png") {
		return usageErrorf("--histogram is %q: want a name ending in .png", o.histogram)
	}
	if err := checkOutput(o.histogram, false); err != nil {
		return err
	}
	model, err := run.OpenModel(path)
	if err != nil {
		return err
	}
	scorer, err := eval.NewScorer(&cpu.Engine{Threads: int(o.threads)}, model.Energy, model.Params)
	if err != nil {
		return err
	}
	e := &evaluation{ctx: cmd.Context(), stderr: cmd.ErrOrStderr(), model: model, scorer: scorer, options: o}
	if err := e.openIn(); err != nil {
		return err
	}
	in, err := e.energies(e.in)
	if err != nil {
		return err
	}
	var results []comparison
	var kinds []eval.Energies
	for i, name := range o.out {
		set, err := e.outliers(name, uint64(i))
		if err != nil {
			return err
		}
		out, err := e.energies(set)
		if err != nil {
			return err
		}
		d, err := eval.Detect(in.Values, out.Values)
		if err != nil {
			return err
		}
		results, kinds = append(results, comparison{in.Name, out.Name, d}), append(kinds, out)
	}
	if o.histogram != "" {
		err := durable.WriteFile(o.histogram, func(w io.Writer) error { return eval.Histogram(w, in, kinds...) })
		if err != nil {
			return err
		}
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), results)
	}
	return printComparisons(cmd.OutOrStdout(), results)
}

// evaluation holds what every comparison shares.
type evaluation struct {
	ctx     context.Context
	stderr  io.Writer
	model   *run.Model
	scorer  *eval.Scorer
	options oodOptions
	in      *dataset.Set
}

// openIn opens the usual images: those asked for, or those of the data the model was trained on that it has not seen.
func (e *evaluation) openIn() (err error) {
	if e.options.in != "" {
		e.in, err = e.open(e.options.in)
		return err
	}
	data := e.model.Config.Data
	if e.in, err = e.read(testSplit(strings.TrimSuffix(data, ":train"))); err != nil {
		return fmt.Errorf("the model was trained on %s, and there are no others to test it with; name usual images with --in: %w", data, err)
	}
	return nil
}

// testSplit is the reference to the test split, unless a split is named already.
func testSplit(name string) string {
	for _, split := range []string{":train", ":test", ":val"} {
		if strings.HasSuffix(name, split) {
			return name
		}
	}
	return name + ":test"
}

// open reads some of the images of a data set: of its test split, if it has one and no other is named.
func (e *evaluation) open(name string) (*dataset.Set, error) {
	if set, err := e.read(testSplit(name)); err == nil || testSplit(name) == name || e.ctx.Err() != nil {
		return set, err
	}
	return e.read(name)
}

func (e *evaluation) read(name string) (*dataset.Set, error) {
	var bar *progress
	var last int
	set, err := dataset.Open(e.ctx, name, e.model.Config.ImageSize(), dataset.WithProgress(func(done, total int) {
		if bar == nil {
			bar = newProgress(e.stderr, "reading "+name, "images", int64(total))
		}
		bar.Add(int64(done - last))
		last = done
	}))
	if bar != nil {
		bar.Done()
	}
	if err != nil {
		return nil, err
	}
	if n := len(set.Skipped); n > 0 {
		fmt.Fprintf(e.stderr, "joule: warning: %s: %d of %d images are left out: %s: %s\n", oneLine(name), n, n+set.Len(),
			oneLine(set.Skipped[0].Name), oneLine(set.Skipped[0].Err.Error()))
	}
	if set.Resized {
		size := set.Size()
		fmt.Fprintf(e.stderr, "joule: warning: %s: images were scaled or cropped to %dx%d\n", oneLine(name), size.Height, size.Width)
	}
	n := int(min(e.options.limit, uint(set.Len())))
	if n == 0 || n == set.Len() {
		return set, nil
	}
	chosen := make([]int, n)
	for i := range chosen {
		chosen[i] = set.At(e.options.seed, uint64(i))
	}
	return set.Subset(chosen), nil
}

// outliers makes or opens the unusual images given as the i-th.
func (e *evaluation) outliers(name string, i uint64) (*dataset.Set, error) {
	for _, kind := range eval.Outliers() {
		if kind.Name != name {
			continue
		}
		size := e.in.Size()
		s := rng.New(e.options.seed, i)
		pixels, err := kind.Make(e.in.Len(), size.Height, size.Width, size.Channels, e.in.Pixels, &s)
		return &dataset.Set{Name: name, Height: size.Height, Width: size.Width, Channels: size.Channels, Pixels: pixels}, err
	}
	return e.open(name)
}

// energies computes those of a set.
func (e *evaluation) energies(set *dataset.Set) (eval.Energies, error) {
	bar := newProgress(e.stderr, "scoring "+set.Name, "images", int64(set.Len()))
	defer bar.Done()
	result, size := eval.Energies{Name: set.Name}, set.Size().Len()
	for first := 0; first < set.Len(); first += e.scorer.Batch() {
		n := min(e.scorer.Batch(), set.Len()-first)
		energies, err := e.scorer.Score(e.ctx, set.Pixels[first*size:][:n*size], eval.AnyLabel)
		if err != nil {
			return result, err
		}
		result.Values = append(result.Values, energies...)
		bar.Add(int64(n))
	}
	return result, nil
}

func printJSON(w io.Writer, results []comparison) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if len(results) == 1 {
		return encoder.Encode(results[0])
	}
	return encoder.Encode(results)
}

func printComparisons(w io.Writer, results []comparison) error {
	in := results[0]
	fmt.Fprintf(w, "usual: %s, %d images, mean energy %.4f\n\n", printable(in.In), in.NumIn, in.MeanIn)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "AUROC\tAUPR\tFPR95\timages\tmean energy\t  unusual")
	for _, r := range results {
		fmt.Fprintf(t, "%.4f\t%.4f\t%.4f\t%d\t%.4f\t  %s\n", r.AUROC, r.AUPR, r.FPR95, r.NumOut, r.MeanOut, printable(r.Out))
	}
	return t.Flush()
}
