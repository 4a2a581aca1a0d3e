package main

// joule eval inspect: how well a model of tiles finds defects, and where they are.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/explain"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/inspection"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/model"
)

type inspectOptions struct {
	hardware
	inspection.Options
	data, scoreMap, pictures, format string
	falseAlarm                       rate
	limit, threads                   int
	json                             bool
}

func newInspectCommand() *cobra.Command {
	o := inspectOptions{Options: inspection.Defaults(), falseAlarm: 0.01}
	cmd := &cobra.Command{
		Use:   "inspect RUN",
		Short: "Measure how well a model of tiles finds defects, and where they are",
		Long: `Judge good pictures and pictures with defects by a model of tiles (joule train --tile) and compare its score
maps with the masks of the defects. RUN is a run directory or a model.safetensors file. The data are laid out
as MVTec AD is, or as BTAD or VisA, in a folder or an archive:

  test/good/             good pictures, none of which the model was trained on
  test/KIND/             pictures with a defect of that kind
  ground_truth/KIND/     their masks: 000_mask.png of 000.png, white on the defect

for one category, or a folder of each; or they are the built-in parts, or parts:plate and so on. Figures come
for each category, each kind of defect and all pictures:

  image AUROC  the probability that a picture with a defect has a higher score than a good one
  pixel AUROC  the same of pixels on defects and others
  AUPRO        the mean share of a defect's region that is found, over false-positive rates of pixels up to
               the limit (--fpr-limit): small defects count as much as large ones
         1 is perfect; chance is 0.5, 0.5 and half the limit

Of several categories, whose scores may differ, there is also the mean of their figures, as the literature has
it. The score of a picture is the highest of its map. Of a calibrated model follows how many pictures are called out of
distribution at false-alarm rates of 1% and 5%. Score maps (--map):

` + scoremap.Usage() + `
Intervals are those of a bootstrap over pictures, at a level of 95%. They say how much the figures could differ with
other pictures of the same kinds, not how much with another run of training.`,
		Example: `  joule eval inspect RUN --data mvtec/bottle
  joule eval inspect RUN --data parts --pictures found/ -n 10
  joule eval inspect RUN --data parts:plate --map gradient-norm --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return inspect(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "", "`data` to test with (default those the model was trained on)")
	f.StringVar(&o.scoreMap, "map", scoremap.Default, "`name` of the score map, from above")
	f.IntVarP(&o.limit, "number", "n", 0, "most pictures of each category and kind of defect, and good ones of each category; 0 takes all")
	f.Float64Var(&o.FPRLimit, "fpr-limit", o.FPRLimit, "highest false-positive rate of AUPRO")
	f.IntVar(&o.Resamples, "resamples", o.Resamples, "of the bootstrap for intervals; 0 leaves them out")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of the bootstrap")
	f.StringVar(&o.pictures, "pictures", "", "draw each picture with its score map and its defect, into this new `folder`")
	f.Var(&o.falseAlarm, "false-alarm", "frame the regions that are called out of distribution at this rate")
	f.StringVar(&o.format, "format", "table", "table, markdown, csv or json")
	f.BoolVar(&o.json, "json", false, "the same as --format json")
	f.IntVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	cmd.MarkFlagsMutuallyExclusive("format", "json")
	return cmd
}

// inspectFormats write a report.
var inspectFormats = map[string]func(*inspection.Report, io.Writer) error{
	"table":    (*inspection.Report).Text,
	"markdown": (*inspection.Report).Markdown,
	"csv":      (*inspection.Report).CSV,
	"json":     func(r *inspection.Report, w io.Writer) error { return writeJSON(w, r) },
}

func (o *inspectOptions) check() error {
	if o.json {
		o.format = "json"
	}
	switch {
	case inspectFormats[o.format] == nil:
		return usageErrorf("--format is %q: want table, markdown, csv or json", o.format)
	case !(o.FPRLimit > 0 && o.FPRLimit < 1):
		return usageErrorf("--fpr-limit is %v: want more than 0 and less than 1, such as 0.3", o.FPRLimit)
	case o.Resamples != 0 && (o.Resamples < 10 || o.Resamples > million):
		return usageErrorf("--resamples is %d: want 0, or 10 to %d", o.Resamples, million)
	}
	if err := checkBounds(bounds{"number", o.limit, 0, million}, bounds{"threads", o.threads, 0, mostThreads}); err != nil {
		return err
	}
	return checkOutput(o.pictures, true)
}

func inspect(cmd *cobra.Command, path string, o inspectOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := refuseIdle(cmd.Flags(), o.pictures == "", "frames regions in pictures: give --pictures as well", "false-alarm"); err != nil {
		return err
	}
	trained, err := model.Open(path)
	if err != nil {
		return err
	}
	if !trained.Config.Tiled() {
		return fmt.Errorf("%s: the model is one of whole images, which says nothing of places in pictures: train one of tiles with joule train --tile 64", trained.Path)
	}
	if o.data == "" {
		o.data = trained.Config.Data
	}
	source, err := dataset.Locate(cmd.Context(), o.data)
	if err != nil {
		return err
	}
	defer source.Close()
	tests, err := source.TestPictures(o.limit)
	if err != nil {
		return err
	}
	e, err := o.openEngine(o.threads, engine.Float32)
	if err != nil {
		return err
	}
	judge, err := o.judge(e, trained)
	if err != nil {
		return err
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	if judge.Uncalibrated != nil {
		shown.warn("no rates of false alarms: " + judge.Uncalibrated.Error())
	}
	o.Progress, o.Warn = shown.show, shown.warn
	if o.pictures != "" {
		if err := os.MkdirAll(o.pictures, 0o777); err != nil {
			return err
		}
		o.Look = func(p dataset.TestPicture, scores *scoremap.Map, j detect.Judgement, i int) error {
			return o.draw(judge, p, scores, j, i)
		}
	}
	report, err := inspection.Measure(cmd.Context(), judge, o.data, tests, o.Options)
	if err != nil {
		return err
	}
	shown.clear()
	return inspectFormats[o.format](report, cmd.OutOrStdout())
}

// judge decides where the model is calibrated for the score map, and measures where it is not.
func (o *inspectOptions) judge(e engine.Engine, trained *model.Model) (*detect.Judge, error) {
	judge, err := detect.NewJudge(e, trained, o.scoreMap, detect.Rule{FalseAlarms: float64(o.falseAlarm)})
	if errors.Is(err, detect.ErrNotCalibrated) {
		judge, err = detect.NewJudge(e, trained, o.scoreMap, detect.Rule{})
	}
	if err != nil {
		return nil, detectorError(trained, err)
	}
	return judge, nil
}

// draw draws picture i.
func (o *inspectOptions) draw(judge *detect.Judge, p dataset.TestPicture, scores *scoremap.Map, j detect.Judgement, i int) error {
	drawn, err := explain.Overlay(p.Image, scores, judge.Detector, j.Regions, p.Mask)
	if err != nil {
		return err
	}
	kind := p.Defect
	if kind == "" {
		kind = "good"
	}
	if p.Category != "" {
		kind = p.Category + "-" + kind
	}
	name := filepath.Join(o.pictures, fmt.Sprintf("%s-%06d.png", kind, i+1))
	return durable.WriteFile(name, func(w io.Writer) error { return picture.EncodePNG(w, drawn) })
}
