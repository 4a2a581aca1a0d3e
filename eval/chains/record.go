package chains

// This file runs chains and records what they do.

import (
	"context"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/model"
)

// recorder runs the chains of a model.
type recorder struct {
	chain  *mcmc.Chain // with the model's parameters bound
	energy engine.Program
	image  expr.Shape
}

// newRecorder compiles the chain of a model and the energy that is recorded.
func newRecorder(e engine.Engine, m *model.Model) (*recorder, error) {
	chain, err := m.NewChain(e)
	if err != nil {
		return nil, err
	}
	of, err := m.Energy.Function()
	if err != nil {
		return nil, err
	}
	program, err := e.Compile(of(expr.Input("x", m.Energy.Image)))
	if err != nil {
		return nil, fmt.Errorf("chains: %w", err)
	}
	return &recorder{chain, program, m.Energy.Image}, program.Bind(m.Params)
}

// Recording is what chains have done.
type Recording struct {
	Traces     []Trace `json:"traces"` // of their energies, mean intensities, and a projection that sees shapes
	Acceptance float64 `json:"acceptance"`
	// Displacement is the root mean square distance of a pixel from where its chain started to where it ended, mean over the chains;
	// PathLength the same from each recorded state to the next, summed.
	Displacement float64 `json:"displacement"`
	PathLength   float64 `json:"path_length"`
}

// streamProjection is the purpose of a random stream, apart from those of package mcmc.
const streamProjection = 1000

// record moves the chains x (N,H,W,C, in place) by so many times `every` steps, and records their states in between.
func (r *recorder) record(ctx context.Context, x []float32, draws, every int, o mcmc.RunOptions, progress func(steps int64)) (Recording, error) {
	var done Recording
	size := r.image.Size()
	n := len(x) / size
	if n < 1 || len(x)%size != 0 || draws < leastDraws || every < 1 {
		return done, fmt.Errorf("chains: %d values of images of %v, %d draws every %d steps: want whole images, and %d draws every step at least",
			len(x), r.image, draws, every, leastDraws)
	}
	direction := make([]float32, size)
	s := rng.New(o.Seed, streamProjection)
	s.FillNormal(direction)

	numbers := [3][][]float64{} // by kind, chain and draw
	for kind := range numbers {
		numbers[kind] = make([][]float64, n)
	}
	start, before := append([]float32(nil), x...), append([]float32(nil), x...)
	first := o.FirstStep
	o.Steps = every
	if o.State == nil { // carried on from draw to draw
		o.State = r.chain.InitialState(n)
	}
	for draw := range draws {
		o.FirstStep = first + uint64(draw*every)
		acceptance, err := r.chain.Run(ctx, x, o)
		if err != nil {
			return done, err
		}
		done.Acceptance += acceptance / float64(draws)
		done.PathLength += rms(x, before, size)
		copy(before, x)
		energies, err := r.energies(ctx, x, o.Inputs)
		if err != nil {
			return done, err
		}
		for i := range n {
			intensity, projection := 0.0, 0.0
			for p, v := range x[i*size:][:size] {
				intensity += float64(v) / float64(size)
				projection += float64(v * direction[p])
			}
			for kind, v := range []float64{energies[i], intensity, projection / math.Sqrt(float64(size))} {
				numbers[kind][i] = append(numbers[kind][i], v)
			}
		}
		if progress != nil {
			progress(int64(n * every))
		}
	}
	done.Displacement = rms(x, start, size)
	for kind, name := range []string{"energy", "intensity", "projection"} {
		t, err := NewTrace(name, numbers[kind])
		if err != nil {
			return done, err
		}
		done.Traces = append(done.Traces, t)
	}
	return done, nil
}

func (r *recorder) energies(ctx context.Context, x []float32, inputs map[string][]float32) ([]float64, error) {
	all := map[string][]float32{"x": x}
	for name, values := range inputs {
		all[name] = values
	}
	out := make([]float32, len(x)/r.image.Size())
	if err := r.energy.Run(ctx, engine.Call{Batch: len(out), Inputs: all, Outputs: [][]float32{out}}); err != nil {
		return nil, err
	}
	energies := make([]float64, len(out))
	for i, e := range out {
		energies[i] = float64(e)
	}
	return energies, nil
}

// rms is the root mean square difference of a pixel between two images, mean over the images.
func rms(a, b []float32, size int) float64 {
	total, n := 0.0, len(a)/size
	for i := range n {
		sum := 0.0
		for p := i * size; p < (i+1)*size; p++ {
			d := float64(a[p] - b[p])
			sum += d * d
		}
		total += math.Sqrt(sum / float64(size))
	}
	return total / float64(n)
}
