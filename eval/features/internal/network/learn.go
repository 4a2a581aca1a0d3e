package network

import (
	"context"
	"io"
	"math"
	"slices"

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
	MaxNorm           float64
	program           engine.Program
	specs             []energy.Spec
	current, averaged []float32
	gradient          []float32
	adam              cd.Adam
}

const (
	seed  = 1
	decay = 0.99 // of the average of the weights
)

// NewLearner learns the parameters by a loss, a shared scalar.
func NewLearner(e engine.Engine, params *energy.Params, loss *expr.Value) (*Learner, error) {
	l := &Learner{specs: params.Specs(), adam: cd.Adam{Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8}}
	var leaves []*expr.Value
	initial := energy.InitialValues(l.specs, seed)
	for _, s := range l.specs {
		leaves = append(leaves, params.Get(s.Name, s.Shape, s.Init))
		l.current = append(l.current, initial[s.Name]...)
	}
	l.averaged, l.gradient = slices.Clone(l.current), make([]float32, len(l.current))
	var err error
	l.program, err = e.Compile(append([]*expr.Value{loss}, expr.Grad(loss, leaves...)...)...)
	return l, err
}

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
	l.adam.Update(l.current, l.gradient, rate, 0)
	cd.Average(l.averaged, l.current, decay, 0)
	return loss[0], nil
}

// Save writes the averaged weights in PyTorch's layout.
func (l *Learner) Save(path string, metadata map[string]string) error {
	var tensors []safetensors.Tensor
	values := energy.Named(l.specs, l.averaged)
	for _, s := range l.specs {
		stored := make([]float32, s.Shape.Size())
		s.ToTorch(stored, values[s.Name])
		tensors = append(tensors, safetensors.FromFloat32s(s.Name, s.TorchShape(), stored))
	}
	return durable.WriteFile(path, func(w io.Writer) error { return safetensors.Write(w, tensors, metadata) })
}

// HalfCosine falls from 1 to 0 along half a cosine, over the given number of steps.
func HalfCosine(step, steps int) float64 {
	return (1 + math.Cos(math.Pi*float64(step)/float64(steps))) / 2
}
