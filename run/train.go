package run

// This file is the training loop: a batch of data, an update of the weights, and from time to time something to keep.

import (
	"context"
	"errors"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/internal/machine"
	"github.com/joule-ebm/joule/internal/metrics"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/mcmc"
)

// The purposes of random streams, beside those of the training step.
const (
	streamPicture = iota + 101
	streamOutliers
	streamLook
)

// train makes iterations until a limit is reached, or ctx is done: then it is interrupted.
func (r *runner) train(ctx context.Context) (interrupted bool, err error) {
	t, c := r.trainer, &r.config
	clock := newClock(c.Limits, r.options.Spent)
	if clock.done(t.Iteration) {
		r.options.Log.Info("the run has made all its iterations; --iterations or --for make it go on", "iteration", t.Iteration)
	}
	signals := ctx
	ctx = r.options.uninterrupted(ctx)
	for {
		now, err := r.agree(signals, clock)
		if err != nil || now.stop() {
			return now.interrupted, err
		}
		t.Schedule = cooling(c.Optimiser.Cooldown, now.left)
		started, processor := time.Now(), machine.ProcessorTime()
		images, labels := r.training.Batch(c.Seed, uint64(t.Iteration), c.Optimiser.Batch)
		m, err := t.Step(ctx, images, labels)
		switch {
		case errors.Is(err, cd.ErrDiverged):
			if err := r.recover(err); err != nil {
				return false, err
			}
			continue
		case err != nil && ctx.Err() != nil:
			return true, nil
		case err != nil:
			return false, err
		}
		// From here on the iteration is written down whole, interrupted or not.
		measured, err := r.measure(context.WithoutCancel(ctx))
		if err != nil {
			return false, err
		}
		measured = append(measured, metrics.Field{Name: secondsName, Value: time.Since(started).Seconds()},
			metrics.Field{Name: processorName, Value: (machine.ProcessorTime() - processor).Seconds()})
		if err := r.log.add(&m, measured...); err != nil {
			return false, err
		}
		if due(t.Iteration, c.Output.Samples) {
			if err := r.drawBuffer(); err != nil {
				return false, err
			}
		}
		if due(t.Iteration, c.Output.Checkpoint) {
			r.recovery.passed(t.Iteration)
			if err := r.saveCheckpoint(); err != nil {
				return false, err
			}
		}
		if on := r.accelerator(); on != "" && !clock.ticked() {
			r.options.Log.Info("made the first iteration", "seconds", time.Since(r.begun).Round(time.Second/10).Seconds(), "on", on)
		}
		if p := clock.tick(m); r.options.Progress != nil {
			r.options.Progress(p)
		}
	}
}

// due says whether something that happens every so many iterations happens after this one; 0 is never.
func due(iteration, every int64) bool { return every > 0 && iteration%every == 0 }

// measure is what is measured after an iteration beside the training step's own numbers.
func (r *runner) measure(ctx context.Context) ([]metrics.Field, error) {
	fields := []metrics.Field{{Name: attemptName, Value: float64(r.trainer.Attempt)},
		{Name: bitsName, Value: float64(engine.Precision(r.config.Sampler.Precision).Bits())}}
	if due(r.trainer.Iteration, r.config.Output.HeldOut) {
		m, err := r.trained()
		if err != nil {
			return nil, err
		}
		energies, err := r.energies(ctx, m, r.heldOut.Pixels)
		if err != nil {
			return nil, err
		}
		mean, spread := stat.PopMeanStdDev(energies, nil)
		fields = append(fields, metrics.Field{Name: heldOutEnergyName, Value: mean}, metrics.Field{Name: heldOutSpreadName, Value: spread})
	}
	if due(r.trainer.Iteration, r.config.Output.Noise) {
		seen, err := r.lookAtNoise(ctx)
		if err != nil {
			return nil, err
		}
		fields = append(fields, seen...)
	}
	return fields, nil
}

