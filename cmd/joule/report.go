package main

// joule report: a run as a page to read.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/report"
	"github.com/joule-ebm/joule/run"
)

type reportOptions struct {
	ood    oodOptions
	output string
	chains uint
	quick  bool
	json   bool
}

func newReportCommand() *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report RUN",
		Short: "Show a run as a page: samples, curves, how well it detects",
		Long: `Write one HTML file about a run: its samples over time, its curves, chains on their way from noise,
energies of usual and unusual images with ROC curves and intervals, timings and configuration.
The file stands alone: it can be sent, kept or printed, and asks nothing of any other place.

RUN is a run directory, finished or still training, or a model.safetensors file. What cannot be
shown, because it is not there yet or damaged, the page says. Detection is measured as by joule
eval ood, whose --in and --out-of choose the images.`,
		Example: `  joule report RUN                          writes RUN/report.html
  joule report RUN -o page.html --out-of fashion-mnist,rotated,photos/
  joule report RUN --quick                  only what training has recorded`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return writeReport(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", "the page, a .html `file` (default report.html in RUN, or beside the model)")
	f.StringVar(&o.ood.in, "in", "", "usual images, a `data` set (default the test split of the run's own, or what it held out)")
	f.StringArrayVar(&o.ood.out, "out-of", nil, "unusual images, a `data` set or a built-in kind; see joule eval ood --help")
	f.UintVarP(&o.ood.limit, "number", "n", 2000, "most images to take of each set; 0 takes all")
	f.UintVar(&o.ood.resamples, "resamples", 1000, "of the bootstrap for intervals; 0 leaves them out")
	f.UintVar(&o.chains, "chains", 8, "chains to draw from noise; 0: none")
	f.Uint64Var(&o.ood.seed, "seed", 1, "of all random numbers")
	f.UintVar(&o.ood.threads, "threads", 0, "threads to use (default one a core)")
	f.BoolVar(&o.quick, "quick", false, "leave out what has to be computed: detection and chains")
	f.BoolVar(&o.json, "json", false, "print what was written as JSON")
	return cmd
}

// reportResult is what --json prints.
type reportResult struct {
	Output  string   `json:"output"`
	Bytes   int64    `json:"bytes"`
	Missing []string `json:"missing"` // what the page could not show
}

func writeReport(cmd *cobra.Command, path string, o reportOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	r, trained, err := openReport(path)
	if err != nil {
		return err
	}
	if o.output == "" {
		if o.output = filepath.Join(path, "report.html"); !isDir(path) {
			o.output = strings.TrimSuffix(path, filepath.Ext(path)) + ".html"
		}
	}
	if err := checkOutput(o.output, false); err != nil {
		return err
	}
	r.Program = "joule " + version()
	if trained != nil && !o.quick {
		if err := addComputed(cmd, r, trained, o); err != nil {
			return err
		}
	}
	r.Facts = reportFacts(r, trained)
	if err := durable.WriteFile(o.output, r.Write); err != nil {
		return err
	}
	info, err := os.Stat(o.output)
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(reportResult{o.output, info.Size(), append([]string{}, r.Missing...)})
	}
	for _, line := range r.Missing {
		fmt.Fprintln(cmd.ErrOrStderr(), "joule:", oneLine(line))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, %.1f MB: open it in a browser\n", o.output, float64(info.Size())/1e6)
	return err
}

func (o *reportOptions) check() error {
	switch {
	case o.output != "" && !hasExtension(o.output, ".html"):
		return usageErrorf("--output is %q: want a name ending in .html", o.output)
	case o.chains > mostInGIF:
		return usageErrorf("--chains is %d: want at most %d", o.chains, mostInGIF)
	}
	return o.ood.check()
}

// openReport collects what is recorded at path, a run directory or a model file, and opens the model, if there is one that can be read.
func openReport(path string) (*report.Report, *model.Model, error) {
	r, err := report.Read(path)
	trained, modelErr := model.Open(path)
	switch {
	case err == nil && modelErr != nil:
		r.Miss("what the model does", modelErr)
		return r, nil, nil
	case err == nil:
		return r, trained, nil
	case modelErr != nil && isDir(path):
		return nil, nil, err
	case modelErr != nil:
		return nil, nil, modelErr
	}
	// A model by itself.
	r = &report.Report{Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))}
	config, err := run.ConfigOf(trained)
	if err != nil {
		return nil, nil, err
	}
	r.Config, err = config.Text()
	return r, trained, err
}

// addComputed adds detection and chains. Data that is gone is no reason to have no page.
func addComputed(cmd *cobra.Command, r *report.Report, trained *model.Model, o reportOptions) error {
	ctx := cmd.Context()
	if result, err := o.ood.measure(cmd, trained); err == nil {
		result.In.Name = shortName(result.In.Name)
		r.Detection = &report.Detection{In: result.In}
		for i, c := range result.Comparisons {
			result.Out[i].Name = shortName(result.Out[i].Name)
			r.Detection.Out = append(r.Detection.Out, report.Outliers{Scores: result.Out[i], Detection: c.Detection, Intervals: c.Intervals})
		}
	} else if ctx.Err() != nil || len(o.ood.out) > 0 || o.ood.in != "" { // what was asked for must be there
		return err
	} else {
		message := strings.ReplaceAll(err.Error(), trained.Config.Data, shortName(trained.Config.Data))
		r.Miss("how well the model tells unusual images from usual ones", errors.New(message))
	}
	if r.Detection != nil {
		var err error
		if r.Calibration, err = calibrationOf(trained, r.Detection.In); err != nil {
			r.Miss("calibration", err)
		}
	}
	if o.chains == 0 {
		return nil
	}
	chains, err := drawChains(cmd, trained, o)
	if err == nil {
		r.Chains = chains
	} else if ctx.Err() != nil {
		return err
	} else {
		r.Miss("chains", err)
	}
	if r.Chains != nil && r.Detection != nil {
		r.Chains.Usual = r.Detection.In.Values
	}
	return nil
}

