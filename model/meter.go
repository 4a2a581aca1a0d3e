package model

// This file measures images: energies and their derivatives with respect to the image,
//
//	E(x) = Σ E_s(x) over the scales s,     g_s = ∂E_s/∂x,     ‖∂E/∂x‖ = ‖Σ g_s‖₂,     x = (u + ½)/256.
//
// Under a conditional energy an image without a label is measured by the mixture of the classes, all equally likely, up to a constant (of
// numbers, by that of points that stand for all their values):
//
//	E(x) = -log Σ exp(-E(x, y)) over the classes y,     E_s(x) likewise,     g_s = Σ w_y ∂E_s(x, y)/∂x,     w_y = exp(E(x) - E(x, y)),
//
// and the energies of places (energy.Local) are weighed as g_s is.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

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
	Slopes []float64 // log of the root mean square of ∂E/∂x in each octave of frequency, finest first; nil from a meter without gradients or descent
	Moves  []float64 // the same of where a [Descent] takes the image, from where it is; nil from a meter without descent
	Length float64   // the bits a value that the image takes whatever the energy, see codelength.go; 0 from a meter without gradients
}

// A Meter measures images. It is for one goroutine at a time; the engine uses its threads.
type Meter struct {
	program engine.Program
	energy  *energy.Energy
	scales  int
	of      Quantities
	descent *Descent // nil if it measures none
	local   []expr.Shape
	labels  int
	mixed   []int32 // the labels of the mixture
	y       func(label int) []float64
}

// Quantities are what a meter measures beside energies.
type Quantities struct {
	Gradients bool // takes about three times as long
	Local     bool // the energies of places, see [energy.Energy.Local]
	Descent   bool // takes as many times as long as a chain of training has steps
}

// NewMeter compiles an energy and gives its parameters their values. A meter with gradients takes about three times as long.
func NewMeter(on engine.Engine, e *energy.Energy, params map[string][]float32, gradients bool) (*Meter, error) {
	return newMeter(on, e, params, Quantities{Gradients: gradients})
}

func newMeter(on engine.Engine, e *energy.Energy, params map[string][]float32, of Quantities) (*Meter, error) {
	p, err := e.Params()
	if err != nil {
		return nil, err
	}
	x, label := expr.Input("x", e.Image), e.Label()
	scales := e.Build(p, x, label)
	outputs := append([]*expr.Value{energy.Sum(scales)}, scales...)
	if of.Gradients {
		for _, s := range scales {
			outputs = append(outputs, expr.Grad(s, x)[0])
		}
	}
	classes := condition{classes: make([]string, e.Classes)}
	m := &Meter{energy: e, scales: len(scales), of: of, labels: e.Classes, y: classes.y}
	for y := range int32(e.Classes) {
		m.mixed = append(m.mixed, y)
	}
	if of.Local {
		for _, local := range e.Local(p, x, label) {
			if err := expr.Err(local); err != nil {
				return nil, err
			}
			m.local, outputs = append(m.local, local.Shape()), append(outputs, local)
		}
		if m.local == nil {
			return nil, fmt.Errorf("model: the energy does not end as a mean over places: %w", energy.ErrNoPlaces)
		}
	}
	if m.program, err = on.Compile(outputs...); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return m, m.Bind(params)
}

// Bind gives the energy the values that its parameters have now.
func (m *Meter) Bind(params map[string][]float32) error {
	if err := m.program.Bind(params); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if m.descent == nil {
		return nil
	}
	return m.descent.bind(params)
}

// Local are the shapes of the energies of places, if the meter measures them: height × width × 1 of each head.
func (m *Meter) Local() []expr.Shape { return m.local }

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
	err := m.batches(ctx, pixels, label, nil, func(r Reading) { all = append(all, r.Energies[0]...) })
	return all, err
}

// Measure measures each image in pixels (N,H,W,C), given the label as for Energies.
func (m *Meter) Measure(ctx context.Context, pixels []uint8, label int) ([]Measurement, error) {
	var all []Measurement
	size := m.energy.Image.Size()
	gradient := make([]float32, size) // of one image
	err := m.batches(ctx, pixels, label, nil, func(r Reading) {
		for i, e := range r.Energies[0] {
			one := Measurement{Energy: e}
			if m.of.Gradients {
				one.Length = codeLength(pixels[len(all)*size:][:size], m.energy.Image)
			}
			for _, scale := range r.Energies[1:] {
				one.Scales = append(one.Scales, scale[i])
			}
			if m.of.Gradients {
				squares := 0.0
				for p := range gradient {
					var g float64
					for _, scale := range r.Gradients {
						g += float64(scale[i*size+p])
					}
					squares += g * g
					gradient[p] = float32(g)
				}
				if one.Norm = math.Sqrt(squares); m.descent != nil {
					one.Slopes = octaves(gradient, m.energy.Image)
				}
			}
			all = append(all, one)
		}
	})
	if err == nil && m.descent != nil {
		err = m.measureMoves(ctx, pixels, label, all)
	}
	return all, err
}

// measureMoves completes measurements by where a descent takes the images.
func (m *Meter) measureMoves(ctx context.Context, pixels []uint8, label int, all []Measurement) error {
	size, i := m.energy.Image.Size(), 0
	for part := range slices.Chunk(pixels, m.Batch()*size) {
		ends, err := m.descent.Run(ctx, part, label, nil)
		if err != nil {
			return err
		}
		for p, start := range dataset.Intensities(part) {
			ends[p] -= start
		}
		for moved := range slices.Chunk(ends, size) {
			all[i].Moves = octaves(moved, m.energy.Image)
			i++
		}
	}
	return nil
}

