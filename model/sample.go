package model

// This file draws images from a model: chains that start from noise go through the rounds of a generation (mcmc.Generation), as the
// authors of the method evaluate theirs. Everything that samples from a model does so here.

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/mcmc"
)

// Sampling says how many images to draw from a model, and how. All but Images may be zero.
type Sampling struct {
	Images int
	Steps  int     // of each chain; 0: all rounds that the model's configuration names
	Labels []int32 // the classes of a conditional model to draw, in turn; none: all that something was learnt of
	// Conditions are labels as [Model.Condition] gives them, to be drawn in turn in place of Labels.
	Conditions [][]float64
	Seed       uint64 // of all random numbers. Image i is the same whatever Together and Threads are
	Threads    int    // for augmentation; 0: all cores
	// Together is the number of chains that run, and are in memory, at a time; 0: 256. The processes of a group must have the same.
	Together int
	// Chain, if not nil, is what [Model.NewChain] made for the model or one with the same energy and sampler: it is used, with the model's
	// parameters, and none compiled, unless the model is a mixture of which each chain draws an alternative ([Composition.Alternatives]).
	Chain *mcmc.Chain
	// Look, if not nil, is called with the images x (N,H,W,C, in [0, 1]) that have made so many steps: at first 0, and at last all of
	// them; Every is the number of steps in between, 0 a round. The first of the images is image number first. An error of Look ends
	// the sampling.
	Look  func(first, step int, x []float32) error
	Every int
	// Progress, if not nil, is told now and then how many of the steps of all chains together are made.
	Progress func(done, total int64)
}

// Batch is a number of images drawn from a model.
type Batch struct {
	First  int     // the number of the first one
	Pixels []uint8 // N,H,W,C
	Labels []int32 // of a conditional model
	// Acceptance is the share of the sampler's proposals that were accepted; 1 for samplers without proposals.
	Acceptance float64
}

// ChainSteps is the number of steps that each chain will make.
func (m *Model) ChainSteps(s Sampling) int { return m.generation(s).Steps }

func (m *Model) generation(s Sampling) mcmc.Generation {
	g := m.Config.NewGeneration()
	if s.Steps > 0 {
		g = g.WithSteps(s.Steps)
	}
	g.Seed, g.Threads, g.Every = s.Seed, s.Threads, s.Every
	if s.Look == nil && s.Progress != nil {
		g.Every = max(1, g.Steps/100)
	}
	return g
}

// inTurn are the conditions of n images.
func (s *Sampling) inTurn(first, n int) (y []float32) {
	for i := first; i < first+n; i++ {
		for _, v := range s.Conditions[i%len(s.Conditions)] {
			y = append(y, float32(v))
		}
	}
	return y
}

// Sample draws images, N,H,W,C.
func (m *Model) Sample(ctx context.Context, e engine.Engine, s Sampling) ([]uint8, error) {
	var pixels []uint8
	for batch, err := range m.Samples(ctx, e, s) {
		if err != nil {
			return nil, err
		}
		pixels = append(pixels, batch.Pixels...)
	}
	return pixels, nil
}

// SampleSet draws images as a data set named "samples", with the labels that they were drawn for, to be compared with others.
func (m *Model) SampleSet(ctx context.Context, e engine.Engine, s Sampling) (*dataset.Set, error) {
	size := m.Config.ImageSize()
	set := &dataset.Set{Name: "samples", Height: size.Height, Width: size.Width, Channels: size.Channels, Classes: m.Classes}
	for batch, err := range m.Samples(ctx, e, s) {
		if err != nil {
			return nil, err
		}
		set.Pixels, set.Labels = append(set.Pixels, batch.Pixels...), append(set.Labels, batch.Labels...)
	}
	return set, nil
}

// Samples draws images and yields them as chains end, s.Together at a time. An error ends them.
func (m *Model) Samples(ctx context.Context, e engine.Engine, s Sampling) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		if err := m.sample(ctx, e, s, func(b Batch) bool { return yield(b, nil) }); err != nil {
			yield(Batch{}, err)
		}
	}
}

// sample gives batches to use as long as that wants more.
func (m *Model) sample(ctx context.Context, e engine.Engine, s Sampling, use func(Batch) bool) error {
	for _, label := range s.Labels {
		if label < 0 || int(label) >= m.Labels() {
			return fmt.Errorf("model: no label %d in a model of %d classes", label, m.Labels())
		}
		if err := m.isLearnt(label); err != nil {
			return fmt.Errorf("model: %w", err)
		}
	}
	if len(s.Labels) == 0 {
		s.Labels = m.Learnt()
	}
	if m.Energy.Classes > 0 && len(s.Labels) == 0 {
		return errors.New("model: nothing was learnt of any of its classes: there is nothing to draw")
	}
	for _, y := range s.Conditions {
		if len(y) != m.Energy.Classes {
			return fmt.Errorf("model: a condition of %d numbers, but the model's label has length %d", len(y), m.Energy.Classes)
		}
	}
	alternatives, err := m.alternatives()
	if err != nil {
		return err
	}
	chain := s.Chain
	switch {
	case len(alternatives) > 1:
		chain, err = m.choosingChain(e, alternatives)
	case chain == nil:
		chain, err = m.NewChain(e)
	default:
		err = chain.Bind(m.Params)
	}
	if err != nil {
		return err
	}
	g, size, turns := m.generation(s), m.Energy.Image.Size(), max(1, len(s.Labels))
	if len(s.Conditions) > 0 {
		turns = len(s.Conditions)
	}
	if s.Together <= 0 {
		s.Together = 256 // some for every core there may be; not so many a core, as the hosts of a group have as many cores as they like
	}
	for first, n := 0, 0; first < s.Images; first += n {
		n = min(s.Images-first, s.Together)
		batch := Batch{First: first}
		for i := first; m.Energy.Classes > 0 && i < first+n; i++ {
			batch.Labels = append(batch.Labels, s.Labels[i%len(s.Labels)])
		}
		x := make([]float32, n*size)
		g.Noise.FillNoise(x, m.Energy.Image, g.Seed, uint64(first))
		g.FirstChain, g.Inputs = uint64(first), map[string][]float32{"label": m.Conditions(batch.Labels)}
		if len(s.Conditions) > 0 {
			batch.Labels, g.Inputs["label"] = nil, s.inTurn(first, n)
		}
		if len(alternatives) > 1 {
			g.Inputs[energy.ChosenInput] = chosen(alternatives, turns, first, n)
		}
		look := func(step int) error {
			if s.Progress != nil {
				made := int64(first)*int64(g.Steps) + int64(n)*int64(step)
				s.Progress(made, int64(s.Images)*int64(g.Steps))
			}
			if s.Look == nil {
				return nil
			}
			return s.Look(first, step, x)
		}
		if batch.Acceptance, err = chain.Generate(ctx, x, g, look); err != nil {
			return err
		}
		if batch.Pixels = picture.Quantise(x); !use(batch) {
			return nil
		}
	}
	return nil
}
