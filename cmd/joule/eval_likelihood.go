package main

// joule eval likelihood: how likely images are under a model, which takes the constant that its energy leaves open.

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/likelihood"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/plot"
	"github.com/joule-ebm/joule/model"
)

type likelihoodOptions struct {
	in          string
	images      uint
	label       string
	temperature float64
	rungs       uint
	chains      uint
	leapfrogs   uint
	settle      uint
	from        string
	curve       string
	seed        uint64
	threads     uint
	json        bool
}

// Where chains from above may start.
const (
	fromChains = "chains"
	fromData   = "data"
)

func newLikelihoodCommand() *cobra.Command {
	var o likelihoodOptions
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

  --from chains  the ends of the first chains, drawn by weight and moved on by --settle transitions;
                 modes that no chain has found are missing from both estimates
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
	f.Float64Var(&o.temperature, "temperature", 1, "T")
	f.UintVar(&o.rungs, "rungs", 500, "temperatures on the way; more bring the two estimates closer")
	f.UintVar(&o.chains, "chains", 64, "chains each way")
	f.UintVar(&o.leapfrogs, "leapfrogs", 3, "steps of a transition")
	f.UintVar(&o.settle, "settle", 100, "transitions at T before chains go back, with --from chains")
	f.StringVar(&o.from, "from", fromChains, "where chains to the uniform distribution start: chains or data")
	f.StringVar(&o.curve, "curve", "", "also draw the likelihood against the temperature, in this .png `file`")
	f.Uint64Var(&o.seed, "seed", 1, "of all random numbers")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	f.BoolVar(&o.json, "json", false, "print an object")
	return cmd
}

// likelihoodReport is what --json prints.
type likelihoodReport struct {
	In          string  `json:"in"`
	Images      int     `json:"images"`
	Dimensions  int     `json:"dimensions"`
	Label       string  `json:"label,omitempty"`
	Temperature float64 `json:"temperature"`
	Rungs       uint    `json:"rungs"`
	From        string  `json:"from"`
	Seed        uint64  `json:"seed"`
	Seconds     float64 `json:"seconds"`
	likelihood.Report
}

func (o *likelihoodOptions) check() error {
	const coldest, hottest = 1e-6, 1e6 // below, energies in float32 do not resolve E/T
	switch {
	case !(o.temperature >= coldest && o.temperature <= hottest):
		return usageErrorf("--temperature is %v: want %v to %v", o.temperature, coldest, hottest)
	case o.chains < 2 || o.rungs < 1 || o.leapfrogs < 1 || o.leapfrogs > 100 || max(o.chains, o.rungs, o.settle) > 1e6:
		return usageErrorf("--chains is %d, --rungs %d, --leapfrogs %d, --settle %d: want 2, 1, 1 and 0 at least, 100 leapfrogs and a million of the others at most",
			o.chains, o.rungs, o.leapfrogs, o.settle)
	case o.from != fromChains && o.from != fromData:
		return usageErrorf("--from is %q: want %s or %s", o.from, fromChains, fromData)
	case o.curve != "" && !hasExtension(o.curve, ".png"):
		return usageErrorf("--curve is %q: want a name ending in .png", o.curve)
	}
	return checkOutput(o.curve, false)
}

