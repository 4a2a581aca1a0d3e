package main

// joule eval ood: how well a trained model tells unusual images from usual ones.

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

type oodOptions struct {
	in        string
	out       []string
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
		Short: "Measure how well a model tells unusual images from usual ones",
		Long: `Compare the energies of usual images (--in) with those of unusual ones (--out-of) by a trained
model: RUN is a run directory or a model.safetensors file. Both are data sets as for joule train:
built-in ones, folders, archives, IDX or CIFAR files, of which the test split is taken unless
another is named. Unusual images may also be made from the usual ones, or from nothing:

` + builtIn.String() + `  textures:DATA  patches of the pictures of a data set, not scaled

Without --out-of, they are compared with the built-in ones and with another data set.

  AUROC  the probability that an unusual image has a higher energy than a usual one:
         1 is perfect, 0.5 is chance
  AUPR   the average precision of finding the unusual images: chance is their share
  FPR95  the share of unusual images accepted when 95% of the usual ones are: 0 is perfect

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
	f.StringVar(&o.in, "in", "", "usual images, a `data` set (default the test split of the run's own, or what it held out)")
	f.StringArrayVar(&o.out, "out-of", nil, "unusual images, a `data` set or a name from above; several with commas, or given several times")
	f.UintVarP(&o.limit, "number", "n", 10_000, "most images to take of each set, chosen by --seed; 0 takes all")
	f.Uint64Var(&o.seed, "seed", 1, "of the choice of images, of those that are made, and of the bootstrap")
	f.UintVar(&o.resamples, "resamples", 1000, "of the bootstrap; 0 leaves the intervals out")
	f.StringVar(&o.histogram, "histogram", "", "also draw the distributions of the energies, in this .png `file`")
	f.StringVar(&o.roc, "roc", "", "also draw the ROC curves, in this .png `file`")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	f.BoolVar(&o.json, "json", false, "print an object with auroc, aupr, fpr95 and more; of several kinds, an array of them")
	f.BoolVar(&o.markdown, "markdown", false, "print a table in Markdown")
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
	return cmd
}

// comparison is what --json prints.
type comparison struct {
	In  string `json:"in"`
	Out string `json:"out_of"`
	benchmark.Detection
	Intervals *benchmark.Intervals `json:"intervals,omitempty"`
}

// level is that of the intervals.
const level = 0.95

func ood(cmd *cobra.Command, path string, o oodOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	trained, err := model.Open(path)
	if err != nil {
		return err
	}
	e, err := newEvaluation(cmd, trained, o)
	if err != nil {
		return err
	}
	in, kinds, results, err := e.compareAll()
	if err != nil {
		return err
	}
	for _, picture := range []struct {
		name string
		draw func(io.Writer, benchmark.Energies, ...benchmark.Energies) error
	}{{o.histogram, benchmark.Histogram}, {o.roc, benchmark.ROCCurves}} {
		if picture.name == "" {
			continue
		}
		if err := durable.WriteFile(picture.name, func(w io.Writer) error { return picture.draw(w, in, kinds...) }); err != nil {
			return err
		}
	}
	switch {
	case o.json:
		return printJSON(cmd.OutOrStdout(), results)
	case o.markdown:
		return printMarkdown(cmd.OutOrStdout(), trained, o, results)
	}
	return printComparisons(cmd.OutOrStdout(), results)
}

func (o *oodOptions) check() error {
	if o.resamples != 0 && (o.resamples < 10 || o.resamples > 1e6) {
		return usageErrorf("--resamples is %d: want 0, or 10 to 1000000", o.resamples)
	}
	for _, picture := range []struct{ flag, name string }{{"--histogram", o.histogram}, {"--roc", o.roc}} {
		if picture.name != "" && !hasExtension(picture.name, ".png") {
			return usageErrorf("%s is %q: want a name ending in .png", picture.flag, picture.name)
		}
		if err := checkOutput(picture.name, false); err != nil {
			return err
		}
	}
	return nil
}

// evaluation holds what every comparison shares.
type evaluation struct {
	ctx     context.Context
	stderr  io.Writer
	trained *model.Model
	meter   *model.Meter
	options oodOptions
	in      *dataset.Set
}

func newEvaluation(cmd *cobra.Command, trained *model.Model, o oodOptions) (*evaluation, error) {
	meter, err := trained.NewMeter(&cpu.Engine{Threads: int(o.threads)}, false)
	return &evaluation{ctx: cmd.Context(), stderr: cmd.ErrOrStderr(), trained: trained, meter: meter, options: o}, err
}

// compareAll compares the usual images with every kind of unusual ones.
func (e *evaluation) compareAll() (in benchmark.Energies, kinds []benchmark.Energies, results []comparison, err error) {
	if err := e.openUnseen(); err != nil {
		return in, nil, nil, err
	}
	names := e.options.out
	if len(names) == 0 {
		names = defaultOutliers(cmp.Or(e.options.in, e.trained.Config.Data), e.in.Size())
	}
	names = splitNames(names)
	opened, err := e.openAll(names) // before the work: a name may be mistyped
	if err != nil {
		return in, nil, nil, err
	}
	if in, err = e.energies(e.in); err != nil {
		return in, nil, nil, err
	}
	for i, name := range names {
		set := opened[name]
		if set == nil {
			if set, err = e.outliers(name, uint64(i)); err != nil {
				return in, nil, nil, err
			}
		}
		out, err := e.energies(set)
		if err != nil {
			return in, nil, nil, err
		}
		result, err := e.compare(in, out, uint64(i))
		if err != nil {
			return in, nil, nil, err
		}
		kinds, results = append(kinds, out), append(results, result)
	}
	return in, kinds, results, nil
}

// openAll opens those of the unusual images that are not built in.
func (e *evaluation) openAll(names []string) (opened map[string]*dataset.Set, err error) {
	opened = map[string]*dataset.Set{}
	for _, name := range names {
		if _, err := benchmark.OutlierNamed(name); err == nil || opened[name] != nil {
			continue
		}
		if opened[name], err = e.openOutliers(name); err != nil {
			return nil, err
		}
	}
	return opened, nil
}

// compare compares usual images with unusual ones, given as the i-th.
func (e *evaluation) compare(in, out benchmark.Energies, i uint64) (comparison, error) {
	d, err := benchmark.Detect(in.Values, out.Values)
	result := comparison{In: in.Name, Out: out.Name, Detection: d}
	if err != nil || e.options.resamples == 0 {
		return result, err
	}
	s := rng.New(e.options.seed, streamBootstrap, i)
	intervals, err := benchmark.Bootstrap(e.ctx, in.Values, out.Values, level, int(e.options.resamples), &s)
	result.Intervals = &intervals
	return result, err
}

// Names of random numbers; those of the i-th kind of outliers have the number i alone.
const (
	streamBootstrap = 1<<32 + iota
	streamPatches
)

// defaultOutliers are what a model is compared with where nothing is named: another data set, which needs no download, and what
// can be made of images of this size. Mirrored images are not among them: to a model of photographs they are usual.
func defaultOutliers(data string, size dataset.Size) []string {
	names := []string{dataset.Contrast(data, size), "noise", "constant", "inverted"}
	if size.Height == size.Width {
		names = append(names, "rotated")
	}
	return append(names, "flipped", "interpolation", "blurred", "shuffled", "textures")
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

// openUnseen opens the usual images. Where the data have no split to test with, they are those that the run has held out of training.
func (e *evaluation) openUnseen() error {
	err := e.openIn()
	if err == nil || e.options.in != "" || e.ctx.Err() != nil {
		return err
	}
	_, held, heldErr := e.trained.Config.OpenData(e.ctx)
	if heldErr != nil {
		return err
	}
	held.Name = model.HeldOutName(e.trained.Config.Data)
	e.in = e.some(held)
	return nil
}

// openIn opens the usual images: those asked for, or those of the data the model was trained on that it has not seen.
func (e *evaluation) openIn() (err error) {
	if e.options.in != "" {
		e.in, err = e.open(e.options.in)
		return err
	}
	data := e.trained.Config.Data
	if e.in, err = e.read(dataset.ParseReference(data).Unseen().String()); err != nil {
		return fmt.Errorf("the model was trained on %s, and there are no others to test it with; name usual images with --in: %w", data, err)
	}
	return nil
}

// open reads some of the images of a data set: of its test split, if it has one and no other is named.
func (e *evaluation) open(name string) (*dataset.Set, error) {
	test := dataset.ParseReference(name).OrSplit(dataset.Test).String()
	if set, err := e.read(test); err == nil || test == name || e.ctx.Err() != nil {
		return set, err
	}
	return e.read(name)
}

func (e *evaluation) read(name string) (*dataset.Set, error) {
	set, err := readSet(e.ctx, e.stderr, name, e.trained.Config.ImageSize())
	if err != nil {
		return nil, err
	}
	return e.some(set), nil
}

// readSet reads a data set with progress, and warns of what was left out or changed.
func readSet(ctx context.Context, stderr io.Writer, name string, size dataset.Size) (*dataset.Set, error) {
	var bar *progress
	var last int
	set, err := dataset.Open(ctx, name, size, dataset.WithProgress(func(done, total int) {
		if bar == nil {
			bar = newProgress(stderr, "reading "+name, "images", int64(total))
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
		fmt.Fprintf(stderr, "joule: warning: %s: %d of %d images are left out: %s: %s\n", oneLine(name), n, n+set.Len(),
			oneLine(set.Skipped[0].Name), oneLine(set.Skipped[0].Err.Error()))
	}
	if set.Resized {
		size := set.Size()
		fmt.Fprintf(stderr, "joule: warning: %s: images were scaled or cropped to %dx%d\n", oneLine(name), size.Height, size.Width)
	}
	return set, nil
}

// some are as many images of a set as were asked for, if it has more.
func (e *evaluation) some(set *dataset.Set) *dataset.Set {
	return set.AtMost(int(min(e.options.limit, math.MaxInt32)), e.options.seed)
}

// outliers makes or opens the unusual images given as the i-th.
func (e *evaluation) outliers(name string, i uint64) (*dataset.Set, error) {
	kind, err := benchmark.OutlierNamed(name)
	if err != nil {
		return e.openOutliers(name)
	}
	size := e.in.Size()
	s := rng.New(e.options.seed, i)
	pixels, err := kind.Make(e.in.Len(), size.Height, size.Width, size.Channels, e.in.Pixels, &s)
	return &dataset.Set{Name: name, Height: size.Height, Width: size.Width, Channels: size.Channels, Pixels: pixels}, err
}

// openOutliers opens unusual images of a data set.
func (e *evaluation) openOutliers(name string) (*dataset.Set, error) {
	if data, ok := strings.CutPrefix(name, "textures:"); ok {
		return e.patches(name, data)
	}
	return e.open(name)
}

// patches cuts the pictures of a data set into images and keeps some, all patches having the same chance: one that comes n-th takes a
// place with probability limit/n (Vitter 1985, algorithm R), since all together may be more than there is memory for.
func (e *evaluation) patches(name, data string) (*dataset.Set, error) {
	size := e.in.Size()
	set := &dataset.Set{Name: name, Height: size.Height, Width: size.Width, Channels: size.Channels}
	bar := newProgress(e.stderr, "cutting "+data, "images", -1)
	defer bar.Done()
	var failed error
	seen, s := 0, rng.New(e.options.seed, streamPatches)
	for img, err := range dataset.Images(e.ctx, data, dataset.Size{Channels: size.Channels}) {
		if err != nil {
			if e.ctx.Err() != nil || img.Name == "" {
				return nil, err
			}
			fmt.Fprintln(e.stderr, "joule: warning: left out", oneLine(err.Error()))
			failed = err
			continue
		}
		patches, err := benchmark.Patches(img.Pixels, img.Height, img.Width, size.Height, size.Width, size.Channels)
		if err != nil {
			return nil, err
		}
		for _, p := range patches {
			seen++
			if limit := int(e.options.limit); limit == 0 || set.Len() < limit {
				set.Pixels = append(set.Pixels, p...)
			} else if place := s.IntN(seen); place < limit {
				copy(set.Image(place), p)
			}
		}
		bar.Add(1)
	}
	if set.Len() == 0 {
		return nil, fmt.Errorf("%s: no picture can be read: %w", data, failed)
	}
	return set, nil
}

// energies computes those of a set.
func (e *evaluation) energies(set *dataset.Set) (benchmark.Energies, error) {
	bar := newProgress(e.stderr, "scoring "+set.Name, "images", int64(set.Len()))
	defer bar.Done()
	result, size := benchmark.Energies{Name: set.Name}, set.Size().Len()
	for first := 0; first < set.Len(); first += e.meter.Batch() {
		n := min(e.meter.Batch(), set.Len()-first)
		energies, err := e.meter.Energies(e.ctx, set.Pixels[first*size:][:n*size], model.AnyLabel)
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
	if in.Intervals == nil {
		fmt.Fprintln(t, "AUROC\tAUPR\tFPR95\timages\tmean energy\t  unusual")
	} else {
		fmt.Fprintln(t, "AUROC\t95% interval\tAUPR\tFPR95\t95% interval\timages\tmean energy\t  unusual")
	}
	for _, r := range results {
		if i := r.Intervals; i == nil {
			fmt.Fprintf(t, "%.4f\t%.4f\t%.4f", r.AUROC, r.AUPR, r.FPR95)
		} else {
			fmt.Fprintf(t, "%.4f\t%s\t%.4f\t%.4f\t%s", r.AUROC, ends(i.AUROC), r.AUPR, r.FPR95, ends(i.FPR95))
		}
		fmt.Fprintf(t, "\t%d\t%.4f\t  %s\n", r.NumOut, r.MeanOut, printable(r.Out))
	}
	return t.Flush()
}

func ends(i benchmark.Interval) string { return fmt.Sprintf("%.4f–%.4f", i[0], i[1]) }

// printMarkdown prints a table for people to read elsewhere: it says what it is made of.
func printMarkdown(w io.Writer, trained *model.Model, o oodOptions, results []comparison) error {
	var b strings.Builder
	c, err := run.ConfigOf(trained)
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "Network %s, %d filters, %d parameters, trained on %s for %d iterations of %d images (seed %d). ", c.Network.Name,
		c.Network.Filters, parameters(trained), markdown(c.Data), trained.Iterations, c.Optimiser.Batch, c.Seed)
	fmt.Fprintf(&b, "Usual: %s, %d images.", markdown(results[0].In), results[0].NumIn)
	figure := func(value float64, i *benchmark.Intervals, of func(*benchmark.Intervals) benchmark.Interval) string {
		if i == nil {
			return fmt.Sprintf("%.4f", value)
		}
		return fmt.Sprintf("%.4f (%s)", value, ends(of(i)))
	}
	if i := results[0].Intervals; i != nil {
		fmt.Fprintf(&b, " In brackets: %.0f%% intervals by %d resamples of the images (seed %d).", 100*i.Level, i.Resamples, o.seed)
	}
	fmt.Fprint(&b, "\n\n| unusual | images | AUROC | AUPR | AUPR, usual | FPR95 |\n| --- | --: | --: | --: | --: | --: |\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s |\n", markdown(r.Out), r.NumOut,
			figure(r.AUROC, r.Intervals, func(i *benchmark.Intervals) benchmark.Interval { return i.AUROC }),
			figure(r.AUPR, r.Intervals, func(i *benchmark.Intervals) benchmark.Interval { return i.AUPR }),
			figure(r.AUPRIn, r.Intervals, func(i *benchmark.Intervals) benchmark.Interval { return i.AUPRIn }),
			figure(r.FPR95, r.Intervals, func(i *benchmark.Intervals) benchmark.Interval { return i.FPR95 }))
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// shortName leaves out the folders that a data set is in.
func shortName(name string) string {
	if data, ok := strings.CutPrefix(name, "textures:"); ok {
		return "textures:" + dataset.ShortName(data)
	}
	return dataset.ShortName(name)
}

// markdown makes a name fit for a cell of a table.
func markdown(name string) string {
	return strings.NewReplacer("|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "<", "&lt;").Replace(oneLine(shortName(name)))
}

// parameters counts the numbers a model has learnt.
func parameters(trained *model.Model) (n int) {
	for _, values := range trained.Params {
		n += len(values)
	}
	return n
}
