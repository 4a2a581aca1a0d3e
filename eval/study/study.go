package study

// This file trains the cells of a study, a variant with a seed each, one after the other, and keeps what each came to.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/device"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/eval/attributes"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/shipped"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/metrics"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/run"
)

// The files of a study beside its cells' own.
const (
	resultFile  = "result.json" // in a cell: its row
	configFile  = "config.yaml" // in a cell: the run's
	metricsFile = "metrics.jsonl"
)

// Study says what to train and how to judge it.
type Study struct {
	Dir  string     // of the study; cells are directories in it
	Base run.Config // what the cells have in common, but for the seed; it must have a limit, the budget of each
	// Variants are the configurations: the first is what the others are compared with. Seeds are those of the trainings of each; none: 1.
	Variants []Variant
	Seeds    []uint64

	// Images say what models are judged by: in-distribution images and outliers; none: [DefaultOutliers].
	Images  benchmark.Plan
	Samples int // images to generate and to compare with in-distribution ones; 4 or more, and no more than there are of these
	Steps   int // of the chains that generate them; 0: all rounds that the configuration names

	// What Base was made from, to be named in the report.
	Preset  string
	Changes []string // of settings, such as "optimiser.clip=0"

	Build    string // of the program; kept with each result, since only cells of one build compare
	Threads  int
	Device   string         // as package engine/device names it; empty: the CPU
	Devices  int            // of an accelerator; 0: 1
	Log      *slog.Logger   // nil: nowhere
	Progress func(Progress) // of training; may be nil
	Work     eval.Progress  // of reading images and of judging; may be nil

	cells    []Cell        // one seed after the other, so that a study cut short has whole comparisons
	engine   engine.Engine // that models are judged with
	in       *dataset.Set
	outliers []*dataset.Set
	means    Means              // these, in short
	network  features.Network   // nil if none comes with Joule for such images
	reader   *attributes.Reader // of what samples show; nil if nothing reads it
}

// DefaultOutliers are what models are judged by where nothing is named: another data set, and in-distribution images turned and mixed.
func DefaultOutliers() []string { return []string{"fashion-mnist", "rotated", "interpolation"} }

// Cell is one training of a study.
type Cell struct {
	Variant
	Seed uint64 `json:"seed"`
}

// Directory is the name of the cell's.
func (c Cell) Directory() string { return fmt.Sprintf("%s-seed%d", c.Name, c.Seed) }

// Progress is how far a study is.
type Progress struct {
	Cell  Cell
	Index int           // of the cell, from 0
	Run   run.Progress  // of the cell
	Left  time.Duration // of the study, an estimate; 0 while there is none
}

// Row is what became of a cell.
type Row struct {
	Cell
	Iterations int64   `json:"iterations"` // that the model judged has made
	Seconds    float64 `json:"seconds"`    // of training
	Processor  float64 `json:"processor"`  // seconds of processor time of training
	// Diverged says whether training failed, at iteration DivergedAt and for the given reason. What is judged is then the last
	// checkpoint before.
	Diverged   bool   `json:"diverged"`
	DivergedAt int64  `json:"diverged_at,omitempty"`
	Reason     string `json:"reason,omitempty"`

	Gap      float64 `json:"energy_gap"`    // mean energy of the chains' ends less that of the data, over the last tenth of the iterations
	Gradient float64 `json:"gradient_norm"` // the largest of the run, before clipping

	Quality Quality `json:"quality"`
	AUROC   []AUROC `json:"auroc"`

	Build string `json:"build"` // that trained it
	Means *Means `json:"judged_by,omitempty"`
}

// AUROC is how well a cell's energy tells one kind of outliers from in-distribution images.
type AUROC struct {
	Out   string  `json:"out_of"`
	Value float64 `json:"auroc"`
}

// Check says what of the study cannot work, before its first hour: it takes no time.
func (s *Study) Check() (err error) {
	if s.Base.Data == "" {
		return errors.New("study: the configuration has no data")
	}
	if s.Base.Limits == (run.Limits{}) {
		return errors.New("study: the configuration has no limit, the budget of each training: set one")
	}
	if s.Samples < 4 || s.Steps < 0 {
		return fmt.Errorf("study: %d samples by chains of %d steps: want 4 samples or more, and 0 steps or more", s.Samples, s.Steps)
	}
	if len(s.Variants) == 0 {
		return errors.New("study: no configurations to compare")
	}
	if len(s.Seeds) == 0 {
		s.Seeds = []uint64{1}
	}
	s.cells = nil
	var first run.Config
	directories := map[string]bool{}
	for _, seed := range s.Seeds {
		for _, v := range s.Variants {
			c := Cell{v, seed}
			if err := v.check(); err != nil {
				return err
			}
			if directories[c.Directory()] {
				return fmt.Errorf("study: the configuration %s with seed %d is there twice: want each once", v.Name, seed)
			}
			directories[c.Directory()] = true
			config, err := v.Config(s.Base, seed)
			if len(s.cells) == 0 {
				first = config
			}
			if err == nil {
				err = s.judgedAlike(&first, &config)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", v.Name, err)
			}
			s.cells = append(s.cells, c)
		}
	}
	return nil
}