// calibrationOf takes the p-values of usual images by the model's calibration.
func calibrationOf(trained *model.Model, usual benchmark.Scores) (*report.Calibration, error) {
	calibration, err := detect.CalibrationOf(trained)
	if err != nil {
		return nil, fmt.Errorf("%w; joule calibrate makes up for it", err)
	}
	if usual.Name == shortName(calibration.Data) {
		return nil, errors.New("the images to check it with are those that the model is calibrated with; name others with --in")
	}
	scales, err := trained.Energy.Scales()
	if err != nil {
		return nil, err
	}
	energy, err := detect.Named(detect.Default, scales, calibration)
	if err != nil {
		return nil, err
	}
	c := &report.Calibration{Data: shortName(calibration.Data), Images: calibration.Images, Usual: usual.Name}
	for _, e := range usual.Values {
		c.PValues = append(c.PValues, energy.Distribution.P(energy.Score(model.Measurement{Energy: e})))
	}
	return c, nil
}

const (
	looksAtChains = 120 // about
	shownOfChains = 9
)

// drawChains lets chains run from noise and keeps their energies and some of their images.
func drawChains(cmd *cobra.Command, trained *model.Model, o reportOptions) (*report.Chains, error) {
	engine := &cpu.Engine{Threads: int(o.ood.threads)}
	meter, err := trained.NewMeter(engine, false)
	if err != nil {
		return nil, err
	}
	sampling := model.Sampling{Images: int(o.chains), Seed: o.ood.seed, Threads: int(o.ood.threads)}
	n, shape, steps := int(o.chains), trained.Energy.Image, trained.ChainSteps(sampling)
	sampling.Every = max(1, steps/looksAtChains)
	bar := newProgress(cmd.ErrOrStderr(), "drawing chains", "steps", int64(steps))
	defer bar.Done()
	c, looks, next := &report.Chains{}, [][]uint8{}, 0
	sampling.Look = func(_, step int, x []float32) error {
		if step < next && step != steps {
			return nil
		}
		next = step + sampling.Every
		if len(c.Steps) > 0 {
			bar.Add(int64(step - c.Steps[len(c.Steps)-1]))
		}
		pixels := picture.Quantise(x)
		energies, err := meter.Energies(cmd.Context(), pixels, model.AnyLabel)
		c.Steps, c.Energy, looks = append(c.Steps, step), append(c.Energy, energies), append(looks, pixels)
		return err
	}
	if _, err := trained.Sample(cmd.Context(), engine, sampling); err != nil {
		return nil, err
	}

	// Most happens at the beginning: the looks shown are spaced by the square root of time.
	var film []uint8
	var columns []int
	const squares = (shownOfChains - 1) * (shownOfChains - 1)
	for k := range shownOfChains {
		at := ((len(looks)-1)*k*k + squares - 1) / squares
		if len(columns) == 0 || at > columns[len(columns)-1] {
			columns, c.Shown = append(columns, at), append(c.Shown, c.Steps[at])
		}
	}
	for i := range n {
		for _, at := range columns {
			film = append(film, looks[at][i*shape.Size():][:shape.Size()]...)
		}
	}
	grid, err := picture.Grid(film, n*len(columns), shape[0], shape[1], shape[2], len(columns), max(1, 64/max(shape[0], shape[1])))
	if err != nil {
		return nil, err
	}
	var png strings.Builder
	if err := picture.EncodePNG(&png, grid); err != nil {
		return nil, err
	}
	c.Film = report.Picture{Caption: "Chains from noise to their end, one a row", PNG: []byte(png.String()),
		Width: grid.Bounds().Dx(), Height: grid.Bounds().Dy()}
	return c, nil
}

// reportFacts are the figures for the top of the page.
func reportFacts(r *report.Report, trained *model.Model) (facts []report.Fact) {
	if n := len(r.Records); n > 0 {
		facts = append(facts, report.Fact{Name: "Iterations", Value: fmt.Sprint(r.Records[n-1].Iteration)})
	} else if trained != nil {
		facts = append(facts, report.Fact{Name: "Iterations", Value: fmt.Sprint(trained.Iterations)})
	}
	if trained != nil {
		c := trained.Config
		facts = append(facts,
			report.Fact{Name: "Trained on", Value: shortName(c.Data), About: fmt.Sprintf("images of %v", c.ImageSize())},
			report.Fact{Name: "Network", Value: c.Network.Name, About: fmt.Sprintf("%d filters, %d parameters", c.Network.Filters, trained.Parameters())},
			report.Fact{Name: "Sampler", Value: fmt.Sprintf("%d steps", c.Sampler.Steps), About: c.Sampler.Kind})
	}
	if d := r.Detection; d != nil {
		worst := d.Out[0]
		for _, o := range d.Out {
			if o.AUROC < worst.AUROC {
				worst = o
			}
		}
		facts = append(facts, report.Fact{Name: "AUROC, " + d.Out[0].Name, Value: fmt.Sprintf("%.4f", d.Out[0].AUROC), About: "1 is perfect, 0.5 chance"})
		if worst.Name != d.Out[0].Name {
			facts = append(facts, report.Fact{Name: "Lowest AUROC", Value: fmt.Sprintf("%.4f", worst.AUROC), About: worst.Name})
		}
	}
	return facts
}
