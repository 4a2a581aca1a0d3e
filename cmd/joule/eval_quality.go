package main

// joule eval quality: how near samples are to data.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/digits"
	"github.com/joule-ebm/joule/eval/features/inception"
	"github.com/joule-ebm/joule/eval/quality"
	"github.com/joule-ebm/joule/model"
)

type qualityOptions struct {
	n        uint
	samples  string
	data     string
	dataN    uint
	features string
	weights  string
	input    string
	steps    uint
	seed     uint64
	real     bool
	threads  uint
	json     bool
}

func newQualityCommand() *cobra.Command {
	var o qualityOptions
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

The features are those of
  digits     a classifier that Joule has trained on MNIST, for grey images of 28x28
  inception  the network that FID, KID and IS are named after, for all images; its weights come by
             joule eval fetch-inception. An image takes about a tenth of a second on a fast core

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
	f.UintVarP(&o.n, "number", "n", 1000, "samples to generate, or most to take of --samples")
	f.StringVar(&o.samples, "samples", "", "images to take in place of generating some, a `data` set: a folder of pictures, say")
	f.StringVar(&o.data, "data", "", "images to compare with, a `data` set (default the test split of the run's own)")
	f.UintVar(&o.dataN, "data-number", 10_000, "most images to take of the data, chosen by --seed; 0 takes all")
	f.StringVar(&o.features, "features", "", "`network` that describes the images (default digits for grey images of 28x28, else inception)")
	f.StringVar(&o.weights, "inception-weights", "", "`file` of the weights of inception, .pth or .safetensors (default where fetch-inception puts it)")
	f.StringVar(&o.input, "inception-input", "pytorch", "how images are resized: pytorch, as pytorch-fid does, or tensorflow, as torch-fidelity does")
	f.UintVar(&o.steps, "steps", 0, "steps of a chain in all (default as for joule sample)")
	f.Uint64Var(&o.seed, "seed", 1, "of the samples and of the choice of images")
	f.BoolVar(&o.real, "real", true, "also measure real images in place of samples, if the data have a training split")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	f.BoolVar(&o.json, "json", false, "print an object with fid, kid, inception_score, manifold and more")
	return cmd
}

// qualityReport is what --json prints.
type qualityReport struct {
	Samples string `json:"samples_from"`
	Steps   int    `json:"steps,omitempty"` // of each chain
	Data    string `json:"data_from"`
	Input   string `json:"inception_input,omitempty"`
	quality.Report
	Real *realReport `json:"real,omitempty"`
}

// realReport is of real images in place of samples.
type realReport struct {
	From string `json:"samples_from"`
	quality.Report
}

func measureQuality(cmd *cobra.Command, args []string, o qualityOptions) error {
	switch {
	case o.n < 20:
		return usageErrorf("--number is %d: want at least 20", o.n)
	case max(o.n, o.dataN, o.steps) > math.MaxInt32:
		return usageErrorf("--number is %d, --data-number %d and --steps %d: want at most %d", o.n, o.dataN, o.steps, math.MaxInt32)
	case o.features != "" && o.features != "digits" && o.features != "inception":
		return usageErrorf("--features is %q: want digits or inception", o.features)
	case len(args) == 0 && (o.samples == "" || o.data == ""):
		return usageErrorf("without RUN, name both --samples and --data")
	}
	input, err := inception.ParseInput(o.input)
	if err != nil {
		return usageErrorf("--inception-input: %w", err)
	}
	q := &qualityRun{ctx: cmd.Context(), stderr: cmd.ErrOrStderr(), options: o}
	if len(args) == 1 {
		if q.trained, err = model.Open(args[0]); err != nil {
			return err
		}
	}
	data, err := q.openData()
	if err != nil {
		return err
	}
	if q.net, err = newNetwork(o, input, data.Size()); err != nil {
		return err
	}
	report := qualityReport{Samples: o.samples, Data: data.Name}
	if q.net.Name() == "inception" {
		report.Input = o.input
	}
	var samples *dataset.Set
	if o.samples != "" {
		samples, err = q.open(o.samples, data.Size(), o.n)
	} else {
		report.Samples = args[0]
		samples, report.Steps, err = q.generate(cmd)
	}
	if err != nil {
		return err
	}
	described, err := q.describe(data)
	if err != nil {
		return err
	}
	if report.Report, err = q.measure(samples, described); err != nil {
		return err
	}
	if real := q.openReal(data); real != nil {
		report.Real = &realReport{From: real.Name}
		if report.Real.Report, err = q.measure(real, described); err != nil {
			return err
		}
		report.Real.Warnings = nil // those of the samples
	}
	if o.json {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return printQuality(cmd.OutOrStdout(), report)
}

// newNetwork makes the network that describes images of a size.
func newNetwork(o qualityOptions, input inception.Input, size dataset.Size) (features.Network, error) {
	e := &cpu.Engine{Threads: int(o.threads)}
	small, err := digits.New(e)
	if err != nil {
		return nil, err
	}
	err = small.Takes(size)
	if o.features == "digits" || o.features == "" && o.weights == "" && err == nil {
		if err != nil {
			err = fmt.Errorf("%w; use --features inception", err)
		}
		return small, err
	}
	path := o.weights
	if path == "" {
		if path, err = inception.DefaultPath(); err != nil {
			return nil, err
		}
		there, err := inception.Weights.Check(path)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, errors.New("the Inception network needs its weights: run joule eval fetch-inception, or name the file with --inception-weights")
		}
	}
	return inception.Open(path, inception.Options{Threads: e.Threads, Input: input})
}

