package run

// This file turns the state of training into a checkpoint and back.

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/collapse"
	"github.com/joule-ebm/joule/internal/checkpoint"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/model"
)

// counters are the part of the state that is a few numbers.
type counters struct {
	Iteration   int64               `json:"iteration"`
	Attempt     int64               `json:"attempt"`
	RateScale   float64             `json:"rate_scale"`
	AdamUpdates int64               `json:"adam_updates"`
	Recovery    recovery            `json:"recovery"`
	Collapse    collapse.Memory     `json:"collapse,omitzero"`
	Data        dataset.Fingerprint `json:"data"`
	Engine      string              `json:"engine,omitempty"` // that made the last iterations, if it is not the CPU's
}

// vectors are the trainer's numbers by section.
func vectors(t *cd.Trainer) []struct {
	name   string
	values []float32
} {
	return []struct {
		name   string
		values []float32
	}{{"parameters", t.Parameters}, {"averaged", t.Averaged}, {"adam_mean", t.Adam.Mean}, {"adam_square", t.Adam.Square}}
}

// numbers are a vector as it is saved.
type numbers []float32

// WriteTo implements [io.WriterTo].
func (v numbers) WriteTo(w io.Writer) (written int64, err error) {
	block := make([]byte, 0, 1<<16)
	for part := range slices.Chunk(v, cap(block)/4) {
		block = block[:0]
		for _, x := range part {
			block = binary.LittleEndian.AppendUint32(block, math.Float32bits(x))
		}
		n, err := w.Write(block)
		if written += int64(n); err != nil {
			return written, err
		}
	}
	return written, nil
}

// encode is the state as sections, which read the trainer's memory when they are written. Equal states give equal bytes.
func (r *runner) encode() ([]checkpoint.Section, error) {
	t := r.trainer
	if err := t.Pull(); err != nil {
		return nil, err
	}
	head, err := json.Marshal(counters{t.Iteration, t.Attempt, t.RateScale, t.Adam.Updates, r.recovery, r.collapse, r.data, r.accelerator()})
	if err != nil {
		return nil, err
	}
	sections := []checkpoint.Section{{Name: "state", Data: head}}
	for _, v := range vectors(t) {
		sections = append(sections, checkpoint.Section{Name: v.name, Source: numbers(v.values)})
	}
	return append(sections, checkpoint.Section{Name: "buffer", Source: t.Buffer}), nil
}

// accelerator is what the run computes on; empty for the CPU.
func (r *runner) accelerator() string {
	if on := engine.Describe(r.engine); on != engine.Describe(nil) {
		return on
	}
	return ""
}