// Run trains what is not finished yet and writes the report into the study's directory after each cell (study.json, study.md).
// With an error or an interruption the report has the rows before it.
func (s *Study) Run(ctx context.Context) (*Report, error) {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := s.openImages(ctx); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.Dir, 0o777); err != nil {
		return nil, err
	}
	report := s.newReport()
	clock := studyClock{started: time.Now()}
	for i, cell := range s.cells {
		row, err := s.cell(ctx, i, cell, &clock)
		if err != nil {
			return report, err
		}
		report.Rows = append(report.Rows, row)
		if err := report.save(s.Dir); err != nil {
			return report, err
		}
	}
	return report, nil
}

// openImages opens what models are judged by.
func (s *Study) openImages(ctx context.Context) (err error) {
	p := s.Images
	p.Progress = s.Work
	config, err := s.cells[0].Config(s.Base, s.cells[0].Seed) // which is complete; the base need not be
	if err != nil {
		return err
	}
	if s.in, err = p.OpenTest(ctx, &config.Config); err != nil {
		return noImages(ctx, &config, err)
	}
	if err := s.warnOfSeen(ctx, &config); err != nil {
		return err
	}
	if s.Samples > s.in.Len() {
		return fmt.Errorf("study: %d samples, but there are %d in-distribution images to compare them with: want no more", s.Samples, s.in.Len())
	}
	if s.engine, err = device.Open(s.Device, device.Options{Threads: s.Threads, Devices: s.Devices, Log: s.Log}); err != nil {
		return err
	}
	if s.network, err = shipped.For(s.engine, s.in); err != nil {
		return err
	}
	s.reader = nil
	if attributes.Reads(s.in.Subject) {
		if s.reader, err = attributes.NewReader(s.engine, s.in.Subject); err != nil {
			return err
		}
	}
	if len(p.Out) == 0 {
		p.Out = DefaultOutliers()
	}
	s.outliers = nil
	for i, name := range p.Out {
		set, err := p.OpenOutliers(ctx, name, i, s.in)
		if err != nil {
			return err
		}
		s.outliers = append(s.outliers, set)
	}
	s.means = s.newMeans()
	return nil
}

// cell is the row of the i-th cell, which is trained and judged if it is not finished.
func (s *Study) cell(ctx context.Context, i int, cell Cell, clock *studyClock) (Row, error) {
	config, err := cell.Config(s.Base, cell.Seed)
	if err != nil {
		return Row{}, fmt.Errorf("%s: %w", cell.Name, err)
	}
	dir := filepath.Join(s.Dir, cell.Directory())
	begun, err := hasBegun(dir, s.Base, config)
	if err != nil {
		return Row{}, err
	}
	row, err := readRow(dir)
	row.Cell = cell
	switch {
	case err == nil:
		clock.skipped++
		return s.judgedAsPlanned(ctx, row, dir)
	case !errors.Is(err, fs.ErrNotExist):
		return row, err
	}
	s.Log.Info("cell", "name", cell.Directory(), "number", i+1, "of", len(s.cells))
	if row, err = s.train(ctx, i, dir, config, begun, clock); err != nil {
		return row, err
	}
	s.Log.Info("cell done", "name", cell.Directory(), "diverged", row.Diverged)
	return row, nil
}

// judgedAsPlanned is a finished cell's row, judged again if it was by other means than the study's.
func (s *Study) judgedAsPlanned(ctx context.Context, row Row, dir string) (Row, error) {
	if s.judged(&row) {
		return row, nil
	}
	s.Log.Info("judging again what was judged by other images, outliers, samples or steps", "name", row.Directory())
	if err := s.judge(ctx, &row, dir); err != nil {
		return row, fmt.Errorf("judging again what was judged by other images, outliers, samples or steps: %w", err)
	}
	return row, row.keep(dir)
}

// studyClock estimates how long a study will take.
type studyClock struct {
	started time.Time
	skipped int // cells that were finished before
}