// drawBuffer makes a picture of images in the replay buffer: where chains ended.
func (r *runner) drawBuffer() error {
	if !r.options.writes() {
		return nil
	}
	t := r.trainer
	images, labels := r.blank(r.config.Output.Pictures)
	s := rng.New(r.config.Seed, streamPicture, uint64(t.Iteration))
	if err := t.Buffer.Draw(images, labels, mcmc.Start{}, r.options.Threads, &s); err != nil {
		return err
	}
	return r.log.picture(samplesName(t.Iteration), t.Iteration, picture.Quantise(images), r.config.ImageSize())
}

// blank is memory for n images and, in a conditional model, their labels.
func (r *runner) blank(n int) (images []float32, labels []int32) {
	if r.energy.Classes > 0 {
		labels = make([]int32, n)
	}
	return make([]float32, n*r.energy.Image.Size()), labels
}

// clock says how far a run is and how fast it goes.
type clock struct {
	iterations int64 // the limit; 0: none
	times      []timer
	started    time.Time
	last       time.Time
	seconds    float64 // of an iteration, lately
}

// timer is a limited time.
type timer struct {
	limit  time.Duration
	before time.Duration // used when the clock started
	used   func() time.Duration
}

func newClock(l Limits, spent Spent) *clock {
	started, processor := time.Now(), machine.ProcessorTime()
	c := &clock{iterations: l.Iterations, started: started, last: started}
	for _, t := range []timer{
		{l.For, spent.Time, func() time.Duration { return spent.Time + time.Since(started) }},
		{l.Processor, spent.Processor, func() time.Duration { return spent.Processor + machine.ProcessorTime() - processor }},
	} {
		if t.limit > 0 {
			c.times = append(c.times, t)
		}
	}
	return c
}

func (c *clock) done(iteration int64) bool {
	return c.iterations > 0 && iteration >= c.iterations ||
		slices.ContainsFunc(c.times, func(t timer) bool { return t.used() >= t.limit })
}

// left is the share of the run that is to come, by the limit that is nearer; 1 without limits.
func (c *clock) left(iteration int64) float64 {
	left := 1.0
	if n := c.iterations; n > 0 {
		left = min(left, float64(n-iteration)/float64(n))
	}
	for _, t := range c.times {
		left = min(left, 1-t.used().Seconds()/t.limit.Seconds())
	}
	return max(0, left)
}

// cooling is the factor of the learning rate where it falls to 0 over the last part of a run, of which so much is left:
//
//	min(1, left/cooldown)
//
// What the weights learnt at the full rate swings about; the fall averages it out. Source: the "cooldown" of Zhai, Kolesnikov, Houlsby and
// Beyer, "Scaling Vision Transformers" (2022). A run that goes on to a later end goes on at the full rate, until that end is near.
func cooling(cooldown, left float64) float64 {
	if cooldown == 0 {
		return 1
	}
	return min(1, left/cooldown)
}

// ticked says whether an iteration has ended.
func (c *clock) ticked() bool { return c.seconds != 0 }

// tick ends an iteration.
func (c *clock) tick(m cd.Metrics) Progress {
	const memory = 0.9 // of the moving average of the time an iteration takes
	now := time.Now()
	seconds := now.Sub(c.last).Seconds()
	if c.last = now; c.seconds == 0 {
		c.seconds = seconds
	}
	c.seconds = memory*c.seconds + (1-memory)*seconds
	p := Progress{Iteration: m.Iteration, Iterations: c.iterations, Rate: 1 / c.seconds, Metrics: m}
	limit := func(fraction, left float64) {
		if d := time.Duration(left * float64(time.Second)); p.Fraction == 0 || d < p.Left {
			p.Fraction, p.Left = min(1, fraction), max(0, d)
		}
	}
	if n := c.iterations; n > 0 {
		limit(float64(m.Iteration)/float64(n), float64(n-m.Iteration)*c.seconds)
	}
	for _, t := range c.times {
		used := t.used()
		left := (t.limit - used).Seconds()
		if now := used - t.before; now > 0 { // processor time passes faster on many cores, and slower on those that others use too
			left *= time.Since(c.started).Seconds() / now.Seconds()
		}
		limit(used.Seconds()/t.limit.Seconds(), left)
	}
	return p
}