func measureLikelihood(cmd *cobra.Command, path string, o likelihoodOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	trained, err := model.Open(path)
	if err != nil {
		return err
	}
	label, err := chooseOne(trained, o.label)
	if err != nil {
		return err
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	choice := benchmark.Plan{In: o.in, Images: int(o.images), Seed: o.seed, Progress: shown.show, Warn: shown.warn}
	images, err := choice.OpenTest(cmd.Context(), &trained.Config)
	if err != nil {
		return nameIn(err)
	}
	if label != nil {
		if images, err = ofClass(images, label[0], o.label); err != nil {
			return err
		}
	}
	if images.Len() < 2 {
		return fmt.Errorf("%s: %d images are too few: want 2 or more", images.Name, images.Len())
	}
	a, err := newAnnealer(trained, label, o)
	if err != nil {
		return err
	}
	plan := likelihood.Plan{Temperature: o.temperature, Rungs: int(o.rungs), Chains: int(o.chains), Settle: int(o.settle),
		FromData: o.from == fromData, Seed: o.seed}
	bar := newProgress(cmd.ErrOrStderr(), "annealing", "transitions", plan.Transitions())
	defer bar.Done()
	a.Progress = bar.Add
	begun := time.Now()
	report := likelihoodReport{In: images.Name, Images: images.Len(), Dimensions: trained.Energy.Image.Size(), Label: o.label, Temperature: o.temperature,
		Rungs: o.rungs, From: o.from, Seed: o.seed}
	if report.Report, err = a.Measure(cmd.Context(), plan, images.Pixels); err != nil {
		return err
	}
	bar.Done()
	report.Seconds = time.Since(begun).Seconds()
	if o.curve != "" {
		if err := durable.WriteFile(o.curve, report.curve); err != nil {
			return err
		}
	}
	if o.json {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return report.print(cmd.OutOrStdout())
}

// newAnnealer compiles what the measurement runs; label is nil for an unconditional model.
func newAnnealer(trained *model.Model, label []int32, o likelihoodOptions) (*likelihood.Annealer, error) {
	of, err := trained.Energy.Function()
	if err != nil {
		return nil, err
	}
	a, err := likelihood.NewAnnealer(&cpu.Engine{Threads: int(o.threads)}, of, trained.Energy.Image, int(o.leapfrogs))
	if err != nil {
		return nil, err
	}
	if label != nil {
		a.Inputs = map[string][]float32{"label": trained.OneHot(label)}
	}
	return a, a.Bind(trained.Params)
}

// chooseOne is the class that a conditional model is to be measured under; nil for an unconditional model.
func chooseOne(trained *model.Model, name string) ([]int32, error) {
	if len(trained.Classes) > 0 && name == "" {
		return nil, usageErrorf("the model is conditional: say with --label which of its %d classes to measure", len(trained.Classes))
	}
	if name == "" {
		return nil, nil
	}
	return chooseLabels(trained, []string{name})
}

// ofClass are the images of a class.
func ofClass(set *dataset.Set, label int32, name string) (*dataset.Set, error) {
	var chosen []int
	for i, l := range set.Labels {
		if l == label {
			chosen = append(chosen, i)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("%s: no images of class %s: name others with --in", set.Name, oneLine(name))
	}
	return set.Subset(chosen), nil
}

func (r *likelihoodReport) curve(w io.Writer) error {
	bits := plot.Series{Name: r.In}
	for _, p := range slices.Backward(r.Path) {
		bits.X = append(bits.X, math.Log10(p.Temperature))
		bits.Y = append(bits.Y, p.Bits)
	}
	return plot.Curves(w, "Likelihood at the temperatures of the way up", "log10 of the temperature", "bits per dimension (uniform: 8)", bits)
}

func (r *likelihoodReport) print(w io.Writer) error {
	estimate := func(name string, e likelihood.Estimate) {
		fmt.Fprintf(w, "  %-10s %12.3f  (95%% %.3f to %.3f; worth %.1f of %d chains; acceptance %.2f)\n",
			name, e.LogZ, e.Low, e.High, e.Effective, e.Chains, e.Acceptance)
	}
	of := ""
	if r.Label != "" {
		of = " of class " + r.Label
	}
	fmt.Fprintf(w, "log Z of exp(-E/T)%s at T = %g, %d dimensions, against the uniform distribution:\n", of, r.Temperature, r.Dimensions)
	estimate("from below", r.Up)
	estimate("from above", r.Down)
	if spread := max(r.Up.Spread, r.Down.Spread); spread > 3 || math.Min(r.Up.Effective, r.Down.Effective) < 5 || r.Up.LogZ > r.Down.High {
		fmt.Fprintf(w, "  These do not hold well together (log weights vary by %.1f between chains): give more --rungs or --chains.\n", spread)
	}
	if r.From == fromData {
		fmt.Fprintln(w, "  The estimate from above starts from images, not from samples of the model: an indication, no bound.")
	} else {
		fmt.Fprintln(w, "  The estimate from above starts from what chains have found: modes that none has found are missing from both.")
	}
	fmt.Fprintf(w, "\n%d images of %s, mean energy %.4g:\n", r.Images, printable(r.In), r.MeanEnergy)
	fmt.Fprintf(w, "  log-likelihood %.3f nats (%.3f to %.3f)\n", r.LogLikelihood, r.Low, r.High)
	fmt.Fprintf(w, "  at most %.4f bits per dimension (%.4f to %.4f) of 8-bit images; the uniform distribution has 8\n", r.Bits, r.BitsLow, r.BitsHigh)
	if min(r.Bits, r.Best.Bits) < 0 {
		fmt.Fprintln(w, "  No distribution of 8-bit images has fewer than 0 bits: log Z is underestimated, the chains have missed where the images are.")
	}
	if best := r.Best; best.Temperature == 0 {
		fmt.Fprintf(w, "No temperature from %g up makes the images likelier than the uniform distribution does.\n", r.Temperature)
	} else {
		fmt.Fprintf(w, "Of the temperatures passed on the way, %.3g describes the images best: about %.4f bits per dimension.\n",
			best.Temperature, best.Bits)
		if best == r.Path[len(r.Path)-1] {
			fmt.Fprintln(w, "A lower --temperature may do better still.")
		}
	}
	return nil
}
