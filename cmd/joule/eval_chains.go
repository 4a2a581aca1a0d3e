package main

// joule eval chains: whether the chains of a model move, agree, copy and miss anything.

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"runtime"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"gonum.org/v1/gonum/stat"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/chains"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/digits"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/internal/plot"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/model"
)

type chainsOptions struct {
	n          uint
	steps      uint
	draws      uint
	every      uint
	images     uint
	neighbours uint
	picture    string
	curves     string
	seed       uint64
	threads    uint
	json       bool
}

func newChainsCommand() *cobra.Command {
	var o chainsOptions
	cmd := &cobra.Command{
		Use:   "chains RUN",
		Short: "Do a model's chains mix, copy the training images, miss classes?",
		Long: `Look at what the chains of a trained model do: RUN is a run directory or a model.safetensors file.
Samples are generated as joule sample does. Then as many chains, half from samples and half from
images that the run has held out, go on with the sampler of the training and are written down.

  effective   how many independent draws the chains' draws are worth (Geyer's initial sequence)
  R-hat       1 where chains agree; far above 1 where each stays where it started
  copying     are samples nearer to training images than images held out are?
  memory      have training images lower energies than images held out?
  classes     which classes the samples show, by the classifier of digits (models of MNIST only)

Short-run chains with little noise, as in this method, go downhill and stay: expect few effective
draws and a large R-hat of them. What they say is how far a sampler is from one that is exact.`,
		Example: `  joule eval chains RUN
  joule eval chains RUN -n 128 --picture neighbours.png --curves chains.png
  joule eval chains RUN --draws 1000 --every 20 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return examineChains(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.UintVarP(&o.n, "number", "n", 64, "samples, and chains to write down")
	f.UintVar(&o.steps, "steps", 0, "steps of the chains of samples (default all rounds of joule sample)")
	f.UintVar(&o.draws, "draws", 100, "states of each chain to write down")
	f.UintVar(&o.every, "every", 0, "steps between them (default half of the K of training; K with a noise schedule)")
	f.UintVar(&o.images, "images", 1000, "most images of training and held out whose energies are compared")
	f.UintVar(&o.neighbours, "neighbours", 4, "nearest training images to find of each sample")
	f.StringVar(&o.picture, "picture", "", "also show samples beside their nearest training images, in this .png `file`")
	f.StringVar(&o.curves, "curves", "", "also draw autocorrelations by steps, in this .png `file`")
	f.Uint64Var(&o.seed, "seed", 1, "of all random numbers")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	f.BoolVar(&o.json, "json", false, "print an object")
	return cmd
}

// chainsReport is what --json prints.
type chainsReport struct {
	Samples int `json:"samples"`
	Steps   int `json:"steps"` // of the chains of samples
	Draws   int `json:"draws"` // of each chain written down
	Every   int `json:"every"`
	chains.Recording
	Apart   float64        `json:"apart"` // mean distance of two images held out: a scale for travelled
	Copying copyingReport  `json:"copying"`
	Memory  memoryReport   `json:"memory"`
	Classes *classesReport `json:"classes,omitempty"`
}

type copyingReport struct {
	Samples      float64      `json:"samples"`  // median distance to the nearest training image
	HeldOut      float64      `json:"held_out"` // likewise
	SamplesAbove chains.Ranks `json:"samples_above"`
	// Neighbours are those of each sample among the images of training, in the order of the data without those held out.
	Neighbours [][]chains.Neighbour `json:"neighbours"`
}

type memoryReport struct {
	Training     float64      `json:"training"` // mean energy
	HeldOut      float64      `json:"held_out"`
	HeldOutAbove chains.Ranks `json:"held_out_above"`
}

type classesReport struct {
	Names []string `json:"names"`
	chains.Coverage
}

func examineChains(cmd *cobra.Command, path string, o chainsOptions) error {
	const most = 1_000_000
	switch {
	case o.n < 2 || o.draws < 8 || o.neighbours < 1 || o.images < 2:
		return usageErrorf("--number is %d, --draws %d, --neighbours %d, --images %d: want at least 2, 8, 1 and 2", o.n, o.draws, o.neighbours, o.images)
	case max(o.n, o.steps, o.draws, o.every) > most || o.neighbours > 100:
		return usageErrorf("--number, --steps, --draws and --every take at most %d, --neighbours 100", most)
	case o.picture != "" && !hasExtension(o.picture, ".png") || o.curves != "" && !hasExtension(o.curves, ".png"):
		return usageErrorf("--picture is %q and --curves %q: want names ending in .png", o.picture, o.curves)
	}
	if err := errors.Join(checkOutput(o.picture, false), checkOutput(o.curves, false)); err != nil {
		return err
	}
	trained, err := model.Open(path)
	if err != nil {
		return err
	}
	x := &examination{cmd: cmd, trained: trained, options: o, threads: int(o.threads)}
	if x.threads == 0 {
		x.threads = runtime.GOMAXPROCS(0)
	}
	if x.training, x.heldOut, err = trained.Config.OpenData(cmd.Context()); err != nil {
		return fmt.Errorf("the data that the model was trained on: %w", err)
	}
	if x.training.Len() < int(o.neighbours) {
		return usageErrorf("--neighbours is %d: there are %d images of training", o.neighbours, x.training.Len())
	}
	for _, part := range []func() error{x.generate, x.record, x.copying, x.memory, x.classes, x.draw} {
		if err := part(); err != nil {
			return err
		}
	}
	if o.json {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(x.report)
	}
	return x.report.print(cmd.OutOrStdout())
}

// examination is one use of the command.
type examination struct {
	cmd               *cobra.Command
	trained           *model.Model
	options           chainsOptions
	threads           int
	training, heldOut *dataset.Set
	samples           []uint8
	labels            []int32 // of the samples; nil for an unconditional model
	seen              [][]chains.Neighbour
	unseen            [][]chains.Neighbour // of images held out
	report            chainsReport
}

func (x *examination) engine() *cpu.Engine { return &cpu.Engine{Threads: x.threads} }

// generate makes the samples.
func (x *examination) generate() error {
	choices, err := chooseLabels(x.trained, nil)
	if err != nil {
		return err
	}
	o := sampleOptions{n: x.options.n, seed: x.options.seed, steps: x.options.steps, threads: x.options.threads}
	g := o.sampling(choices)
	s := &samples{options: o, shape: x.trained.Energy.Image, period: len(choices)}
	if err := s.generate(x.cmd, x.trained, g); err != nil {
		return err
	}
	x.samples, x.labels, x.report.Samples, x.report.Steps = s.pixels, s.labels, s.n, x.trained.ChainSteps(g)
	return nil
}

// record goes on with half of the samples and as many images held out: chains that start far apart and should end up alike.
func (x *examination) record() error {
	sampler, err := x.trained.Config.NewSampler()
	if err != nil {
		return err
	}
	walker, err := chains.NewWalker(x.engine(), x.trained)
	if err != nil {
		return err
	}
	k := x.trained.Config.Sampler.Steps
	every := int(x.options.every)
	switch {
	case sampler.Schedule("", k) != nil:
		every = k // whole chains: the schedule is of one
	case every == 0:
		every = max(1, k/2)
	}
	n, size := x.report.Samples, x.trained.Energy.Image.Size()
	var pixels []uint8
	var labels []int32
	for i := range n {
		from, label := x.samples[i*size:][:size], x.labels
		at := i
		if i%2 == 1 {
			at = i % x.heldOut.Len()
			from, label = x.heldOut.Image(at), x.heldOut.Labels
		}
		pixels = append(pixels, from...)
		if x.labels != nil {
			labels = append(labels, label[at])
		}
	}
	o := mcmc.RunOptions{Inputs: map[string][]float32{"label": x.trained.OneHot(labels)}, Seed: x.options.seed,
		FirstStep: uint64(x.report.Steps)} // noise that the samples have not had
	bar := newProgress(x.cmd.ErrOrStderr(), "recording", "steps", int64(n)*int64(x.options.draws)*int64(every))
	defer bar.Done()
	x.report.Draws, x.report.Every = int(x.options.draws), every
	x.report.Recording, err = walker.Record(x.cmd.Context(), dataset.Intensities(pixels), x.report.Draws, every, o, bar.Add)
	x.report.Apart = chains.Apart(x.heldOut.Pixels, size)
	return err
}

// copying looks for the samples among the images of training.
func (x *examination) copying() error {
	size := x.trained.Energy.Image.Size()
	queries := min(x.heldOut.Len(), max(x.report.Samples, 200))
	bar := newProgress(x.cmd.ErrOrStderr(), "searching", "images", int64(x.report.Samples+queries))
	defer bar.Done()
	var one sync.Mutex
	count := func() {
		one.Lock()
		defer one.Unlock()
		bar.Add(1)
	}
	var err error
	search := func(pixels []uint8) (n [][]chains.Neighbour) {
		if err == nil {
			n, err = chains.Nearest(x.cmd.Context(), pixels, x.training.Pixels, size, int(x.options.neighbours), x.threads, count)
		}
		return n
	}
	x.seen, x.unseen = search(x.samples), search(x.heldOut.Pixels[:queries*size])
	if err != nil {
		return err
	}
	ours, theirs := chains.FirstDistances(x.seen), chains.FirstDistances(x.unseen)
	c := copyingReport{Samples: chains.Median(ours), HeldOut: chains.Median(theirs), Neighbours: x.seen}
	c.SamplesAbove, err = chains.Compare(ours, theirs)
	x.report.Copying = c
	return err
}

// memory compares energies of images that were trained on with those of images that were not.
func (x *examination) memory() error {
	meter, err := x.trained.NewMeter(x.engine(), false)
	if err != nil {
		return err
	}
	energies := func(set *dataset.Set) []float64 {
		var e []float64
		if err == nil {
			e, err = meter.Energies(x.cmd.Context(), set.Draw(min(set.Len(), int(x.options.images)), x.options.seed).Pixels, model.AnyLabel)
		}
		return e
	}
	training, heldOut := energies(x.training), energies(x.heldOut)
	if err != nil {
		return err
	}
	m := memoryReport{Training: stat.Mean(training, nil), HeldOut: stat.Mean(heldOut, nil)}
	m.HeldOutAbove, err = chains.Compare(heldOut, training)
	x.report.Memory = m
	return err
}

// classes asks the classifier of digits, where the model is of digits.
func (x *examination) classes() error {
	if x.training.Subject != dataset.Digits {
		return nil
	}
	classifier, err := digits.New(x.engine())
	if err != nil || classifier.Takes(x.heldOut.Size()) != nil {
		return err
	}
	samples := *x.heldOut
	samples.Pixels = x.samples
	of, err := features.Describe(x.cmd.Context(), classifier, &samples, nil)
	if err != nil {
		return err
	}
	in, err := features.Describe(x.cmd.Context(), classifier, x.heldOut, nil)
	if err != nil {
		return err
	}
	c, err := chains.Cover(of.Probabilities, in.Probabilities, classifier.Classes())
	x.report.Classes = &classesReport{x.heldOut.Classes, c}
	return err
}

const rowsOfPicture = 12

func (x *examination) draw() error {
	if x.options.picture != "" {
		size := x.heldOut.Size()
		columns := []chains.Column{{Title: "sample | nearest training images", Pixels: x.samples, Neighbours: x.seen},
			{Title: "held out | nearest training images", Pixels: x.heldOut.Pixels, Neighbours: x.unseen}}
		img, err := chains.Picture(columns, x.training.Pixels, size.Height, size.Width, size.Channels, rowsOfPicture)
		if err != nil {
			return err
		}
		if err := writePNG(x.options.picture, img); err != nil {
			return err
		}
	}
	if x.options.curves == "" {
		return nil
	}
	return durable.WriteFile(x.options.curves, x.report.curves)
}

func writePNG(path string, img image.Image) error {
	return durable.WriteFile(path, func(w io.Writer) error { return picture.EncodePNG(w, img) })
}

// curves draws autocorrelations, of which those at great lags rest on few pairs and are left out.
func (r *chainsReport) curves(w io.Writer) error {
	var all []plot.Series
	for _, t := range r.Traces {
		s := plot.Series{Name: t.Name}
		for lag, rho := range t.Autocorrelation[:max(1, len(t.Autocorrelation)/2)] {
			s.X, s.Y = append(s.X, float64(lag*r.Every)), append(s.Y, rho)
		}
		all = append(all, s)
	}
	return plot.Curves(w, "Autocorrelation of the chains", "steps", "correlation", all...)
}

func (r *chainsReport) print(w io.Writer) error {
	fmt.Fprintf(w, "%d samples by chains of %d steps; %d chains of %d draws, one every %d steps:\n\n", r.Samples, r.Steps, r.Samples, r.Draws, r.Every)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\teffective\tdraws\tR-hat\tmean\tdeviation\t")
	worst := 0.0
	for _, trace := range r.Traces {
		fmt.Fprintf(t, "%s\t%.1f\t%d\t%.3f\t%.4g\t%.3g\t\n", trace.Name, trace.Effective, trace.Draws, trace.RHat, trace.Mean, trace.Std)
		worst = max(worst, trace.RHat)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	verdict := "the chains agree"
	if worst > 1.05 {
		verdict = "the chains do not agree: where each is depends on where it started"
	}
	fmt.Fprintf(w, "\n%s. Travelled %.4f by a way of %.4f; two images are %.4f apart. Acceptance %.3f.\n",
		sentence(verdict), r.Travelled, r.Way, r.Apart, r.Acceptance)

	c := r.Copying
	verdict = "no sign of copying"
	if c.SamplesAbove.P < 0.01 && c.SamplesAbove.Z < 0 {
		verdict = "samples are nearer to training images than unseen images are: a sign of copying"
	}
	fmt.Fprintf(w, "\nNearest training image, median distance: of samples %.4f, of images held out %.4f.\n", c.Samples, c.HeldOut)
	fmt.Fprintf(w, "  A sample is farther than an image held out with probability %.3f (z = %.1f, p = %.2g): %s.\n",
		c.SamplesAbove.Above, c.SamplesAbove.Z, c.SamplesAbove.P, verdict)

	m := r.Memory
	verdict = "no sign of memory"
	if m.HeldOutAbove.P < 0.01 && m.HeldOutAbove.Z > 0 {
		verdict = "the model has lower energies for what it was trained on"
	}
	fmt.Fprintf(w, "\nMean energy: of training images %.5g, of images held out %.5g.\n", m.Training, m.HeldOut)
	fmt.Fprintf(w, "  One held out is above one of training with probability %.3f (z = %.1f, p = %.2g): %s.\n",
		m.HeldOutAbove.Above, m.HeldOutAbove.Z, m.HeldOutAbove.P, verdict)

	if r.Classes != nil {
		fmt.Fprintf(w, "\nClasses shown, %d of %d:", r.Classes.Covered, len(r.Classes.Counts))
		for k, n := range r.Classes.Counts {
			name := fmt.Sprint(k)
			if k < len(r.Classes.Names) {
				name = r.Classes.Names[k]
			}
			fmt.Fprintf(w, " %s:%d", name, n)
		}
		fmt.Fprintf(w, "\n  Entropy %.3f nats (images %.3f); as even as the images' with p = %.2g.\n", r.Classes.Entropy, r.Classes.EntropyImages, r.Classes.P)
		fmt.Fprintf(w, "  The classifier is sure of %.0f%% of samples, of %.0f%% of images.\n", 100*r.Classes.Sure, 100*r.Classes.SureImages)
	}
	return nil
}

// sentence begins with a capital.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
