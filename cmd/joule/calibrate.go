package main

// joule calibrate: what in-distribution images score, so that scores of others can be judged.

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/terminal"
	"github.com/joule-ebm/joule/model"
)

type calibrateOptions struct {
	hardware
	data    string
	limit   uint
	seed    uint64
	threads uint
	json    bool
}

func newCalibrateCommand() *cobra.Command {
	var o calibrateOptions
	cmd := &cobra.Command{
		Use:   "calibrate RUN",
		Short: "Teach a model what in-distribution images score",
		Long: `Measure in-distribution images with a trained model - RUN is a run directory or a model.safetensors
file - and keep the distribution of their scores, for every detector, in the model file. From then on
joule score and joule watch give each image a p-value, and a decision at a false-alarm rate of your choice.

A run calibrates its model itself when it ends, with the images it has held out. Calibrate again where
the images to judge come from somewhere else: another camera, other lighting, another product. The
images (--data, a data set as for joule train) must be ones that should count as in-distribution, taken the
same way as those to judge, and none the model was trained on. A rate of 1% needs at least 99 images, 0.1%
needs 999; the more, the closer the false-alarm rate comes to what is asked for.

A fifth of the images serve the detectors typicality, combined, typical-set and typical-descent for their
medians and spreads; the p-values of those rest on the other images, which keeps their guarantee.`,
		Example: `  joule calibrate RUN --data good/
  joule calibrate RUN --data mnist:test -n 2000
  joule calibrate RUN                               with the images the run has held out`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return calibrate(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "", "in-distribution images, a `data` set (default those the run has held out of training)")
	f.UintVarP(&o.limit, "number", "n", 10_000, "most images to take, chosen by --seed; 0 takes all")
	f.Uint64Var(&o.seed, "seed", 1, "of the choice of images")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.BoolVar(&o.json, "json", false, "print what came of it as JSON")
	return cmd
}

// calibrated is what --json prints.
type calibrated struct {
	Model     string           `json:"model"`
	Data      string           `json:"data"`
	Images    int              `json:"images"`
	Detectors []detect.Summary `json:"detectors"`
}

func calibrate(cmd *cobra.Command, path string, o calibrateOptions) error {
	trained, err := model.Open(path)
	if err != nil {
		return err
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	set, err := detect.CalibrationImages(cmd.Context(), &trained.Config, o.data, int(o.limit), o.seed, dataset.WithProgress(func(done, total int) {
		shown.show("reading "+o.data, "images", int64(done), int64(total))
	}))
	if err != nil {
		return err
	}
	e, err := o.openEngine(int(o.threads), engine.Float32)
	if err != nil {
		return err
	}
	for _, line := range set.Warnings() {
		if o.data != "" { // the run has warned of its own
			shown.warn(line)
		}
	}
	measured := 0
	c, err := detect.CalibrateSet(cmd.Context(), e, trained, set, func(n int) {
		measured += n
		shown.show("calibrating", "images", int64(measured), int64(set.Len()))
	})
	if err != nil {
		return fmt.Errorf("%s: %w", set.Name, err)
	}
	if err := detect.Save(trained, c); err != nil {
		return err
	}
	result := calibrated{Model: trained.Path, Data: c.Data, Images: c.Images, Detectors: c.Summary()}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(result)
	}
	return printCalibrated(cmd.OutOrStdout(), result)
}

func printCalibrated(w io.Writer, c calibrated) error {
	fmt.Fprintf(w, "calibrated with %d images (%s), in %s\n\n", c.Images, terminal.Printable(c.Data), terminal.Printable(c.Model))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "detector\timages\trate asked for\tout of distribution above\t  false alarms, with 95% confidence")
	for _, d := range c.Detectors {
		for _, r := range d.Rates {
			fmt.Fprintf(t, "%s\t%d\t%s\t%.5g\t  %.2g%% to %.2g%%\n", d.Detector, d.Images, percent(r.Rate), r.Threshold, 100*r.Low, 100*r.High)
		}
	}
	return t.Flush()
}