// decode puts the trainer into the state that a checkpoint holds.
func (r *runner) decode(c *checkpoint.Checkpoint) error {
	head, err := decodeCounters(c)
	if err != nil {
		return err
	}
	if head.Data != r.data {
		return fmt.Errorf("%s: the data set %s is not the one the run was started with (%s): restore it", r.dir.path, r.config.Data,
			model.Changes(r.dir.path, head.Data, r.images))
	}
	t := r.trainer
	for _, v := range vectors(t) {
		data, err := c.Section(v.name)
		if err != nil {
			return err
		}
		if len(data) != 4*len(v.values) {
			return fmt.Errorf("%s: section %s is of another network than config.yaml's: restore the configuration", c.Path, v.name)
		}
		for i := range v.values {
			v.values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	}
	buffer, err := c.Section("buffer")
	if err != nil {
		return err
	}
	if _, err := t.Buffer.ReadFrom(bytes.NewReader(buffer)); err != nil {
		return fmt.Errorf("%s: %w: restore the configuration", c.Path, err)
	}
	if before, now := head.Engine, r.accelerator(); before != now && head.Iteration > 0 {
		r.options.Log.Info("the run goes on on another engine: from here on its numbers are the same to rounding, not to the bit",
			"iteration", head.Iteration, "before", cmp.Or(before, "cpu"), "now", cmp.Or(now, "cpu"))
	}
	t.Push()
	t.Iteration, t.Attempt, t.RateScale, t.Adam.Updates, r.recovery = head.Iteration, head.Attempt, head.RateScale, head.AdamUpdates, head.Recovery
	r.collapse = head.Collapse
	return nil
}

func decodeCounters(c *checkpoint.Checkpoint) (counters, error) {
	data, err := c.Section("state")
	if err != nil {
		return counters{}, err
	}
	var head counters
	if err := json.Unmarshal(data, &head); err != nil {
		return head, fmt.Errorf("%s: section state: %w", c.Path, err)
	}
	return head, nil
}

// A run keeps two kinds of checkpoints. The one in "checkpoint" is saved at fixed iterations, so that where a diverged run goes back
// to does not depend on when it was stopped. The one in "checkpoint.stopped" is where an orderly stop in between left off.

// saveCheckpoint saves the state at one of the fixed iterations. It is written while the next iteration runs its chains and computes its
// loss, which leave the state alone, and the update waits for it ([cd.Trainer.BeforeUpdate]). Whether it could be written is known then, or
// when the run ends.
func (r *runner) saveCheckpoint() error {
	if err := r.compareStates(); err != nil || !r.options.writes() {
		return err
	}
	if err := r.saved(); err != nil {
		return err
	}
	sections, err := r.encode()
	if err != nil {
		return err
	}
	m, err := r.trained()
	if err != nil {
		return err
	}
	metrics, done := r.log.metrics, make(chan error, 1)
	r.saving = done
	go func() {
		done <- func() error {
			if err := metrics.Sync(); err != nil {
				return err
			}
			if err := checkpoint.Save(r.dir.file(checkpointFile), sections); err != nil {
				return err
			}
			if err := r.forgetStop(); err != nil {
				return err
			}
			return m.Save(r.dir.file(modelFile))
		}()
	}()
	return nil
}

// saved returns when the checkpoint that is being written, if one is, is on the disk.
func (r *runner) saved() error {
	if r.saving != nil {
		r.unsaved, r.saving = <-r.saving, nil
	}
	return r.unsaved
}

// saveStop saves the state wherever training has come to.
func (r *runner) saveStop() error {
	if !r.options.writes() {
		return nil
	}
	if err := r.saved(); err != nil {
		return err
	}
	if r.trainer.Iteration%r.config.Output.Checkpoint != 0 {
		if err := r.log.metrics.Sync(); err != nil {
			return err
		}
		sections, err := r.encode()
		if err != nil {
			return err
		}
		err = durable.WriteFile(r.dir.file(stoppedFile), func(w io.Writer) error { return checkpoint.Write(w, sections) })
		if err != nil {
			return err
		}
	}
	return r.saveModel()
}

func (r *runner) forgetStop() error {
	err := os.Remove(r.dir.file(stoppedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// load goes to the newest state there is, or begins if there is none.
func (r *runner) load() error {
	newest, err := r.checkpointOfAll(r.newestState)
	if err != nil {
		return err
	}
	if newest == nil {
		return r.beginFrom()
	}
	return r.decode(newest)
}

// newestState reads the newest state there is; nil if there is none.
func (r *runner) newestState() (*checkpoint.Checkpoint, error) {
	newest, damaged := r.newestCheckpoint()
	stopped, err := readStop(r.dir.file(stoppedFile))
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		r.options.Log.Warn("going on from the last checkpoint instead of where the run stopped", "reason", err)
	case err == nil:
		head, err := decodeCounters(stopped)
		if err == nil && head.Iteration > newest.iteration {
			if damaged != nil {
				r.options.Log.Warn("going on from where the run stopped; there is no checkpoint before it to go back to", "reason", damaged)
			}
			return stopped, nil
		}
	}
	if damaged != nil {
		return nil, damaged
	}
	if newest.checkpoint == nil && r.hasTrained() {
		return nil, fmt.Errorf("%s: the run has been trained, but its checkpoints are gone: restore them, or start another run with another --out", r.dir.path)
	}
	return newest.checkpoint, nil
}

// hasTrained says whether there is something in the directory that beginning anew would write over.
func (r *runner) hasTrained() bool {
	for _, name := range []string{stoppedFile, modelFile} {
		if _, err := os.Stat(r.dir.file(name)); err == nil {
			return true
		}
	}
	file, err := os.Open(r.dir.file(metricsFile))
	if err != nil {
		return false
	}
	defer file.Close()
	_, err = bufio.NewReader(file).ReadString('\n') // a whole line
	return err == nil
}

type foundCheckpoint struct {
	checkpoint *checkpoint.Checkpoint // nil: there is none
	iteration  int64                  // -1: there is none
}

// newestCheckpoint reads the newest of the states saved at fixed iterations.
func (r *runner) newestCheckpoint() (foundCheckpoint, error) {
	none := foundCheckpoint{nil, -1}
	c, err := checkpoint.Load(r.dir.file(checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	if c.Fallback != nil && !errors.Is(c.Fallback, fs.ErrNotExist) {
		r.options.Log.Warn("going back to the previous checkpoint", "reason", c.Fallback)
	}
	head, err := decodeCounters(c)
	return foundCheckpoint{c, head.Iteration}, err
}

func readStop(path string) (*checkpoint.Checkpoint, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	sections, err := checkpoint.Read(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &checkpoint.Checkpoint{Sections: sections, Path: path}, nil
}

func (r *runner) saveModel() error {
	if !r.options.writes() || r.keepsModel() {
		return nil
	}
	m, err := r.trained()
	if err != nil {
		return err
	}
	return m.Save(r.dir.file(modelFile))
}

// keepsModel says that the model in the directory stays as it is, with what its owner may have put into it since: nothing was learnt that
// it does not have.
func (r *runner) keepsModel() bool {
	if r.trainer.Iteration != r.began || r.began == 0 {
		return false
	}
	m, err := model.Open(r.dir.file(modelFile))
	return err == nil && m.Iterations >= r.trainer.Iteration
}

// trained is the model as it is now, not calibrated.
func (r *runner) trained() (*model.Model, error) {
	var training strings.Builder
	if err := settings.Write(&training, &r.config.Training); err != nil {
		return nil, err
	}
	t := r.trainer
	if err := t.Pull(); err != nil {
		return nil, err
	}
	config := r.config.Config
	config.Fingerprint = &r.data
	return &model.Model{Config: config, Training: training.String(), Classes: r.classes, Unlearnt: r.unlearnt, Numbers: r.numbers, Iterations: t.Iteration, Energy: r.energy,
		Params: t.Named(t.Averaged)}, nil
}
