package eval

// This file computes the energies of 8-bit images,
//
//	E(x) = Σ E_s(x) over the scales s,     x = (u + ½)/256,
//
// at the middle of the intervals that training draws x from, so that a score has no chance in it. Under a conditional energy
// an image without a label has the energy of the mixture of the classes, all equally likely, up to a constant:
//
//	E(x) = -log Σ exp(-E(x, y)) over the classes y.

import (
	"context"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// AnyLabel stands for a label that is not known.
const AnyLabel = -1

// A Scorer computes energies of images. It is for one goroutine at a time; the engine uses its threads.
type Scorer struct {
	program engine.Program
	model   *energy.Energy
}

// NewScorer compiles a model and gives its parameters their values.
func NewScorer(e engine.Engine, model *energy.Energy, params map[string][]float32) (*Scorer, error) {
	of, err := model.Function()
	if err != nil {
		return nil, err
	}
	program, err := e.Compile(of(expr.Input("x", model.Image)))
	if err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	if err := program.Bind(params); err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	return &Scorer{program, model}, nil
}

// batchValues bounds the float32 values of a batch, and so the memory that Score takes.
const batchValues = 1 << 22

// Batch is the number of images that Score takes at a time; more are taken in parts.
func (s *Scorer) Batch() int { return min(max(batchValues/s.model.Image.Size(), 1), 256) }

// Score returns the energy of each image in pixels (N,H,W,C), given the label: a class, or AnyLabel. An unconditional model has
// AnyLabel only.
func (s *Scorer) Score(ctx context.Context, pixels []uint8, label int) ([]float64, error) {
	size := s.model.Image.Size()
	if len(pixels)%size != 0 {
		return nil, fmt.Errorf("eval: %d bytes are not whole images of shape %v", len(pixels), s.model.Image)
	}
	if label != AnyLabel && (label < 0 || label >= s.model.Classes) {
		return nil, fmt.Errorf("eval: no label %d in a model of %d classes", label, s.model.Classes)
	}
	var energies []float64
	for len(pixels) > 0 {
		part := pixels[:min(len(pixels), s.Batch()*size)]
		pixels = pixels[len(part):]
		e, err := s.batch(ctx, part, label)
		if err != nil {
			return nil, err
		}
		energies = append(energies, e...)
	}
	return energies, nil
}

func (s *Scorer) batch(ctx context.Context, pixels []uint8, label int) ([]float64, error) {
	x := make([]float32, len(pixels))
	for i, u := range pixels {
		x[i] = (float32(u) + 0.5) / 256
	}
	n, classes := len(pixels)/s.model.Image.Size(), s.model.Classes
	if classes == 0 {
		return s.run(ctx, n, map[string][]float32{"x": x})
	}
	labels := make([]float32, n*classes)
	given := func(y int) ([]float64, error) {
		clear(labels)
		for i := range n {
			labels[i*classes+y] = 1
		}
		return s.run(ctx, n, map[string][]float32{"x": x, "label": labels})
	}
	if label != AnyLabel {
		return given(label)
	}
	mixture, err := given(0)
	for y := 1; y < classes && err == nil; y++ {
		var e []float64
		if e, err = given(y); err == nil {
			for i := range mixture {
				mixture[i] = -logAddExp(-mixture[i], -e[i])
			}
		}
	}
	return mixture, err
}

func (s *Scorer) run(ctx context.Context, n int, inputs map[string][]float32) ([]float64, error) {
	out := make([]float32, n)
	if err := s.program.Run(ctx, engine.Call{Batch: n, Inputs: inputs, Outputs: [][]float32{out}}); err != nil {
		return nil, err
	}
	energies := make([]float64, n)
	for i, e := range out {
		energies[i] = float64(e)
	}
	return energies, nil
}

// logAddExp is log(exp(a) + exp(b)).
func logAddExp(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	return a + math.Log1p(math.Exp(b-a))
}