// Gradients are those of each scale's energy, [scale][N,H,W,C]. The meter must have been made with gradients.
func (m *Meter) Gradients(ctx context.Context, pixels []uint8, label int) ([][]float32, error) {
	all := make([][]float32, m.scales)
	err := m.batches(ctx, pixels, label, nil, func(r Reading) {
		for s, g := range r.Gradients {
			all[s] = append(all[s], g...)
		}
	})
	return all, err
}

// Reading is what a meter reads off images.
type Reading struct {
	Energies  [][]float64 // the sum over the scales, then each scale's; an image each
	Gradients [][]float32 // each scale's, N,H,W,C; nil if the meter does not measure them
	Local     [][]float32 // the energies of places, of each head; nil if the meter does not measure them
}

// Read reads all that the meter measures off each image in pixels (N,H,W,C), given the label, as for Energies, or,
// where conditions are not nil, given these, one an image as [Model.Conditions] has them.
func (m *Meter) Read(ctx context.Context, pixels []uint8, label int, conditions []float32) (Reading, error) {
	var all Reading
	err := m.batches(ctx, pixels, label, conditions, func(r Reading) {
		all.Energies, all.Gradients, all.Local = joined(all.Energies, r.Energies), joined(all.Gradients, r.Gradients), joined(all.Local, r.Local)
	})
	return all, err
}

// joined appends each of more to each of lists.
func joined[T any](lists, more [][]T) [][]T {
	if lists == nil {
		return more
	}
	for k, values := range more {
		lists[k] = append(lists[k], values...)
	}
	return lists
}

func (m *Meter) batches(ctx context.Context, pixels []uint8, label int, conditions []float32, use func(Reading)) error {
	size, width := m.energy.Image.Size(), m.energy.Classes
	if len(pixels)%size != 0 {
		return fmt.Errorf("model: %d bytes are not whole images of shape %v", len(pixels), m.energy.Image)
	}
	if conditions == nil && label != AnyLabel && (label < 0 || label >= m.labels) {
		return fmt.Errorf("model: no label %d in a model of %d classes", label, m.labels)
	}
	if conditions != nil && len(conditions) != len(pixels)/size*width {
		return fmt.Errorf("model: %d numbers are not the conditions of %d images, of %d each", len(conditions), len(pixels)/size, width)
	}
	for len(pixels) > 0 {
		n := min(len(pixels)/size, m.Batch())
		part, given := pixels[:n*size], conditions
		if pixels = pixels[n*size:]; conditions != nil {
			given, conditions = conditions[:n*width], conditions[n*width:]
		}
		r, err := m.batch(ctx, part, label, given)
		if err != nil {
			return err
		}
		use(r)
	}
	return nil
}

func (m *Meter) batch(ctx context.Context, pixels []uint8, label int, conditions []float32) (Reading, error) {
	x := dataset.Intensities(pixels)
	n, width := len(pixels)/m.energy.Image.Size(), m.energy.Classes
	if width == 0 {
		return m.run(ctx, n, map[string][]float32{"x": x})
	}
	if conditions != nil {
		return m.run(ctx, n, map[string][]float32{"x": x, "label": conditions})
	}
	labels := make([]float32, n*width)
	given := func(label int) (Reading, error) {
		y := m.y(label)
		for i := range labels {
			labels[i] = float32(y[i%width])
		}
		return m.run(ctx, n, map[string][]float32{"x": x, "label": labels})
	}
	if label != AnyLabel {
		return given(label)
	}
	if len(m.mixed) == 0 {
		return Reading{}, errors.New("model: nothing was learnt of any of its classes")
	}
	mixture, err := given(int(m.mixed[0]))
	for i := 1; i < len(m.mixed) && err == nil; i++ {
		var r Reading
		if r, err = given(int(m.mixed[i])); err == nil {
			mixture.join(r)
		}
	}
	return mixture, err
}

// join makes a mixture one class larger.
func (mixture Reading) join(r Reading) {
	n := len(r.Energies[0])
	before := make([]float64, n)
	copy(before, mixture.Energies[0])
	for k, energies := range mixture.Energies {
		for i, e := range energies {
			energies[i] = -logAddExp(-e, -r.Energies[k][i])
		}
	}
	weigh := func(fields, joining [][]float32) {
		for s, g := range fields {
			size := len(g) / n
			for i, e := range mixture.Energies[0] {
				old, added := float32(math.Exp(e-before[i])), float32(math.Exp(e-r.Energies[0][i]))
				for p := i * size; p < (i+1)*size; p++ {
					g[p] = old*g[p] + added*joining[s][p]
				}
			}
		}
	}
	weigh(mixture.Gradients, r.Gradients)
	weigh(mixture.Local, r.Local)
}

func (m *Meter) run(ctx context.Context, n int, inputs map[string][]float32) (Reading, error) {
	var r Reading
	var outputs [][]float32
	for range 1 + m.scales {
		outputs = append(outputs, make([]float32, n))
	}
	for s := 0; m.of.Gradients && s < m.scales; s++ {
		r.Gradients = append(r.Gradients, make([]float32, n*m.energy.Image.Size()))
	}
	for _, shape := range m.local {
		r.Local = append(r.Local, make([]float32, n*shape.Size()))
	}
	outputs = append(append(outputs, r.Gradients...), r.Local...)
	if err := m.program.Run(ctx, engine.Call{Batch: n, Inputs: inputs, Outputs: outputs}); err != nil {
		return Reading{}, err
	}
	for _, out := range outputs[:1+m.scales] {
		energies := make([]float64, n)
		for i, e := range out {
			energies[i] = float64(e)
		}
		r.Energies = append(r.Energies, energies)
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
