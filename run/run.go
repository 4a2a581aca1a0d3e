// Package run is one training run as a directory:
//
//	config.yaml         the configuration, complete
//	metrics.jsonl       the numbers of every iteration (package metrics)
//	events.out.tfevents.*  the same for TensorBoard, with the pictures
//	samples/000123.png  samples after that iteration
//	checkpoint          the state to go on from, with the one before it (package checkpoint)
//	model.safetensors   the model
//
// [Start] begins a run, [Resume] goes on with one that was killed, interrupted or has new limits, and [OpenModel] reads what it
// learnt. A run killed at any moment and resumed leaves the same model and metrics, times aside, as one never killed.
package run

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/eval"
)

// The files of a run directory.
const (
	configFile     = "config.yaml"
	metricsFile    = "metrics.jsonl"
	samplesDir     = "samples"
	checkpointFile = "checkpoint"
	stoppedFile    = "checkpoint.stopped"
	modelFile      = "model.safetensors"
	lockFile       = "lock"
)

// Options are choices that do not change the numbers of a run. The zero value works.
type Options struct {
	Threads  int            // 0: all cores
	Log      *slog.Logger   // of what happens; nil: nowhere
	Progress func(Progress) // called after every iteration; may be nil
}

// Progress is how far a run is.
type Progress struct {
	Iteration  int64         // made so far
	Iterations int64         // to make; 0: no limit
	Fraction   float64       // of the run that is done, 0 to 1, by the limit that will end it; 0 without limits
	Rate       float64       // iterations a second, lately
	Left       time.Duration // estimate; 0 without limits
	Metrics    cd.Metrics    // of this iteration
}

// Result is what a run came to.
type Result struct {
	Dir         string         `json:"dir"`
	Iteration   int64          `json:"iteration"`
	Interrupted bool           `json:"interrupted"` // by its context; the rest is then empty
	Model       string         `json:"model"`       // path of the model
	Samples     string         `json:"samples"`     // path of the last picture of samples
	Data        string         `json:"data"`        // the data set
	Outliers    string         `json:"outliers"`    // what the images held out were compared with
	Detection   eval.Detection `json:"detection"`   // how well their energies tell them apart
}

// Start begins a run in dir, which must be new or empty, and trains until a limit is reached or ctx is done. An interrupted run
// has saved its state and is no error.
func Start(ctx context.Context, dir string, c Config, o Options) (Result, error) {
	return Result{}, errors.New("not yet")
}

// Resume goes on with the run in dir, with the configuration it was started with, but for limits if they are not nil.
func Resume(ctx context.Context, dir string, limits *Limits, o Options) (Result, error) {
	return Result{}, errors.New("not yet")
}
