package run

// This file goes back when training has diverged: to the last checkpoint, with other noise and a lower learning rate.
//
// A checkpoint may itself be beyond help, its weights being about to fail at the next step. So if training diverges again after a
// return to one, that one is given up for the one before it. All is decided by the state alone: a run that was killed on the way
// makes the same decisions when it is resumed.

import (
	"fmt"
	"io/fs"

	"github.com/joule-ebm/joule/internal/checkpoint"
)

// recovery is what a run remembers about having diverged.
type recovery struct {
	Failures int   `json:"failures"` // since it last got further than Furthest
	Furthest int64 `json:"furthest"` // the latest iteration at which it diverged
	BackTo   int64 `json:"back_to"`  // 1 + the iteration of the checkpoint it last went back to; 0: never
}

// passed forgets the failures once training is beyond where it diverged.
func (r *recovery) passed(iteration int64) {
	if iteration > r.Furthest {
		r.Failures = 0
	}
}

// recover goes back after reason has stopped training, or gives up.
func (r *runner) recover(reason error) error {
	t := r.trainer
	memory, attempt, scale := r.recovery, t.Attempt+1, t.RateScale*r.config.Recovery.RateFactor
	memory.Failures++
	memory.Furthest = max(memory.Furthest, t.Iteration+1)
	if memory.Failures >= r.config.Recovery.Failures {
		return fmt.Errorf("%w; it has done so %d times by iteration %d, at learning rates down to %.2g: "+
			"start another run with a lower optimiser.learning_rate or sampler.step_size, and see %s for the first signs",
			reason, memory.Failures, memory.Furthest, t.RateScale*r.config.Optimiser.LearningRate, r.dir.file(metricsFile))
	}
	found, err := r.checkpointOfAll(func() (*checkpoint.Checkpoint, error) { return r.goBack(memory.BackTo) })
	if err != nil {
		return err
	}
	if found == nil {
		return fmt.Errorf("%w, and the checkpoint to go back to is gone: %w", reason, fs.ErrNotExist)
	}
	failed := t.Iteration + 1
	if err := r.decode(found); err != nil {
		return err
	}
	memory.BackTo = t.Iteration + 1
	r.began = 0 // the model in the directory may be of what is given up, even where this is the iteration that the run was resumed at
	t.Attempt, t.RateScale, r.recovery = attempt, scale, memory
	r.options.Log.Warn("training went wrong, going back", "reason", reason, "iteration", failed, "back_to", t.Iteration,
		"failures", memory.Failures, "learning_rate", fmt.Sprintf("%.3g", scale*r.config.Optimiser.LearningRate))
	if err := r.saveModel(); err != nil {
		return err
	}
	return r.log.reopen(t.Iteration)
}

// goBack finds the checkpoint to go back to: the newest, unless that is the one the run went back to last; it is then given up.
func (r *runner) goBack(last int64) (*checkpoint.Checkpoint, error) {
	if err := r.saved(); err != nil {
		return nil, err
	}
	// What an orderly stop left is ahead of where the run goes back to.
	if err := r.forgetStop(); err != nil {
		return nil, err
	}
	found, err := r.newestCheckpoint()
	if err != nil {
		return nil, err
	}
	if path := r.dir.file(checkpointFile); found.checkpoint != nil && found.iteration+1 == last && found.checkpoint.Path == path {
		if _, err := checkpoint.Discard(path); err != nil {
			return nil, err
		}
		if found, err = r.newestCheckpoint(); err != nil {
			return nil, err
		}
	}
	return found.checkpoint, nil
}
