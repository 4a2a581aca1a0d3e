package ablation

// This file trains the cells of a study, one after the other, and keeps what each came to.

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
	"github.com/joule-ebm/joule/eval/features"
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
	Dir   string     // of the study; cells are directories in it
	Base  run.Config // what the cells have in common
	Cells []Cell

	In       *dataset.Set   // usual images that no cell is trained on
	Outliers []*dataset.Set // unusual ones
	Samples  int            // images to generate for the comparison with the usual ones; 2 or more, and no more than there are of these
	Steps    int            // of the chains that generate them; 0: the authors' procedure
	// Classifier, if not nil, compares samples and images by its features and the classes that it finds.
	Classifier features.Network

	Build    string // of the program; kept with each result, since only cells of one build compare
	Threads  int
	Log      *slog.Logger   // nil: nowhere
	Progress func(Progress) // may be nil
}

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
	// Diverged says whether training failed, at iteration DivergedAt and for the given reason. What is judged is then the last
	// checkpoint before.
	Diverged   bool   `json:"diverged"`
	DivergedAt int64  `json:"diverged_at,omitempty"`
	Reason     string `json:"reason,omitempty"`

	Gap      float64 `json:"energy_gap"`    // mean energy of the chains' ends less that of the data, over the last tenth of the iterations
	Gradient float64 `json:"gradient_norm"` // the largest of the run, before clipping

	Quality Quality `json:"quality"`
	AUROC   []AUROC `json:"auroc"`

	Build string `json:"build"`
}

// AUROC is how well a cell's energy tells one kind of unusual images from usual ones.
type AUROC struct {
	Out   string  `json:"out_of"`
	Value float64 `json:"auroc"`
}

// Run trains what is not finished yet and returns the rows in the order of the cells, those before an error or an interruption
// included. done, if not nil, is called with the rows there are after each cell.
func (s *Study) Run(ctx context.Context, done func([]Row) error) ([]Row, error) {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.In == nil || s.Samples < 2 || s.Samples > s.In.Len() {
		return nil, fmt.Errorf("ablate: %d samples: want 2 or more, and as many usual images to compare them with", s.Samples)
	}
	var rows []Row
	clock := studyClock{started: time.Now()}
	for i, cell := range s.Cells {
		config, err := cell.Config(s.Base)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", cell.Name(), err)
		}
		dir := filepath.Join(s.Dir, cell.Name())
		state, err := stateOf(dir, s.Base, config)
		if err != nil {
			return rows, err
		}
		row, err := readRow(dir)
		switch {
		case err == nil:
			clock.skipped++
		case !errors.Is(err, fs.ErrNotExist):
			return rows, err
		default:
			s.Log.Info("cell", "name", cell.Name(), "number", i+1, "of", len(s.Cells))
			if row, err = s.train(ctx, i, dir, config, state, &clock); err != nil {
				return rows, err
			}
			clock.trained++
			s.Log.Info("cell done", "name", cell.Name(), "diverged", row.Diverged)
		}
		rows = append(rows, row)
		if done != nil {
			if err := done(rows); err != nil {
				return rows, err
			}
		}
	}
	return rows, nil
}

// studyClock estimates how long a study will take.
type studyClock struct {
	started          time.Time
	trained, skipped int
}

// left is the time that a study of n cells has to go, when of cell i the given fraction is trained.
func (c *studyClock) left(n, i int, fraction float64) time.Duration {
	made := float64(i-c.skipped) + fraction
	if made <= 0 {
		return 0
	}
	return time.Duration(float64(time.Since(c.started)) * (float64(n-i) - fraction) / made)
}

// stateOf says whether a cell's run has begun. A directory with other settings than the study's is an error.
func stateOf(dir string, base, want run.Config) (begun bool, err error) {
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
	row := Row{Cell: s.Cells[i], Build: s.Build}
	options := run.Options{Threads: s.Threads, Log: s.Log, Progress: func(p run.Progress) {
		if s.Progress != nil {
			s.Progress(Progress{Cell: row.Cell, Index: i, Run: p, Left: clock.left(len(s.Cells), i, p.Fraction)})
		}
	}}
	var result run.Result
	var err error
	if begun {
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
	if err := row.follow(filepath.Join(dir, metricsFile)); err != nil {
		return row, err
	}
	if err := s.judge(ctx, &row, dir); err != nil {
		return row, err
	}
	return row, durable.WriteFile(filepath.Join(dir, resultFile), func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(row)
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

// follow reads the course of the training.
func (r *Row) follow(path string) error {
	var gaps []float64
	var last int64
	for record, err := range metrics.Read(path) {
		if err != nil {
			return err
		}
		last = int64(record.Iteration)
		for _, f := range record.Fields {
			switch f.Name {
			case run.SecondsField:
				r.Seconds += f.Value
			case "gradient_norm":
				r.Gradient = max(r.Gradient, f.Value)
			case "energy_gap":
				gaps = append(gaps, f.Value)
			}
		}
	}
	if r.Diverged {
		r.DivergedAt = last + 1
	}
	tenth := gaps[len(gaps)-(len(gaps)+9)/10:]
	for _, g := range tenth {
		r.Gap += g / float64(len(tenth))
	}
	return nil
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