// left is the time that a study of n cells has to go, when of cell i the given fraction is trained.
func (c *studyClock) left(n, i int, fraction float64) time.Duration {
	made := float64(i-c.skipped) + fraction
	if made <= 0 {
		return 0
	}
	return time.Duration(float64(time.Since(c.started)) * (float64(n-i) - fraction) / made)
}

// hasBegun says whether a cell's run has begun. A directory with other settings than the study's is an error.
func hasBegun(dir string, base, want run.Config) (begun bool, err error) {
	path := filepath.Join(dir, configFile)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	have := base
	if err := settings.Read(file, &have); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if !reflect.DeepEqual(have, want) {
		return false, fmt.Errorf("%s: a cell of a study with other settings: choose another directory with --out, or remove this one", dir)
	}
	return true, nil
}

// train trains a cell, or goes on with it, and judges it.
func (s *Study) train(ctx context.Context, i int, dir string, config run.Config, begun bool, clock *studyClock) (Row, error) {
	row := Row{Cell: s.cells[i], Build: s.Build}
	options := run.Options{Threads: s.Threads, Device: s.Device, Devices: s.Devices, Log: s.Log, Work: s.Work, Progress: func(p run.Progress) {
		if s.Progress != nil {
			s.Progress(Progress{Cell: row.Cell, Index: i, Run: p, Left: clock.left(len(s.cells), i, p.Fraction)})
		}
	}}
	var result run.Result
	var err error
	if begun {
		spent, metricsErr := readMetrics(filepath.Join(dir, metricsFile))
		if metricsErr != nil {
			return row, metricsErr
		}
		options.Spent = run.Spent{Time: spent.seconds, Processor: spent.processor}
		result, err = run.Resume(ctx, dir, nil, options)
	} else {
		result, err = run.Start(ctx, dir, config, options)
	}
	switch {
	case errors.Is(err, cd.ErrDiverged):
		row.Diverged, row.Reason = true, reason(err)
	case err != nil:
		return row, err
	case result.Interrupted:
		return row, context.Cause(ctx)
	}
	m, err := readMetrics(filepath.Join(dir, metricsFile))
	if err != nil {
		return row, err
	}
	row.add(m)
	if err := s.judge(ctx, &row, dir); err != nil {
		return row, err
	}
	return row, row.keep(dir)
}

// keep writes the row into its cell's directory.
func (r *Row) keep(dir string) error {
	return durable.WriteFile(filepath.Join(dir, resultFile), func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	})
}

func readRow(dir string) (Row, error) {
	var row Row
	path := filepath.Join(dir, resultFile)
	content, err := os.ReadFile(path)
	if err != nil {
		return row, err
	}
	if err := json.Unmarshal(content, &row); err != nil {
		return row, fmt.Errorf("%s: damaged, remove it to judge the cell again: %w", path, err)
	}
	return row, nil
}

// measured is what a training has written down.
type measured struct {
	last               int64 // iteration
	seconds, processor time.Duration
	gradient           float64 // the longest
	gaps               []float64
}

func readMetrics(path string) (m measured, err error) {
	for record, err := range metrics.Read(path) {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return m, nil
		case err != nil:
			return m, err
		}
		m.last = int64(record.Iteration)
		for _, f := range record.Fields {
			switch f.Name {
			case run.SecondsField:
				m.seconds += time.Duration(f.Value * float64(time.Second))
			case run.ProcessorField:
				m.processor += time.Duration(f.Value * float64(time.Second))
			case "gradient_norm":
				m.gradient = max(m.gradient, f.Value)
			case "energy_gap":
				m.gaps = append(m.gaps, f.Value)
			}
		}
	}
	return m, nil
}

// add takes what a training has measured into its row.
func (r *Row) add(m measured) {
	r.Seconds, r.Processor, r.Gradient = m.seconds.Seconds(), m.processor.Seconds(), m.gradient
	if r.Diverged {
		r.DivergedAt = m.last + 1
	}
	tenth := m.gaps[len(m.gaps)-(len(m.gaps)+9)/10:]
	for _, g := range tenth {
		r.Gap += g / float64(len(tenth))
	}
}

// reason is what was wrong with the numbers of an iteration that diverged, without what run has to say about going on.
func reason(err error) string {
	for unwrapped := err; unwrapped != nil; unwrapped = errors.Unwrap(unwrapped) {
		if unwrapped == cd.ErrDiverged {
			break
		}
		err = unwrapped
	}
	return err.Error()
}
