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
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/run"
)

type scoreOptions struct {
	format  string
	json    bool
	label   string
	threads uint
}

func newScoreCommand() *cobra.Command {
	var o scoreOptions
	cmd := &cobra.Command{
		Use:   "score RUN PATH...",
		Short: "Tell how unusual images are: their energies",
		Long: `Print the energy of each image by a trained model: RUN is a run directory or a model.safetensors
file. The lower the energy, the more an image is like those the model was trained on; the higher,
the more unusual. Energies have no unit: compare them with those of usual images.

A PATH is a picture (PNG, JPEG, GIF, BMP, WebP), a folder or an archive (.zip, .tar, .tar.gz) of
pictures in any number of folders, or a data set (an IDX or CIFAR file, or mnist:test, as for
joule train). Images are read one by one, so there may be any number of them. Those of another
size are scaled and cropped to the model's, with a warning; colours are converted.

An image that cannot be read is reported on standard error, the others are scored, and the exit
code is 1. A conditional model gives the energy of the mixture of its classes, or, with --label,
of one class.`,
		Example: `  joule score RUN photo.jpg
  joule score RUN photos/ more.zip --format csv > energies.csv
  joule score RUN fashion-mnist --json | jq 'map(.energy) | add/length'
  joule score RUN photos/ | sort -n | tail        the most unusual ones`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return score(cmd, args[0], args[1:], o) },
	}
	f := cmd.Flags()
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
	if !ok {
		return usageErrorf("--format is %q: want table, csv or json", o.format)
	}
	model, err := run.OpenModel(path)
	if err != nil {
		return err
	}
	label := eval.AnyLabel
	if o.label != "" {
		chosen, err := chooseLabels(model, []string{o.label})
		if err != nil {
			return err
		}
		label = int(chosen[0])
	}
	scorer, err := eval.NewScorer(&cpu.Engine{Threads: int(o.threads)}, model.Energy, model.Params)
	if err != nil {
		return err
	}
	out, stderr := bufio.NewWriter(cmd.OutOrStdout()), cmd.ErrOrStderr()
	if isTerminal(cmd.OutOrStdout()) {
		stderr = noTerminal{stderr} // the table shows the progress
	}
	s := &scoring{scorer: scorer, label: label, size: model.Config.ImageSize(), table: newTable(out), flush: out.Flush,
		stderr: stderr, bar: newProgress(stderr, "scoring", "images", -1)}
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
	scorer *eval.Scorer
	label  int
	size   dataset.Size
	table  table
	flush  func() error
	stderr io.Writer
	bar    *progress

	batch          []dataset.Image
	pixels         []uint8
	scored, failed int
	resized        int
	firstResized   string
}

func (s *scoring) all(ctx context.Context, sources []string) error {
	for _, source := range sources {
		for img, err := range dataset.Images(ctx, source, s.size) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.fail(err)
				continue
			}
			s.batch, s.pixels = append(s.batch, img), append(s.pixels, img.Pixels...)
			if len(s.batch) == s.scorer.Batch() {
				if err := s.scoreBatch(ctx); err != nil {
					return err
				}
			}
		}
	}
	return s.scoreBatch(ctx)
}

// fail reports an image, or a source, that gives no energy.
func (s *scoring) fail(err error) {
	s.failed++
	s.bar.Done()
	fmt.Fprintln(s.stderr, "joule:", oneLine(err.Error()))
}

func (s *scoring) scoreBatch(ctx context.Context) error {
	energies, err := s.scorer.Score(ctx, s.pixels, s.label)
	if err != nil {
		return err
	}
	for i, img := range s.batch {
		if e := energies[i]; math.IsNaN(e) || math.IsInf(e, 0) {
			s.fail(fmt.Errorf("%s: its energy is %v: the model is of no use, train it again", img.Name, e))
			continue
		}
		if img.Resized {
			if s.resized++; s.resized == 1 {
				s.firstResized = img.Name
			}
		}
		s.scored++
		if err := s.table.add(scored{img.Name, float32(energies[i]), img.Resized}); err != nil {
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

// scored is an image with its energy.
type scored struct {
	Image   string  `json:"image"`
	Energy  float32 `json:"energy"`
	Resized bool    `json:"resized"`
}

// table is a way to write energies one after the other.
type table interface {
	add(scored) error
	end() error
}

var tables = map[string]func(io.Writer) table{
	"table": func(w io.Writer) table { return &textTable{w: w} },
	"csv":   func(w io.Writer) table { return &csvTable{w: csv.NewWriter(w)} },
	"json":  func(w io.Writer) table { return &jsonTable{w: w, before: "["} },
}

// textTable has no heading, so that it can be sorted.
type textTable struct{ w io.Writer }

func (t *textTable) add(s scored) error {
	_, err := fmt.Fprintf(t.w, "%12.6f  %s\n", s.Energy, printable(s.Image))
	return err
}

func (t *textTable) end() error { return nil }

type csvTable struct {
	w     *csv.Writer
	begun bool
}

func (t *csvTable) add(s scored) error {
	if err := t.end(); err != nil {
		return err
	}
	return t.w.Write([]string{s.Image, strconv.FormatFloat(float64(s.Energy), 'g', -1, 32), strconv.FormatBool(s.Resized)})
}

func (t *csvTable) end() error {
	if !t.begun {
		t.begun = true
		if err := t.w.Write([]string{"image", "energy", "resized"}); err != nil {
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
