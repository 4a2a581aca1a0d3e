package model

// This file measures images: energies and their derivatives with respect to the image,
//
//	E(x) = Σ E_s(x) over the scales s,     g_s = ∂E_s/∂x,     ‖∂E/∂x‖ = ‖Σ g_s‖₂,     x = (u + ½)/256.
//
// Under a conditional energy an image without a label is measured by the mixture of the classes, all equally likely, up to a constant (of
// numbers, by that of points that stand for all their values):
//
//	E(x) = -log Σ exp(-E(x, y)) over the classes y,     E_s(x) likewise,     g_s = Σ w_y ∂E_s(x, y)/∂x,     w_y = exp(E(x) - E(x, y)).

import (
	"context"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// AnyLabel stands for a label that is not known.
const AnyLabel = -1

// Measurement is what an energy says of an image.
type Measurement struct {
	Energy float64   // the sum over the scales
	Scales []float64 // of each scale
	Norm   float64   // ‖∂E/∂x‖₂, for intensities in [0, 1]; 0 from a meter without gradients
}

// A Meter measures images. It is for one goroutine at a time; the engine uses its threads.
type Meter struct {
	program   engine.Program
	energy    *energy.Energy
	scales    int
	gradients bool
	labels    int
	y         func(label int) []float64
}

// NewMeter compiles an energy and gives its parameters their values. A meter with gradients takes about three times as long.
func NewMeter(on engine.Engine, e *energy.Energy, params map[string][]float32, gradients bool) (*Meter, error) {
	p, err := e.Params()
	if err != nil {
		return nil, err
	}
	x := expr.Input("x", e.Image)
	scales := e.Build(p, x, e.Label())
	outputs := append([]*expr.Value{energy.Sum(scales)}, scales...)
	if gradients {
		for _, s := range scales {
			outputs = append(outputs, expr.Grad(s, x)[0])
		}
	}
	program, err := on.Compile(outputs...)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if err := program.Bind(params); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	classes := condition{classes: make([]string, e.Classes)}
	return &Meter{program, e, len(scales), gradients, e.Classes, classes.y}, nil
}

// Scales is the number of scales of the energy.
func (m *Meter) Scales() int { return m.scales }

// batchValues bounds the float32 values of each output of a batch, and so the memory that measuring takes.
const batchValues = 1 << 21

// Batch is the number of images to measure at a time.
func (m *Meter) Batch() int { return min(max(batchValues/m.energy.Image.Size(), 1), 256) }

// Energies are those of each image in pixels (N,H,W,C), given the label: a class, or [AnyLabel]. An unconditional energy has AnyLabel
// only.
func (m *Meter) Energies(ctx context.Context, pixels []uint8, label int) ([]float64, error) {
	var all []float64
	err := m.batches(ctx, pixels, label, func(r reading) { all = append(all, r.energies[0]...) })
	return all, err
}

// Measure measures each image in pixels (N,H,W,C), given the label as for Energies.
func (m *Meter) Measure(ctx context.Context, pixels []uint8, label int) ([]Measurement, error) {
	var all []Measurement
	err := m.batches(ctx, pixels, label, func(r reading) {
		for i, e := range r.energies[0] {
			one := Measurement{Energy: e}
			for _, scale := range r.energies[1:] {
				one.Scales = append(one.Scales, scale[i])
			}
			size, squares := m.energy.Image.Size(), 0.0
			for p := i * size; m.gradients && p < (i+1)*size; p++ {
				var g float64
				for _, scale := range r.gradients {
					g += float64(scale[p])
				}
				squares += g * g
			}
			one.Norm = math.Sqrt(squares)
			all = append(all, one)
		}
	})
	return all, err
}

// Gradients are those of each scale's energy, [scale][N,H,W,C]. The meter must have been made with gradients.
func (m *Meter) Gradients(ctx context.Context, pixels []uint8, label int) ([][]float32, error) {
	all := make([][]float32, m.scales)
	err := m.batches(ctx, pixels, label, func(r reading) {
		for s, g := range r.gradients {
			all[s] = append(all[s], g...)
		}
	})
	return all, err
}

// reading is what the program computes for a batch.
type reading struct {
	energies  [][]float64 // the sum, then each scale's; an image each
	gradients [][]float32 // each scale's, N,H,W,C; nil without gradients
}

func (m *Meter) batches(ctx context.Context, pixels []uint8, label int, use func(reading)) error {
	size := m.energy.Image.Size()
	if len(pixels)%size != 0 {
		return fmt.Errorf("model: %d bytes are not whole images of shape %v", len(pixels), m.energy.Image)
	}
	if label != AnyLabel && (label < 0 || label >= m.labels) {
		return fmt.Errorf("model: no label %d in a model of %d classes", label, m.labels)
	}
	for len(pixels) > 0 {
		part := pixels[:min(len(pixels), m.Batch()*size)]
		pixels = pixels[len(part):]
		r, err := m.batch(ctx, part, label)
		if err != nil {
			return err
		}
		use(r)
	}
	return nil
}

func (m *Meter) batch(ctx context.Context, pixels []uint8, label int) (reading, error) {
	x := dataset.Intensities(pixels)
	n, width := len(pixels)/m.energy.Image.Size(), m.energy.Classes
	if width == 0 {
		return m.run(ctx, n, map[string][]float32{"x": x})
	}
	labels := make([]float32, n*width)
	given := func(label int) (reading, error) {
		y := m.y(label)
		for i := range labels {
			labels[i] = float32(y[i%width])
		}
		return m.run(ctx, n, map[string][]float32{"x": x, "label": labels})
	}
	if label != AnyLabel {
		return given(label)
	}
	mixture, err := given(0)
	for y := 1; y < m.labels && err == nil; y++ {
		var r reading
		if r, err = given(y); err == nil {
			mixture.join(r)
		}
	}
	return mixture, err
}

// join makes a mixture one class larger.
func (mixture reading) join(r reading) {
	n := len(r.energies[0])
	before := make([]float64, n)
	copy(before, mixture.energies[0])
	for k, energies := range mixture.energies {
		for i, e := range energies {
			energies[i] = -logAddExp(-e, -r.energies[k][i])
		}
	}
	for s, g := range mixture.gradients {
		size := len(g) / n
		for i, e := range mixture.energies[0] {
			old, joining := float32(math.Exp(e-before[i])), float32(math.Exp(e-r.energies[0][i]))
			for p := i * size; p < (i+1)*size; p++ {
				g[p] = old*g[p] + joining*r.gradients[s][p]
			}
		}
	}
}

func (m *Meter) run(ctx context.Context, n int, inputs map[string][]float32) (reading, error) {
	var r reading
	var outputs [][]float32
	for range 1 + m.scales {
		outputs = append(outputs, make([]float32, n))
	}
	if m.gradients {
		for range m.scales {
			r.gradients = append(r.gradients, make([]float32, n*m.energy.Image.Size()))
		}
		outputs = append(outputs, r.gradients...)
	}
	if err := m.program.Run(ctx, engine.Call{Batch: n, Inputs: inputs, Outputs: outputs}); err != nil {
		return reading{}, err
	}
	for _, out := range outputs[:1+m.scales] {
		energies := make([]float64, n)
		for i, e := range out {
			energies[i] = float64(e)
		}
		r.energies = append(r.energies, energies)
	}
	return r, nil
}

// logAddExp is log(exp(a) + exp(b)).
func logAddExp(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	return a + math.Log1p(math.Exp(b-a))
}
