package bench

// This file says what an iteration would take on other numbers of cores than this machine has. It measures the pieces of one on one core,
// and puts them together as the engine would share them out:
//
//	iteration(n) = chain(n) + loss(n) + (update + draw)/n + host
//	chain(n)     = prologue + packing/n + steps·⌈tiles/n⌉·step of a tile
//	loss(n)      = prologue + packing/n + ⌈lanes/n⌉·tiles of a lane·tile of the loss + epilogue
//
// A chain's tiles are made for n workers, so that they grow smaller, and an image in a small tile costs more: the sizes that occur are all
// measured. What the model leaves out is that cores share memory and caches, and heat; it tells how much memory the chain's tiles would
// read, if packed kernels stay in no cache, so that this can be held against a machine's bandwidth. Iterations of two steps that
// are measured on the cores that are here check the rest.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/machine"
	"github.com/joule-ebm/joule/mcmc"
)

// scaledCores are the numbers of cores to predict for.
var scaledCores = []int{1, 2, 4, 8, 16, 32, 64, 128}

// Scaling is what was measured and what follows from it.
type Scaling struct {
	Workload
	Pieces  Pieces       `json:"pieces"`
	Cores   []Prediction `json:"cores"`
	Checked []Check      `json:"checked"`
}

// Pieces are the parts of an iteration, in seconds on one core.
type Pieces struct {
	Step     map[int]float64 `json:"step"` // a chain's step of a tile, by the images in it
	Chain    TakingUp        `json:"chain"`
	Loss     TakingUp        `json:"loss"`
	LossTile float64         `json:"loss_tile"` // with its part in clearing and adding lanes
	Epilogue float64         `json:"epilogue"`
	Update   float64         `json:"update"`         // clip, Adam and average
	Draw     float64         `json:"draw"`           // from the buffer, with augmentation
	Host     float64         `json:"host"`           // what else there is: buffer, labels, measurements
	Weights  float64         `json:"bytes_per_tile"` // that a step reads of what does not depend on images, for each tile
	LossPlan cpu.Layout      `json:"loss_plan"`      // how the loss is shared out
	chain    engine.Program  // to ask how it would share out a batch
}

// TakingUp is what new parameters cost a program.
type TakingUp struct {
	Packing  float64 `json:"packing"`  // which all cores share
	Prologue float64 `json:"prologue"` // which they do not
}

// Prediction is an iteration on so many cores.
type Prediction struct {
	Cores      int     `json:"cores"`
	Seconds    float64 `json:"seconds"`
	Efficiency float64 `json:"efficiency"` // one core's time over that of all of them
	Images     int     `json:"images"`     // of a tile of the chain
	GBps       float64 `json:"gb_per_s"`   // of packed kernels that the chain's tiles read
	Limit      string  `json:"limit"`      // what takes most of the time that is lost
	Lost       float64 `json:"lost"`       // the share of the iteration that this is
}

// Check is an iteration of Steps steps as it was predicted and measured.
type Check struct {
	Threads   int     `json:"threads"`
	Steps     int     `json:"steps"`
	Predicted float64 `json:"predicted"`
	Measured  float64 `json:"measured"`
}

// parts are the terms of the model: the time of each on n cores.
type part struct {
	name string
	on   func(n int) float64
}

