package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/safetensors"
)

// A Learner minimises a loss by Adam and averages the weights on the way; the average is what is kept.
type Learner struct {
	// MaxNorm is the length to which longer gradients are cut; 0 leaves them as they are.
	MaxNorm float64
	// WeightDecay λ takes η·λ·θ from the parameters θ at each step of rate η. Source: Loshchilov and Hutter, "Decoupled Weight Decay
	// Regularization" (ICLR 2019).
	WeightDecay float64
	// Decay is that of the average of the weights.
	Decay             float64
	program           engine.Program
	specs             []energy.Spec
	current, averaged []float32
	gradient          []float32
	adam              cd.Adam
}

const seed = 1

// NewLearner learns the parameters by a loss, a shared scalar.
func NewLearner(e engine.Engine, params *energy.Params, loss *expr.Value) (*Learner, error) {
	l := &Learner{Decay: 0.99, specs: params.Specs(), adam: cd.Adam{Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8}}
	var leaves []*expr.Value
	initial := energy.InitialValues(l.specs, seed)
	for _, s := range l.specs {
		leaves = append(leaves, params.Get(s.Name, s.Shape, s.Init))
		l.current = append(l.current, initial[s.Name]...)
	}
	l.averaged, l.gradient = slices.Clone(l.current), make([]float32, len(l.current))
	l.adam.Mean, l.adam.Square = make([]float32, len(l.current)), make([]float32, len(l.current))
	var err error
	l.program, err = e.Compile(append([]*expr.Value{loss}, expr.Grad(loss, leaves...)...)...)
	return l, err
}

// Steps is the number of steps taken.
func (l *Learner) Steps() int { return int(l.adam.Updates) }

// Step learns from a batch of images, given by the names of the loss's inputs, and returns the loss there.
func (l *Learner) Step(ctx context.Context, batch int, inputs map[string][]float32, rate float64) (float32, error) {
	loss := make([]float32, 1)
	outputs, gradients := [][]float32{loss}, energy.Named(l.specs, l.gradient)
	for _, s := range l.specs {
		outputs = append(outputs, gradients[s.Name])
	}
	if err := l.program.Bind(energy.Named(l.specs, l.current)); err != nil {
		return 0, err
	}
	if err := l.program.Run(ctx, engine.Call{Batch: batch, Inputs: inputs, Outputs: outputs}); err != nil {
		return 0, err
	}
	cd.ClipNorm(l.gradient, l.MaxNorm, 1)
	if l.WeightDecay > 0 {
		for i := range l.current {
			l.current[i] *= float32(1 - rate*l.WeightDecay)
		}
	}
	l.adam.Update(l.current, l.gradient, rate, 0)
	cd.Average(l.averaged, l.current, l.Decay, 0)
	return loss[0], nil
}

// Precision is that of stored weights.
type Precision func(name string, shape []int, values []float32) safetensors.Tensor

// Single stores weights as they are, Half rounded to 16 bits.
var (
	Single Precision = safetensors.FromFloat32s
	Half   Precision = safetensors.HalfFromFloat32s
)

// Save writes the averaged weights in PyTorch's layout.
func (l *Learner) Save(path string, precision Precision, metadata map[string]string) error {
	return durable.WriteFile(path, func(w io.Writer) error { return l.write(w, precision, metadata) })
}

// Bytes is what Save writes.
func (l *Learner) Bytes(precision Precision, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	err := l.write(&b, precision, metadata)
	return b.Bytes(), err
}

func (l *Learner) write(w io.Writer, precision Precision, metadata map[string]string) error {
	var tensors []safetensors.Tensor
	values := energy.Named(l.specs, l.averaged)
	for _, s := range l.specs {
		stored := make([]float32, s.Shape.Size())
		s.ToTorch(stored, values[s.Name])
		tensors = append(tensors, precision(s.Name, s.TorchShape(), stored))
	}
	return safetensors.Write(w, tensors, metadata)
}

// state is what a training is besides its data, by the names of the tensors of its file.
func (l *Learner) state() map[string][]float32 {
	return map[string][]float32{"parameters": l.current, "averaged": l.averaged, "adam_mean": l.adam.Mean, "adam_square": l.adam.Square}
}

// Store writes the state of the training, so that Load can go on from there.
func (l *Learner) Store(path string) error {
	var tensors []safetensors.Tensor
	state := l.state()
	for _, name := range slices.Sorted(maps.Keys(state)) {
		tensors = append(tensors, safetensors.FromFloat32s(name, []int{len(state[name])}, state[name]))
	}
	return durable.WriteFile(path, func(w io.Writer) error {
		return safetensors.Write(w, tensors, map[string]string{"steps": strconv.Itoa(l.Steps())})
	})
}

// Load takes up the state of a training that Store wrote.
func (l *Learner) Load(path string) error {
	file, err := safetensors.ReadFile(path)
	if err != nil {
		return err
	}
	for name, values := range l.state() {
		t, ok := file.Lookup(name)
		if !ok {
			return fmt.Errorf("%s: no %s", path, name)
		}
		stored, err := t.Float32s()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(stored) != len(values) {
			return fmt.Errorf("%s: %d %s, want %d: the state of another network", path, len(stored), name, len(values))
		}
		copy(values, stored)
	}
	if l.adam.Updates, err = strconv.ParseInt(file.Metadata["steps"], 10, 64); err != nil {
		return errors.Join(fmt.Errorf("%s: its number of steps", path), err)
	}
	return nil
}

// Begin takes the weights that Save wrote for those to begin with.
func (l *Learner) Begin(path string) error {
	stored, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	values, err := Values(l.specs, stored)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	current := energy.Named(l.specs, l.current)
	for _, s := range l.specs {
		copy(current[s.Name], values[s.Name])
	}
	copy(l.averaged, l.current)
	return nil
}

// HalfCosine falls from 1 to 0 along half a cosine, over the given number of steps.
func HalfCosine(step, steps int) float64 {
	return (1 + math.Cos(math.Pi*float64(step)/float64(steps))) / 2
}

// OneCycle rises from 0 to 1 in a part of the steps and falls along half a cosine in the rest. Source: Smith and Topin,
// "Super-Convergence" (2019).
func OneCycle(step, steps int, rising float64) float64 {
	up := rising * float64(steps)
	if at := float64(step + 1); at < up {
		return at / up
	}
	return (1 + math.Cos(math.Pi*(float64(step)-up)/(float64(steps)-up))) / 2
}
