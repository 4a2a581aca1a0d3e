package main

// joule ablate: which parts of the method matter, by training without them.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/ablation"
	"github.com/joule-ebm/joule/eval/features/digits"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/run"
)

type ablateOptions struct {
	trainOptions // preset, data, limits and settings of the cells

	losses, kernels []string
	attention       string
	seeds           uint
	in              string
	outliers        []string
	images, samples uint
	steps           uint
}

func newAblateCommand() *cobra.Command {
	var o ablateOptions
	cmd := &cobra.Command{
		Use:   "ablate",
		Short: "Train without parts of the method and compare",
		Long: `Train one configuration again and again with parts of the method taken out or put in,

` + lossList() + `  --kernel     standardised (weights of each channel with mean 0 and deviation 1) or spectral
  --attention  on or off, or both in turn

every combination with each of --seeds seeds, from 1 on, and all with the same budget of iterations
or time. The result is a table (ablation.md, ablation.json): which diverged and when, how well each
tells unusual images from usual ones, and how like the usual images its samples are.

Each combination is a run directory within --out, as of joule train. Ctrl-C saves; the same command
again goes on from there, and passes over what is finished. All of a table should be made by one
build of joule: the table says so where it is not.`,
		Example: fmt.Sprintf("  joule ablate                                       %d short trainings on MNIST\n",
			len(ablation.Losses())*len(ablation.Kernels())*2) + `  joule ablate --iterations 250 --seeds 2 --threads 1
  joule ablate --loss cd,full --kernel standardised --attention off --for 10m
  joule ablate --preset cifar10-small --data cifar-10-binary.tar.gz --out-of mnist:test`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return studyAblation(cmd, o) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.losses, "loss", lossNames(), "variants of the loss")
	f.StringSliceVar(&o.kernels, "kernel", ablation.Kernels(), "normalisations of the kernels")
	f.StringVar(&o.attention, "attention", "both", "on, off or both")
	f.UintVar(&o.seeds, "seeds", 1, "trainings of each combination")
	f.StringVar(&o.preset, "preset", run.DefaultPreset, "`name` of the configuration to start from")
	f.StringVar(&o.data, "data", "", "data set (default the preset's)")
	f.Int64Var(&o.iterations, "iterations", 250, "of each training")
	f.DurationVar(&o.duration, "for", 0, "train each for so long instead, such as 10m")
	f.StringArrayVar(&o.sets, "set", nil, "change a setting: `key=value`; may be repeated")
	f.StringVarP(&o.out, "out", "o", "ablation", "`directory` of the study")
	f.StringVar(&o.in, "in", "", "usual images to judge by, a `data` set (default the test split of --data)")
	f.StringSliceVar(&o.outliers, "out-of", []string{"fashion-mnist", "rotated", "interpolation"}, "unusual images, as for joule eval ood")
	f.UintVarP(&o.images, "number", "n", 1000, "most images to take of each set to judge by")
	f.UintVar(&o.samples, "samples", 200, "samples to draw of each model")
	f.UintVar(&o.steps, "steps", 0, "steps of the chains that draw them (default all rounds of joule sample)")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	f.BoolVar(&o.json, "json", false, "print the results as JSON instead of the table")
	return cmd
}

func lossNames() (names []string) {
	for _, l := range ablation.Losses() {
		names = append(names, string(l))
	}
	return names
}

// lossList explains the variants, in lines of the help.
func lossList() string {
	var list strings.Builder
	for i, l := range ablation.Losses() {
		flag := ""
		if i == 0 {
			flag = "--loss"
		}
		fmt.Fprintf(&list, "  %-12s %-5s %s\n", flag, l, l.About())
	}
	return list.String()
}

// ablationReport is what ablation.json holds and --json prints.
type ablationReport struct {
	Preset     string         `json:"preset"`
	Data       string         `json:"data"`
	Iterations int64          `json:"iterations,omitempty"` // the budget of each
	For        string         `json:"for,omitempty"`        // likewise
	Changes    []string       `json:"changes,omitempty"`    // of settings
	In         string         `json:"in"`
	Images     int            `json:"images"`
	Samples    int            `json:"samples"`
	Cells      int            `json:"cells"` // in all, finished or not
	Rows       []ablation.Row `json:"rows"`
}

