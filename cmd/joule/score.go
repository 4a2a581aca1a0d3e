package main

// joule score: the scores of pictures, with p-values and decisions.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/explain"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/terminal"
	"github.com/joule-ebm/joule/model"
)

type scoreOptions struct {
	hardware
	detector   string
	falseAlarm rate
	fdr        rate
	confidence rate
	explain    string
	format     string
	json       bool
	label      string
	threads    uint
}

func newScoreCommand() *cobra.Command {
	var o scoreOptions
	cmd := &cobra.Command{
		Use:   "score RUN PATH...",
		Short: "Tell which images are out of distribution: their energies, with p-values and decisions",
		Long: `Print the energy of each image by a trained model: RUN is a run directory or a model.safetensors
file. The lower the energy, the more an image is like those the model was trained on, in distribution;
the higher, the more it is out of distribution. Energies have no unit. What they are worth says the
p-value beside each, which a calibrated model gives (a run calibrates its model when it ends; see joule
calibrate): the fraction of calibration images that score as high or higher.

A PATH is a picture (PNG, JPEG, GIF, BMP, WebP, TIFF, PNM), a folder or an archive (.zip, .tar, .tar.gz) of
pictures in any number of folders, or a data set (an IDX or CIFAR file, or mnist:test, as for
joule train). Images are read one by one, so there may be any number of them. Those of another
size are scaled and cropped to the model's, with a warning; colours are converted.

Decisions. --false-alarm 1% calls out of distribution what has a p-value of at most 1%: of images taken
the same way as the calibration images not more than one in a hundred, whatever the model is like.
--fdr 10% judges all images together (Benjamini and Hochberg): at most a tenth of those called out of
distribution, on average, are not; it keeps a line for each image in memory to the end. Both hold on
average over sets of calibration images; --confidence 90% makes p-values larger, so that in 90% of the
cases they hold for the set at hand.

Detectors make the score that is judged:
` + detect.Usage() + `
Calibrated models with coarse steps (presets photos32, photos32-wide) and without classes are judged by
typical-set where none is named.

A model of tiles (joule train --tile) takes pictures of any size that holds a tile, and leaves them as they are, unless it
was trained with --picture, or on parts: they are then brought to that size, with a warning. The score of a picture is the
highest of its score map, which --detector names; p-values are those of pictures, and with --false-alarm the regions that
are called out of distribution come with p-values of their own (--json):
` + scoremap.Usage() + `

--explain draws for each image, side by side: the image; where a small change would lower the energy
most (black: nowhere, white: six times the gradient typical of calibration images, and more); the same
for each scale, coarsest first, of a multi-scale model; what the energy would rather see, after a short
noise-free descent; and the change from the image to that, orange where it is darker, blue where lighter.

An image that cannot be read is reported on standard error, the others are scored, and the exit
code is 1. A conditional model gives the energy of the mixture of its classes, or, with --label,
of one class; p-values are of the mixture alone.`,
		Example: `  joule score RUN photo.jpg
  joule score RUN photos/ --false-alarm 1% --detector combined
  joule score RUN photos/ more.zip --fdr 10% --format csv > judged.csv
  joule score RUN fashion-mnist --json | jq 'map(.energy) | add/length'
  joule score RUN photo.jpg --explain why/
  joule score RUN photos/ | sort -n | tail        those of the highest energies`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return score(cmd, args[0], args[1:], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.detector, "detector", "", "`name` of the detector that scores, from above (default as said there; "+scoremap.Default+" of tiles)")
	f.Var(&o.falseAlarm, "false-alarm", "call out of distribution at most this fraction of in-distribution images, such as 1%")
	f.Var(&o.fdr, "fdr", "let at most this fraction of those called out of distribution be in-distribution, such as 10%")
	f.Var(&o.confidence, "confidence", "have the rates hold with this probability for the calibration at hand, such as 90%")
	f.StringVar(&o.explain, "explain", "", "draw where in each image the energy is high, into this new `folder`")
	f.StringVar(&o.format, "format", "table", "table, csv or json")
	f.BoolVar(&o.json, "json", false, "the same as --format json: an array of objects")
	f.StringVar(&o.label, "label", "", "class of a conditional model, by name or number from 0 (default any)")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	cmd.MarkFlagsMutuallyExclusive("format", "json")
	return cmd
}

// check looks at the flags alone.
func (o *scoreOptions) check() error {
	if o.json {
		o.format = "json"
	}
	rule := o.rule()
	_, known := detect.NewTable(o.format, io.Discard)
	switch {
	case !known:
		return usageErrorf("--format is %q: want table, csv or json", o.format)
	case rule.FalseAlarms != 0 && rule.FalseDiscoveries != 0:
		return usageErrorf("--false-alarm and --fdr are two ways to decide: give one of them")
	case o.label != "" && rule != detect.Rule{}:
		return errLabel
	}
	return checkOutput(o.explain, true)
}

var errLabel = usageErrorf("--label cannot go with --false-alarm, --fdr, --confidence or a detector that needs a calibration: calibrations are of the mixture of the classes")

func (o *scoreOptions) rule() detect.Rule {
	return detect.Rule{FalseAlarms: float64(o.falseAlarm), FalseDiscoveries: float64(o.fdr), Confidence: float64(o.confidence)}
}

func score(cmd *cobra.Command, path string, sources []string, o scoreOptions) error {
	if err := refuseEmpty(cmd.Flags(), "label", "detector"); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := o.join(cmd, patience); err != nil {
		return err
	}
	trained, err := openModel(path, sources...)
	if err != nil {
		return err
	}
	label := model.AnyLabel
	if o.label != "" {
		chosen, err := chooseLabel(trained, o.label)
		if err != nil {
			return err
		}
		label = int(chosen)
	}
	e, err := o.openEngine(int(o.threads), engine.Float32)
	if err != nil {
		return err
	}
	judge, err := detect.NewJudge(e, trained, o.detector, o.rule())
	if err != nil {
		return detectorError(trained, err)
	}
	judge.Full = o.group != nil
	if o.label != "" && judge.Detector.Reference {
		return errLabel
	}
	s := &scoring{rule: judge.Rule, size: trained.Config.PictureSize(), people: o.format == "table", stderr: cmd.ErrOrStderr()}
	if isTerminal(cmd.OutOrStdout()) {
		s.stderr = struct{ io.Writer }{s.stderr} // no terminal: the table shows the progress
	}
	s.out = bufio.NewWriter(cmd.OutOrStdout())
	s.table, _ = detect.NewTable(o.format, s.out)
	s.bar = newProgress(s.stderr, "scoring", "images", -1)
	if !o.writes() && o.explain != "" { // its part of the work, but not the pictures of it
		if o.explain, err = os.MkdirTemp("", "joule"); err != nil {
			return err
		}
		defer os.RemoveAll(o.explain)
	}
	if o.explain != "" {
		explainer, err := explain.New(e, trained)
		if err != nil {
			return err
		}
		if s.explain, err = explainer.Folder(o.explain); err != nil {
			return err
		}
	}
	warn(s.stderr, judge, o.detector)
	defer s.bar.Done()
	for batch, err := range judge.Batches(cmd.Context(), s.images(cmd.Context(), sources), label) {
		if err == nil {
			err = s.add(cmd.Context(), batch, label)
		}
		if err != nil {
			_, _ = s.table.End(), s.out.Flush() // what has been printed is whole
			return err
		}
	}
	return s.finish()
}

// scoring prints what comes of images.
type scoring struct {
	explain *explain.Folder // nil unless asked for
	rule    detect.Rule
	size    dataset.Size
	people  bool // read what is printed
	table   detect.Table
	out     *bufio.Writer

	mu     sync.Mutex // of what follows
	stderr io.Writer
	bar    *progress

	rows                 []detect.Scored // that wait for a decision about all
	scored, failed, outs int
	changed              changes
}

// images are those of one source after the other.
func (s *scoring) images(ctx context.Context, sources []string) iter.Seq2[dataset.Image, error] {
	return func(yield func(dataset.Image, error) bool) {
		for _, source := range sources {
			for img, err := range dataset.Images(ctx, source, s.size, dataset.WithWarnings(s.warn)) {
				if !yield(img, err) {
					return
				}
			}
		}
	}
}

// warn is called by the goroutine that reads.
func (s *scoring) warn(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bar.Done()
	fmt.Fprintln(s.stderr, "joule: warning:", terminal.OneLine(line))
}

func (s *scoring) add(ctx context.Context, batch []detect.Judged, label int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var read []dataset.Image
	for _, j := range batch {
		if j.Pixels != nil {
			read = append(read, j.Image)
		}
		if j.Err != nil {
			s.failed++
			s.bar.Done()
			fmt.Fprintln(s.stderr, "joule:", terminal.OneLine(j.Err.Error()))
			continue
		}
		s.changed.see(j.Image)
		s.scored++
		row := detect.Scored{Image: j.Name, Resized: j.Resized, Judgement: j.Judgement}
		if s.rule.FalseDiscoveries != 0 {
			s.rows = append(s.rows, row)
		} else if err := s.print(row); err != nil {
			return err
		}
	}
	if s.explain != nil {
		if err := s.explain.Draw(ctx, read, label); err != nil {
			return err
		}
	}
	s.bar.Add(int64(len(read)))
	return s.out.Flush()
}

// changes are the images that the model sees otherwise than they are.
type changes struct {
	resized, grayed int
	first           string
}

func (c *changes) see(img dataset.Image) {
	if img.Resized {
		c.resized++
	}
	if img.Grayed() {
		c.grayed++
	}
	if c.first == "" && (img.Resized || img.Grayed()) {
		c.first = img.Name
	}
}

// line tells of them, which are among n images; it is empty if there are none.
func (c *changes) line(n int, size dataset.Size) string {
	line := changedImages(c.resized, c.grayed, n, size)
	if line != "" {
		line += ", such as " + terminal.OneLine(c.first)
	}
	return line
}

// changedImages says how many of n images the model sees otherwise than they are; it is empty if there are none.
func changedImages(resized, grayed, n int, size dataset.Size) string {
	var parts []string
	if resized > 0 {
		parts = append(parts, fmt.Sprintf("%d were scaled or cropped to %dx%d", resized, size.Height, size.Width))
	}
	if grayed > 0 {
		parts = append(parts, fmt.Sprintf("%d lost their colours, as the model sees gray", grayed))
	}
	if parts == nil {
		return ""
	}
	return fmt.Sprintf("of %d images %s", n, strings.Join(parts, " and "))
}

func (s *scoring) print(row detect.Scored) error {
	if row.OutOfDistribution != nil && *row.OutOfDistribution {
		s.outs++
	}
	return s.table.Row(row)
}

func (s *scoring) finish() error {
	judgements := make([]*detect.Judgement, len(s.rows))
	for i := range s.rows {
		judgements[i] = &s.rows[i].Judgement
	}
	detect.Discover(judgements, s.rule.FalseDiscoveries)
	for _, row := range s.rows {
		if err := s.print(row); err != nil {
			return err
		}
	}
	if err := errors.Join(s.table.End(), s.out.Flush()); err != nil {
		return err
	}
	s.bar.Done()
	const decided = "joule: %d of %d images are out of distribution at a false-%s rate of %s: %s\n"
	switch {
	case s.people && s.rule.FalseAlarms != 0:
		fmt.Fprintf(s.stderr, decided, s.outs, s.scored, "alarm", percent(s.rule.FalseAlarms),
			fmt.Sprintf("%.3g would be called so if all were in-distribution", s.rule.FalseAlarms*float64(s.scored)))
	case s.people && s.rule.FalseDiscoveries != 0:
		fmt.Fprintf(s.stderr, decided, s.outs, s.scored, "discovery", percent(s.rule.FalseDiscoveries),
			fmt.Sprintf("of them at most about %.3g are in-distribution", s.rule.FalseDiscoveries*float64(s.outs)))
	}
	if line := s.changed.line(s.scored, s.size); line != "" {
		fmt.Fprintf(s.stderr, "joule: warning: %s\n", line)
	}
	switch {
	case s.failed > 0 && s.failed+s.scored > 1:
		return fmt.Errorf("%d images scored, %d could not be: see above", s.scored, s.failed)
	case s.failed > 0:
		return errReported
	}
	return nil
}
