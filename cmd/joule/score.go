package main

// joule score: the energies of pictures.

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
)

type scoreOptions struct {
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
	o := scoreOptions{detector: detect.Default}
	cmd := &cobra.Command{
		Use:   "score RUN PATH...",
		Short: "Tell how unusual images are: their energies, with p-values and decisions",
		Long: `Print the energy of each image by a trained model: RUN is a run directory or a model.safetensors
file. The lower the energy, the more an image is like those the model was trained on; the higher,
the more unusual. Energies have no unit. What they are worth says the p-value beside each, which a
calibrated model gives (a run calibrates its model when it ends; see joule calibrate): the fraction
of usual images that are at least as unusual.

A PATH is a picture (PNG, JPEG, GIF, BMP, WebP), a folder or an archive (.zip, .tar, .tar.gz) of
pictures in any number of folders, or a data set (an IDX or CIFAR file, or mnist:test, as for
joule train). Images are read one by one, so there may be any number of them. Those of another
size are scaled and cropped to the model's, with a warning; colours are converted.

Decisions. --false-alarm 1% calls unusual what has a p-value of at most 1%: of usual images not more
than one in a hundred, whatever the model is like, as long as they are taken the same way as the
calibration images. --fdr 10% judges all images together (Benjamini and Hochberg): at most a tenth of
those called unusual, on average, are not; it keeps a line for each image in memory to the end. Both
hold on average over sets of calibration images; --confidence 90% makes p-values larger, so that in 90%
of the cases they hold for the set at hand.

Detectors make the score that is judged:
` + detect.Usage() + `
--explain draws for each image, side by side: the image; where a small change would lower the energy
most (black: nowhere, white: six times the usual gradient and more); the same for each scale, coarsest
first, of a multi-scale model; what the energy would rather see, after a short noise-free descent; and
the change from the image to that, orange where it is darker, blue where lighter.

An image that cannot be read is reported on standard error, the others are scored, and the exit
code is 1. A conditional model gives the energy of the mixture of its classes, or, with --label,
of one class; p-values are of the mixture alone.`,
		Example: `  joule score RUN photo.jpg
  joule score RUN photos/ --false-alarm 1% --detector combined
  joule score RUN photos/ more.zip --fdr 10% --format csv > judged.csv
  joule score RUN fashion-mnist --json | jq 'map(.energy) | add/length'
  joule score RUN photo.jpg --explain why/
  joule score RUN photos/ | sort -n | tail        the most unusual ones`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return score(cmd, args[0], args[1:], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.detector, "detector", detect.Default, "`name` of the detector that scores, from above")
	f.Var(&o.falseAlarm, "false-alarm", "call unusual at most this fraction of usual images, such as 1%")
	f.Var(&o.fdr, "fdr", "let at most this fraction of the images called unusual be usual ones, such as 10%")
	f.Var(&o.confidence, "confidence", "have the rates hold with this probability for the calibration at hand, such as 90%")
	f.StringVar(&o.explain, "explain", "", "draw what is unusual about each image, into this new `folder`")
	f.StringVar(&o.format, "format", "table", "table, csv or json")
	f.BoolVar(&o.json, "json", false, "the same as --format json: an array of objects")
	f.StringVar(&o.label, "label", "", "class of a conditional model, by name or number from 0 (default any)")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	return cmd
}

func score(cmd *cobra.Command, path string, sources []string, o scoreOptions) error {
	if o.json {
		o.format = "json"
	}
	newTable, ok := tables[o.format]
	switch {
	case !ok:
		return usageErrorf("--format is %q: want table, csv or json", o.format)
	case o.falseAlarm != 0 && o.fdr != 0:
		return usageErrorf("--false-alarm and --fdr are two ways to decide: give one of them")
	}
	if err := checkOutput(o.explain, true); err != nil {
		return err
	}
	trained, err := model.Open(path)
	if err != nil {
		return err
	}
	label := model.AnyLabel
	if o.label != "" {
		chosen, err := chooseLabels(trained, []string{o.label})
		if err != nil {
			return err
		}
		label = int(chosen[0])
	}
	engine := &cpu.Engine{Threads: int(o.threads)}
	judge, err := newJudge(engine, trained, o, label)
	if err != nil {
		return err
	}
	out, stderr := bufio.NewWriter(cmd.OutOrStdout()), cmd.ErrOrStderr()
	if isTerminal(cmd.OutOrStdout()) {
		stderr = noTerminal{stderr} // the table shows the progress
	}
	s := &scoring{judge: judge, size: trained.Config.ImageSize(), flush: out.Flush, stderr: stderr,
		bar: newProgress(stderr, "scoring", "images", -1)}
	decided := o.falseAlarm != 0 || o.fdr != 0
	if s.table = newTable(out); o.format == "table" && decided {
		s.table = &decidedTable{table: s.table, judge: judge, stderr: stderr}
	}
	if o.fdr != 0 {
		s.table = &discoveries{table: s.table, rate: float64(o.fdr)}
	}
	if o.explain != "" {
		if s.explain, err = newExplaining(engine, trained, label, o.explain); err != nil {
			return err
		}
	}
	if decided {
		judge.warn(stderr)
	}
	defer s.bar.Done()
	if err := s.all(cmd.Context(), sources); err != nil {
		return err
	}
	return s.finish()
}

// noTerminal hides that a writer is a terminal.
type noTerminal struct{ io.Writer }

// scoring goes through images in batches.
type scoring struct {
	judge   *judge
	explain *explaining // nil unless asked for
	size    dataset.Size
	table   table
	flush   func() error
	stderr  io.Writer
	bar     *progress

	batch          []dataset.Image
	pixels         []uint8
	scored, failed int
	resized        int
	firstResized   string
}

func (s *scoring) all(ctx context.Context, sources []string) error {
	for _, source := range sources {
		for img, err := range dataset.Images(ctx, source, s.size, dataset.WithWarnings(s.warn)) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.fail(err)
				continue
			}
			s.batch, s.pixels = append(s.batch, img), append(s.pixels, img.Pixels...)
			if len(s.batch) == s.judge.meter.Batch() {
				if err := s.scoreBatch(ctx); err != nil {
					return err
				}
			}
		}
	}
	return s.scoreBatch(ctx)
}

