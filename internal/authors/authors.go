// Package authors reads checkpoints as the training script of Du et al. (ICML 2021) writes them, and makes models of them.
//
// A checkpoint holds, for each model n of an ensemble, the state_dict of its network, model_state_dict_n, and of the moving average of
// its weights, ema_model_state_dict_n, which is the model as they evaluate it; and the options of the script, FLAGS. A state_dict holds
// every parameter that the network registers: those of options that it does not use (labels, attention) and buffers too. A bare state_dict
// is read as well. Nothing in the file is run: see package torchfile.
//
// authors.go chooses among what is there, network.go finds out what network it is, weights.go takes its parameters.
package authors

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/internal/torchfile"
	"github.com/joule-ebm/joule/model"
)

// Options are what a file does not say.
type Options struct {
	Member  int      // which model of an ensemble, from 0
	Classes []string // names of the classes; nil: their numbers. A bare state_dict is conditional if they are given
}

// Imported is a model with what was left out, converted or assumed in making it, a line each.
type Imported struct {
	Model *model.Model
	Notes []string
}

func (i *Imported) note(format string, args ...any) {
	i.Notes = append(i.Notes, fmt.Sprintf(format, args...))
}

// The keys of a checkpoint.
const (
	averageKey = "ema_model_state_dict_"
	latestKey  = "model_state_dict_"
	flagsKey   = "FLAGS"
)

// Import reads the model in a file. Errors are one line and name the file.
func Import(path string, o Options) (*Imported, error) {
	c, err := torchfile.ReadCheckpoint(path)
	if err != nil {
		return nil, err
	}
	i := &Imported{}
	if err := i.read(c, o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if i.Model.Iterations, err = iterations(path); err != nil {
		i.note("the file's name does not say after how many iterations it was written, as model_1000.pth does: noted as 0")
	}
	return i, nil
}

func (i *Imported) read(c *torchfile.Checkpoint, o Options) error {
	state, err := i.choose(c, o.Member)
	if err != nil {
		return err
	}
	weights := newWeights(state)
	n, err := i.network(weights, flags(c.Settings[flagsKey]), o)
	if err != nil {
		return err
	}
	return i.model(n, weights)
}

// choose takes the averaged weights of a member of the ensemble, or what is there instead.
func (i *Imported) choose(c *torchfile.Checkpoint, member int) (*safetensors.File, error) {
	n := strconv.Itoa(member)
	latest, average, bare := c.States[latestKey+n], c.States[averageKey+n], c.States[""]
	var others []string
	for _, key := range c.Keys {
		if number, ok := strings.CutPrefix(key, latestKey); ok && number != n {
			others = append(others, number)
		}
	}
	if len(others) > 0 && (latest != nil || average != nil) {
		i.note("model %d of an ensemble: left out %s (--member)", member, strings.Join(others, ", "))
	}
	switch {
	case average != nil:
		return average, nil
	case latest != nil:
		i.note("the file has no averaged weights (%s%s): took those of the last iteration", averageKey, n)
		return latest, nil
	case len(others) > 0:
		return nil, fmt.Errorf("it has no model %d: want one of %s", member, strings.Join(others, ", "))
	case bare != nil:
		i.note("a bare state_dict: options are taken from the names of its tensors, and the weights as they are, averaged or not")
		return bare, nil
	}
	return nil, fmt.Errorf("neither a checkpoint of the authors' script (%s0) nor a state_dict of one of their networks: its keys are %.200s",
		averageKey, strings.Join(c.Keys, ", "))
}

var fileName = regexp.MustCompile(`^model_(\d+)\.pth$`)

// iterations are in the name that the authors' script gives the file.
func iterations(path string) (int64, error) {
	match := fileName.FindStringSubmatch(filepath.Base(path))
	if match == nil {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseInt(match[1], 10, 64)
}

// flags are the options of the authors' script.
type flags map[string]any

// is says whether an option is set; a file without options sets none.
func (f flags) is(name string) bool {
	switch v := f[name].(type) {
	case bool:
		return v
	case int64:
		return v != 0
	}
	return false
}

// number is a numeric option.
func (f flags) number(name string) (float64, bool) {
	switch v := f[name].(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// weights are the tensors of a state_dict by name.
type weights struct {
	tensors map[string]safetensors.Tensor
	used    map[string]bool
}

// newWeights takes the prefix off that names have where the network was spread over several GPUs.
func newWeights(state *safetensors.File) *weights {
	w := &weights{map[string]safetensors.Tensor{}, map[string]bool{}}
	for _, t := range state.Tensors {
		w.tensors[strings.TrimPrefix(t.Name, "module.")] = t
	}
	return w
}

// shape is that of a tensor; nil if there is none.
func (w *weights) shape(name string) []int {
	t, ok := w.tensors[name]
	if !ok || t.Shape == nil {
		return nil
	}
	return t.Shape
}

// take reads a tensor.
func (w *weights) take(name string) ([]float32, error) {
	t, ok := w.tensors[name]
	if !ok {
		return nil, fmt.Errorf("it has no tensor %s, which the network needs", name)
	}
	w.used[name] = true
	return t.Float32s()
}

// unused are the names of modules of which nothing was taken.
func (w *weights) unused() []string {
	left := map[string]bool{}
	for name := range w.tensors {
		if !w.used[name] {
			module := name
			if at := strings.LastIndexByte(name, '.'); at >= 0 {
				module = name[:at]
			}
			left[module] = true
		}
	}
	return slices.Sorted(maps.Keys(left))
}