func (p *Pieces) parts(batch, steps int) []part {
	constant := func(seconds float64) func(int) float64 { return func(int) float64 { return seconds } }
	return []part{
		{"tiles of the chain", func(n int) float64 {
			l := cpu.LayoutOf(p.chain, n, batch)
			return float64(steps*ceilDiv(l.Tiles, n)) * p.Step[l.Images]
		}},
		{"lanes of the loss", func(n int) float64 {
			return float64(ceilDiv(p.LossPlan.Lanes, n)*ceilDiv(p.LossPlan.Tiles, p.LossPlan.Lanes)) * p.LossTile
		}},
		{"packing", func(n int) float64 { return (p.Chain.Packing + p.Loss.Packing) / float64(n) }},
		{"prologue", constant(p.Chain.Prologue + p.Loss.Prologue)},
		{"epilogue", constant(p.Epilogue)},
		{"update", func(n int) float64 { return p.Update / float64(n) }},
		{"draw", func(n int) float64 { return p.Draw / float64(n) }},
		{"host", constant(p.Host)},
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// seconds is an iteration of so many steps on n cores.
func (p *Pieces) seconds(batch, steps, n int) (sum float64) {
	for _, part := range p.parts(batch, steps) {
		sum += part.on(n)
	}
	return sum
}

func (p *Pieces) predict(batch, steps, n int) Prediction {
	r := Prediction{Cores: n, Seconds: p.seconds(batch, steps, n)}
	r.Efficiency = p.seconds(batch, steps, 1) / float64(n) / r.Seconds
	for _, part := range p.parts(batch, steps) {
		if lost := (part.on(n) - part.on(1)/float64(n)) / r.Seconds; lost > r.Lost {
			r.Limit, r.Lost = part.name, lost
		}
	}
	l := cpu.LayoutOf(p.chain, n, batch)
	r.Images = l.Images
	r.GBps = p.Weights * float64(steps*l.Tiles) / p.parts(batch, steps)[0].on(n) / 1e9
	return r
}

// ScalingParts is the number of parts that Scale measures.
const ScalingParts = 5

// Scale measures the pieces and predicts. It calls done, if not nil, after each of its parts.
func (b *Bench) Scale(ctx context.Context, done func(part string)) (Scaling, error) {
	s := Scaling{Workload: b.report.Workload}
	if b.report.On != "" {
		return s, errors.New("bench: scaling: it is about the cores of CPUs")
	}
	p := &s.Pieces
	for _, part := range [ScalingParts]struct {
		name    string
		measure func(context.Context, *Pieces) error
	}{
		{"chain", b.scaleChain},
		{"loss", b.scaleLoss},
		{"update", b.scaleUpdate},
		{"host", b.scaleHost},
		{"check", func(ctx context.Context, p *Pieces) (err error) {
			s.Checked, err = b.check(ctx, p)
			return err
		}},
	} {
		if err := part.measure(ctx, p); err != nil {
			return s, fmt.Errorf("bench: scaling: %s: %w", part.name, err)
		}
		if done != nil {
			done(part.name)
		}
	}
	for _, n := range scaledCores {
		s.Cores = append(s.Cores, p.predict(s.Batch, s.Steps, n))
	}
	return s, nil
}

// fastest is the least that do takes, of as many times as the workload says, after one to warm up, on one core: what it takes if nothing
// disturbs. Time is that of the processor, so that other programs disturb little.
func (b *Bench) fastest(do func() error) (float64, error) {
	least := math.Inf(1)
	for i := range 1 + b.report.Repeats {
		start := machine.ProcessorTime()
		if err := do(); err != nil {
			return 0, err
		}
		if took := (machine.ProcessorTime() - start).Seconds(); i > 0 {
			least = min(least, took)
		}
	}
	return least, nil
}

// recording is an engine of one thread that remembers its programs, and how long their work takes.
type recording struct {
	*cpu.Engine
	programs []engine.Program
	last     time.Duration      // when the last piece of work was done
	seconds  map[string]float64 // by the kind of work, of the processor
	bytes    float64            // of work on images
}

// begin forgets what was recorded.
func (r *recording) begin() {
	clear(r.seconds)
	r.bytes, r.last = 0, machine.ProcessorTime()
}

func (b *Bench) record() *recording {
	r := &recording{seconds: map[string]float64{}}
	r.Engine = &cpu.Engine{Threads: 1, Kernels: b.kernels, Lanes: b.report.Lanes, Precision: b.report.Precision, Profile: func(w cpu.Work) {
		now := machine.ProcessorTime()
		r.seconds[w.Kind] += (now - r.last).Seconds()
		r.last = now
		if w.Bytes > 0 && w.Kind != cpu.Packing && w.Kind != cpu.Prologue {
			r.bytes += w.Bytes
		}
	}}
	return r
}

// scaleChain measures steps of tiles of each size that occurs, and what taking up parameters costs.
func (b *Bench) scaleChain(ctx context.Context, p *Pieces) error {
	e := b.record()
	chain, err := cd.NewChain(e, b.model, b.sampler())
	if err != nil {
		return err
	}
	p.chain = e.programs[0]
	var bytes []float64
	p.Step = map[int]float64{}
	sizes := []int{1, 2} // to tell what a tile reads from what an image does
	for _, n := range scaledCores {
		sizes = append(sizes, cpu.LayoutOf(p.chain, n, b.report.Batch).Images)
	}
	const steps = 2
	for i, images := range sizes {
		if p.Step[images] > 0 {
			continue
		}
		if err := chain.Bind(b.params); err != nil {
			return err
		}
		x := b.images(images, 1)
		e.begin()
		seconds, err := b.fastest(func() error {
			_, err := chain.Run(ctx, x, mcmc.RunOptions{Steps: steps})
			return err
		})
		if err != nil {
			return err
		}
		p.Step[images] = seconds / steps
		if i < 2 {
			bytes = append(bytes, e.bytes/float64(steps*(1+b.report.Repeats)))
		}
	}
	p.Weights = max(0, 2*bytes[0]-bytes[1])
	p.Chain, err = b.takingUp(e, func() error {
		if err := chain.Bind(b.params); err != nil {
			return err
		}
		_, err := chain.Run(ctx, b.images(1, 1), mcmc.RunOptions{Steps: 1})
		return err
	})
	return err
}

// Compile implements engine.Engine.
func (r *recording) Compile(outputs ...*expr.Value) (engine.Program, error) {
	p, err := r.Engine.Compile(outputs...)
	r.programs = append(r.programs, p)
	return p, err
}

// takingUp is what the runs of do, each with new parameters, report of taking these up.
func (b *Bench) takingUp(e *recording, do func() error) (TakingUp, error) {
	var packing, prologue []float64
	for i := range 1 + b.report.Repeats {
		e.begin()
		if err := do(); err != nil {
			return TakingUp{}, err
		}
		if i > 0 {
			packing, prologue = append(packing, e.seconds[cpu.Packing]), append(prologue, e.seconds[cpu.Prologue])
		}
	}
	return TakingUp{medianOf(packing), medianOf(prologue)}, nil
}

// scaleLoss measures the loss of the whole batch.
func (b *Bench) scaleLoss(ctx context.Context, p *Pieces) error {
	e := b.record()
	e.Precision = engine.Float32
	o, err := cd.NewObjective(e, b.model, cd.ObjectiveOptions{Terms: settings().Terms, Sampler: b.sampler()})
	if err != nil {
		return err
	}
	n := b.report.Batch
	p.LossPlan = cpu.LayoutOf(e.programs[0], 1, n)
	x := cd.Examples{Positive: b.images(n, 1), Negative: b.images(n, 2), GradientAt: b.images(n, 3), References: b.images(o.References(), 4)}
	var epilogues []float64
	least := math.Inf(1)
	p.Loss, err = b.takingUp(e, func() error {
		start := machine.ProcessorTime()
		_, err := o.Evaluate(ctx, b.params, x, b.gradient)
		seconds := (machine.ProcessorTime() - start).Seconds()
		least = min(least, seconds-e.seconds[cpu.Packing]-e.seconds[cpu.Prologue]-e.seconds[cpu.Epilogue])
		epilogues = append(epilogues, e.seconds[cpu.Epilogue])
		return err
	})
	p.LossTile, p.Epilogue = least/float64(p.LossPlan.Tiles), medianOf(epilogues)
	return err
}

// scaleUpdate measures clip, Adam and average on one core.
func (b *Bench) scaleUpdate(ctx context.Context, p *Pieces) (err error) {
	s := settings()
	adam, average := s.NewAdam(), slices.Clone(b.values)
	p.Update, err = b.fastest(func() error {
		for i := range b.slope {
			b.slope[i] = 1e-3
		}
		cd.ClipNorm(b.slope, s.ClipNorm, 1)
		adam.Update(b.values, b.slope, 0, 1)
		cd.Average(average, b.values, s.Decay, 1)
		return ctx.Err()
	})
	return err
}

// idle is an engine that computes nothing.
type idle struct{}

func (idle) Compile(...*expr.Value) (engine.Program, error) { return idle{}, nil }
func (idle) Bind(map[string][]float32) error                { return nil }
func (idle) Run(context.Context, engine.Call) error         { return nil }
func (idle) Flops() float64                                 { return 0 }

// scaleHost measures what is left of an iteration if the engine takes no time.
func (b *Bench) scaleHost(ctx context.Context, p *Pieces) error {
	t, err := b.trainer(idle{}, idle{}, 1, 1)
	if err != nil {
		return err
	}
	data := b.images(b.report.Batch, 1)
	seconds, err := b.fastest(func() error {
		_, err := t.Step(ctx, data, nil)
		return err
	})
	if err != nil {
		return err
	}
	s := rng.New(1)
	p.Draw, err = b.fastest(func() error { return t.Buffer.Draw(data, nil, mcmc.Start{Augmentation: b.augmentation()}, 1, &s) })
	p.Host = max(0, seconds-p.Update-p.Draw)
	return err
}

func (b *Bench) augmentation() mcmc.Augmentation {
	if b.model.Image[2] == 1 {
		return mcmc.NoAugmentation
	}
	return mcmc.AugmentCIFAR10
}

// trainer has a buffer that holds a few batches.
func (b *Bench) trainer(e, chain engine.Engine, threads, steps int) (*cd.Trainer, error) {
	s := settings()
	s.ChainEngine, s.BufferSize = chain, 16*b.report.Batch
	s.Threads, s.Steps, s.Augmentation = threads, steps, b.augmentation()
	s.Terms = terms("cd", "reg", "opt", "ent")
	for i := range s.Terms {
		s.Terms[i].Buffer = 0 // all terms from the beginning
	}
	return cd.NewTrainer(e, b.model, s)
}

// check measures short iterations on one core and on all of them.
func (b *Bench) check(ctx context.Context, p *Pieces) (checks []Check, err error) {
	const steps = 2
	data := b.images(b.report.Batch, 1)
	for _, threads := range []int{1, runtime.GOMAXPROCS(0)} {
		if len(checks) > 0 && checks[0].Threads == threads {
			continue
		}
		e := &cpu.Engine{Threads: threads, Lanes: b.report.Lanes, Kernels: b.kernels, Precision: b.report.Precision}
		t, err := b.trainer(e, e, threads, steps)
		if err != nil {
			return nil, err
		}
		least := math.Inf(1)
		for i := range 1 + min(b.report.Repeats, 3) {
			start, processor := time.Now(), machine.ProcessorTime()
			if _, err := t.Step(ctx, data, nil); err != nil {
				return nil, err
			}
			took := time.Since(start)
			if threads == 1 { // the same on a machine that is left alone
				took = machine.ProcessorTime() - processor
			}
			if i > 0 {
				least = min(least, took.Seconds())
			}
		}
		checks = append(checks, Check{threads, steps, p.seconds(b.report.Batch, steps, threads), least})
	}
	return checks, nil
}