// qualityRun holds what the parts of the command share.
type qualityRun struct {
	ctx     context.Context
	stderr  io.Writer
	options qualityOptions
	trained *model.Model // nil without RUN
	net     features.Network
}

// open reads at most n images of a data set, in an order chosen by the seed; 0 takes all.
func (q *qualityRun) open(name string, size dataset.Size, n uint) (*dataset.Set, error) {
	set, err := readSet(q.ctx, q.stderr, name, size)
	if err != nil {
		return nil, err
	}
	if all := uint(set.Len()); n == 0 || n > all {
		n = all
	}
	return set.Draw(int(n), q.options.seed), nil
}

// openData opens the images to compare with.
func (q *qualityRun) openData() (*dataset.Set, error) {
	var size dataset.Size
	if q.trained != nil {
		size = q.trained.Config.ImageSize()
	}
	if q.options.data != "" {
		return q.open(q.options.data, size, q.options.dataN)
	}
	name := q.trained.Config.Data
	set, err := q.open(dataset.ParseReference(name).Unseen().String(), size, q.options.dataN)
	if err != nil {
		return nil, fmt.Errorf("the model was trained on %s, which has no test split; name images to compare with by --data: %w", name, err)
	}
	return set, nil
}

// openReal opens images of the training split of the data, if they are wanted and the data have one and are not it.
func (q *qualityRun) openReal(data *dataset.Set) *dataset.Set {
	ref := dataset.ParseReference(data.Name)
	if !q.options.real || ref.Split != dataset.Test {
		return nil
	}
	set, err := q.open(ref.WithSplit(dataset.Train).String(), data.Size(), q.options.n)
	if err != nil {
		return nil
	}
	return set
}

// generate makes samples as joule sample does, by chains of so many steps.
func (q *qualityRun) generate(cmd *cobra.Command) (set *dataset.Set, steps int, err error) {
	choices, err := chooseLabels(q.trained, nil)
	if err != nil {
		return nil, 0, err
	}
	o := sampleOptions{n: q.options.n, seed: q.options.seed, steps: q.options.steps, threads: q.options.threads}
	g := o.sampling(choices)
	s := &samples{options: o, shape: q.trained.Energy.Image, period: len(choices)}
	if err := s.generate(cmd, q.trained, g); err != nil {
		return nil, 0, err
	}
	return &dataset.Set{Name: "samples", Height: s.shape[0], Width: s.shape[1], Channels: s.shape[2], Pixels: s.pixels}, q.trained.ChainSteps(g), nil
}

func (q *qualityRun) describe(set *dataset.Set) (features.Description, error) {
	bar := newProgress(q.stderr, "describing "+set.Name, "images", int64(set.Len()))
	defer bar.Done()
	return features.Describe(q.ctx, q.net, set, bar.Add)
}

func (q *qualityRun) measure(samples *dataset.Set, data features.Description) (quality.Report, error) {
	described, err := q.describe(samples)
	if err != nil {
		return quality.Report{}, err
	}
	bar := newProgress(q.stderr, "comparing", "%", 100)
	defer bar.Done()
	last := int64(0)
	return quality.Measure(q.ctx, q.net, described, data, q.options.seed, func(done, all int64) {
		now := 100 * done / all
		bar.Add(now - last)
		last = now
	})
}

func printQuality(w io.Writer, r qualityReport) error {
	made := ""
	if r.Steps > 0 {
		made = fmt.Sprintf(", by chains of %d steps", r.Steps)
	}
	fmt.Fprintf(w, "samples: %s, %d images%s\ndata: %s, %d images; features: %s\n\n", printable(r.Samples), r.Report.Samples, made,
		printable(r.Data), r.Report.Data, r.Network)
	columns := []quality.Report{r.Report}
	heading := "\tsamples\t95% interval"
	if r.Real != nil {
		columns = append(columns, r.Real.Report)
		heading += fmt.Sprintf("\treal\t95%% interval (%s)", printable(r.Real.From))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, heading)
	for i, row := range figures(r.Report) {
		fmt.Fprint(t, row.name)
		for _, c := range columns {
			f := figures(c)[i]
			fmt.Fprintf(t, "\t%s\t%s", f.value, f.interval)
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "\nnote: %s", warning)
	}
	_, err := fmt.Fprintln(w)
	return err
}

// A figure is one as printed.
type figure struct{ name, value, interval string }

func figures(r quality.Report) []figure {
	interval := func(i *quality.Interval) string { return fmt.Sprintf("%.4g to %.4g", i.Low, i.High) }
	number := func(v float64) string { return fmt.Sprintf("%.4g", v) }
	extrapolated := figure{"  extrapolated", "-", ""}
	if e := r.FID.Extrapolated; e != nil {
		extrapolated.value, extrapolated.interval = number(e.Value), interval(e.Interval)
	}
	list := []figure{
		{"FID", number(r.FID.Value), ""},
		extrapolated,
		{"KID", number(r.KID.Value), interval(r.KID.Interval)},
		{fmt.Sprintf("  %d x %d images", r.KID.Subsets, r.KID.SubsetSize), number(r.KID.SubsetMean), "+-" + number(r.KID.SubsetStd)},
		{"IS", number(r.InceptionScore.Mean), "+-" + number(r.InceptionScore.Std)},
	}
	for _, s := range []struct {
		name string
		quality.Estimate
	}{{"precision", r.Manifold.Precision}, {"recall", r.Manifold.Recall}, {"density", r.Manifold.Density}, {"coverage", r.Manifold.Coverage}} {
		list = append(list, figure{s.name, fmt.Sprintf("%.4f", s.Value), fmt.Sprintf("%.4f to %.4f", s.Interval.Low, s.Interval.High)})
	}
	return list
}