func studyAblation(cmd *cobra.Command, o ablateOptions) error {
	grid, err := o.grid()
	if err != nil {
		return usageError{err}
	}
	// A limit that is not given is none of the preset's: the budget is what the command says.
	limits := run.Limits{Iterations: o.iterations, For: o.duration}
	if cmd.Flags().Changed("for") && !cmd.Flags().Changed("iterations") {
		limits.Iterations = 0
	}
	base, err := trainConfig(o.trainOptions, cmd.Flags().Changed, &limits)
	if err != nil {
		return usageError{err}
	}
	if limits == (run.Limits{}) {
		return usageErrorf("--iterations is 0 and there is no --for: want a limit to each training")
	}
	study := &ablation.Study{Dir: o.out, Base: base, Cells: grid.Cells(), Samples: int(o.samples), Steps: int(o.steps),
		Build: version(), Threads: int(o.threads)}
	for _, c := range study.Cells { // what cannot work is better said before the first hour than after it
		if _, err := c.Config(base); err != nil {
			return usageError{fmt.Errorf("%s: %w", c.Name(), err)}
		}
	}
	if err := o.openImages(cmd, study); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	screen := newTrainScreen(cmd.ErrOrStderr())
	study.Log = screen.log
	study.Progress = func(p ablation.Progress) {
		p.Run.Left = p.Left // of the study: what one waits for
		screen.show(p.Run)
	}
	report := ablationReport{Preset: o.preset, Data: base.Data, Iterations: limits.Iterations, Changes: o.sets, In: study.In.Name,
		Images: study.In.Len(), Samples: study.Samples, Cells: len(study.Cells)}
	if limits.For > 0 {
		report.For = limits.For.String()
	}
	report.Rows, err = study.Run(cmd.Context(), func(rows []ablation.Row) error {
		report.Rows = rows
		return report.save(o.out)
	})
	screen.clear()
	if cmd.Context().Err() != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "joule: interrupted, %d of %d trainings are finished in %s; the same command goes on\n",
			len(report.Rows), report.Cells, shellWord(o.out))
		return errReported
	}
	if err != nil {
		return err
	}
	if o.json {
		return report.json(cmd.OutOrStdout())
	}
	return report.markdown(cmd.OutOrStdout())
}

// grid is what is compared.
func (o *ablateOptions) grid() (ablation.Grid, error) {
	var g ablation.Grid
	for _, name := range o.losses {
		loss, err := ablation.LossNamed(name)
		if err != nil {
			return g, fmt.Errorf("--loss: %w", err)
		}
		g.Losses = append(g.Losses, loss)
	}
	g.Kernels = o.kernels
	choices := map[string][]bool{"on": {true}, "off": {false}, "both": {false, true}}
	g.Attention = choices[o.attention]
	switch {
	case g.Attention == nil:
		return g, fmt.Errorf("--attention is %q: want on, off or both", o.attention)
	case o.seeds < 1 || o.seeds > 1000:
		return g, fmt.Errorf("--seeds is %d: want 1 to 1000", o.seeds)
	case repeats(o.losses) || repeats(o.kernels):
		return g, fmt.Errorf("--loss is %s and --kernel %s: want each once", strings.Join(o.losses, ","), strings.Join(o.kernels, ","))
	case o.samples < 4 || max(o.samples, o.steps) > math.MaxInt32:
		return g, fmt.Errorf("--samples is %d and --steps %d: want 4 samples or more, and at most %d of either", o.samples, o.steps, math.MaxInt32)
	}
	for seed := range o.seeds {
		g.Seeds = append(g.Seeds, uint64(seed)+1)
	}
	return g, nil
}

func repeats(list []string) bool {
	return len(slices.Compact(slices.Sorted(slices.Values(list)))) < len(list)
}

// openImages reads what models are judged by.
func (o *ablateOptions) openImages(cmd *cobra.Command, study *ablation.Study) error {
	if study.Base.Data == "" {
		return usageErrorf("the preset has no data: say where the images are with --data")
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	plan := benchmark.Plan{In: o.in, Images: int(o.images), Seed: 1, Progress: shown.show, Warn: shown.warn}
	var err error
	if study.In, err = plan.OpenTest(cmd.Context(), &study.Base.Config); err != nil {
		return nameIn(err)
	}
	if study.In.Subject == dataset.Digits {
		classifier, err := digits.New(&cpu.Engine{Threads: study.Threads})
		if err != nil {
			return err
		}
		if classifier.Takes(study.In.Size()) == nil {
			study.Classifier = classifier
		}
	}
	if study.Samples > study.In.Len() {
		return usageErrorf("--samples is %d, but there are %d usual images to compare them with: want no more (see --number)",
			study.Samples, study.In.Len())
	}
	for i, name := range o.outliers {
		set, err := plan.OpenOutliers(cmd.Context(), name, i, study.In)
		if err != nil {
			return err
		}
		study.Outliers = append(study.Outliers, set)
	}
	return nil
}

// save writes the tables, whole or not at all.
func (r *ablationReport) save(dir string) error {
	if err := durable.WriteFile(filepath.Join(dir, "ablation.json"), r.json); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, "ablation.md"), r.markdown)
}

func (r *ablationReport) json(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func (r *ablationReport) markdown(w io.Writer) error {
	var text bytes.Buffer
	budget := r.For
	if r.Iterations > 0 {
		budget = strconv.FormatInt(r.Iterations, 10) + " iterations"
	}
	fmt.Fprintf(&text, "Preset %s on %s, %s each", r.Preset, printable(r.Data), budget)
	if len(r.Changes) > 0 {
		fmt.Fprintf(&text, ", with %s", printable(strings.Join(r.Changes, ", ")))
	}
	fmt.Fprintf(&text, "; judged by %d images of %s and %d samples.\n", r.Images, printable(r.In), r.Samples)
	if n := len(r.Rows); n < r.Cells {
		fmt.Fprintf(&text, "Unfinished: %d of %d trainings.\n", n, r.Cells)
	}
	builds := map[string]bool{}
	for _, row := range r.Rows {
		builds[row.Build] = true
	}
	if len(builds) > 1 {
		fmt.Fprintf(&text, "Made by %d builds of joule: differences may be between these.\n", len(builds))
	}
	text.WriteString("\n")
	if err := ablation.Markdown(&text, r.Rows); err != nil {
		return err
	}
	text.WriteString("\n" + ablation.Legend)
	_, err := text.WriteTo(w)
	return err
}