func (s *scoring) warn(line string) {
	s.bar.Done()
	fmt.Fprintln(s.stderr, "joule: warning:", oneLine(line))
}

// fail reports an image, or a source, that gives no energy.
func (s *scoring) fail(err error) {
	s.failed++
	s.bar.Done()
	fmt.Fprintln(s.stderr, "joule:", oneLine(err.Error()))
}

func (s *scoring) scoreBatch(ctx context.Context) error {
	judgements, err := s.judge.all(ctx, s.pixels)
	if err != nil {
		return err
	}
	for i, img := range s.batch {
		j := judgements[i]
		if err := j.check(); err != nil {
			s.fail(fmt.Errorf("%s: %w", img.Name, err))
			continue
		}
		if img.Resized {
			if s.resized++; s.resized == 1 {
				s.firstResized = img.Name
			}
		}
		s.scored++
		if err := s.table.add(scored{Image: img.Name, Resized: img.Resized, judgement: j}); err != nil {
			return err
		}
	}
	if s.explain != nil {
		if err := s.explain.all(ctx, s.batch, s.pixels); err != nil {
			return err
		}
	}
	s.bar.Add(int64(len(s.batch)))
	s.batch, s.pixels = s.batch[:0], s.pixels[:0]
	return s.flush()
}

func (s *scoring) finish() error {
	if err := errors.Join(s.table.end(), s.flush()); err != nil {
		return err
	}
	s.bar.Done()
	if s.resized > 0 {
		fmt.Fprintf(s.stderr, "joule: warning: %d of %d images were scaled or cropped to %dx%d, such as %s\n", s.resized, s.scored,
			s.size.Height, s.size.Width, oneLine(s.firstResized))
	}
	switch {
	case s.failed > 0 && s.failed+s.scored > 1:
		return fmt.Errorf("%d images scored, %d could not be: see above", s.scored, s.failed)
	case s.failed > 0:
		return errReported
	}
	return nil
}

// scored is an image with what the model says of it.
type scored struct {
	Image   string `json:"image"`
	Resized bool   `json:"resized"`
	judgement
}

// table is a way to write scores one after the other.
type table interface {
	add(scored) error
	end() error
}

var tables = map[string]func(io.Writer) table{
	"table": func(w io.Writer) table { return &textTable{w: w} },
	"csv":   func(w io.Writer) table { return &csvTable{w: csv.NewWriter(w)} },
	"json":  func(w io.Writer) table { return &jsonTable{w: w, before: "["} },
}

// textTable has no heading, so that it can be sorted: score, p-value and decision as far as there are any, and name.
type textTable struct{ w io.Writer }

func (t *textTable) add(s scored) error {
	row := fmt.Sprintf("%12.6f  ", s.Score)
	if s.P != nil {
		row += fmt.Sprintf("%9.4g  ", *s.P)
	}
	if s.Unusual != nil {
		row += fmt.Sprintf("%-7s  ", map[bool]string{true: "unusual", false: "usual"}[*s.Unusual])
	}
	_, err := fmt.Fprintf(t.w, "%s%s\n", row, printable(s.Image))
	return err
}

func (t *textTable) end() error { return nil }

// csvTable always has all columns, empty where a model that is not calibrated, or nobody who decides, leaves them so.
type csvTable struct {
	w     *csv.Writer
	begun bool
}

var csvColumns = []string{"image", "energy", "resized", "score", "p", "q", "unusual"}

func (t *csvTable) add(s scored) error {
	if err := t.end(); err != nil {
		return err
	}
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	unusual := ""
	if s.Unusual != nil {
		unusual = strconv.FormatBool(*s.Unusual)
	}
	single := func(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) }
	return t.w.Write([]string{s.Image, single(s.Energy), strconv.FormatBool(s.Resized), single(s.Score), number(s.P), number(s.Q), unusual})
}

func (t *csvTable) end() error {
	if !t.begun {
		t.begun = true
		if err := t.w.Write(csvColumns); err != nil {
			return err
		}
	}
	t.w.Flush()
	return t.w.Error()
}

// jsonTable is one array, an element a line.
type jsonTable struct {
	w      io.Writer
	before string
}

func (t *jsonTable) add(s scored) error {
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.w, "%s\n%s", t.before, line)
	t.before = ","
	return err
}

func (t *jsonTable) end() error {
	if t.before == "[" {
		_, err := fmt.Fprintln(t.w, "[]")
		return err
	}
	_, err := fmt.Fprintln(t.w, "\n]")
	return err
}
