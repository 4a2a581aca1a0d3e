// Package bench measures how fast this machine trains: the parts of one training iteration, each on its own, with random weights
// and images. The names and the meaning of the numbers are those of a benchmark of the same networks in PyTorch, so that the two
// can be put side by side:
//
//	langevin_step  one of the steps of a chain: noise, energy, its gradient with respect to the image, clamp
//	energy         energies of a batch, no gradient
//	kl             parameter gradient of L_opt + 0.3·L_ent, through the last Langevin step
//	cd             parameter gradient of L_cd + L_reg
//	update         gradient clip and Adam
//	iteration      a whole iteration of training, with replay buffer, augmentation and all terms
//
// Training computes all terms of the loss in one program, which is cheaper than two, and takes up new parameters (standardises
// and packs kernels) once per chain, not once per step. These two have numbers of their own, and with them, on a CPU,
//
//	iteration ≈ bind + steps·langevin_step + loss + update
//
// On an accelerator an iteration is one program, and may take less than its parts.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/device"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
	"github.com/joule-ebm/joule/internal/machine"
	"github.com/joule-ebm/joule/mcmc"
)

// Workload is what is measured.
type Workload struct {
	Preset    string           `json:"preset"`  // mnist, cifar10, celeba, or another network that energy.New knows
	Filters   int              `json:"filters"` // 1 or more
	Batch     int              `json:"batch"`
	Steps     int              `json:"steps"`     // of a chain
	Threads   int              `json:"threads"`   // 0: all cores
	Kernels   string           `json:"kernels"`   // of the CPU engine; empty: the best
	Device    string           `json:"device"`    // as package engine/device names it; empty: the CPU
	Devices   int              `json:"devices"`   // of an accelerator, that share each batch; 0: 1
	Precision engine.Precision `json:"precision"` // of the chain; empty: float32
	Lanes     int              `json:"lanes"`     // of sums over the batch; 0: cpu.DefaultLanes
	Repeats   int              `json:"repeats"`   // of each measurement, after two to warm up; the median counts
}

// Report is what was measured. Times are medians, in seconds.
type Report struct {
	Workload
	LangevinStep float64 `json:"langevin_step"`
	Energy       float64 `json:"energy"`
	KL           float64 `json:"kl"`
	CD           float64 `json:"cd"`
	Update       float64 `json:"update"`
	Bind         float64 `json:"bind"`       // what the first step with new parameters takes more
	FirstStep    float64 `json:"first_step"` // from an energy not yet compiled to the end of a first step
	Loss         float64 `json:"loss"`       // parameter gradient of the whole loss, as training computes it
	Iteration    float64 `json:"iteration"`
	PeakRSS      float64 `json:"peak_rss_mb,omitempty"` // MiB; absent where the system does not tell
	// GFLOPS is the rate of the chain in GFLOP/s, its convolutions and matrix products counted as direct ones; PeakGFLOPS that of
	// fused multiply-adds alone, measured on the same threads before and after; absent on accelerators, whose peak is not measured.
	GFLOPS       float64 `json:"gflops"`
	PeakGFLOPS   float64 `json:"peak_gflops,omitempty"`
	PeakFraction float64 `json:"peak_fraction,omitempty"`
	// On says what the accelerator is.
	On string `json:"on,omitempty"`
	// Unit is the machine's matrix unit, UnitPeak its rate of bf16 products alone in GFLOP/s, and UnitFraction the share of it that
	// the chain's products come to, if they run there: three for each of float32 if they are split. Absent where there is none.
	Unit         string  `json:"unit,omitempty"`
	UnitPeak     float64 `json:"unit_peak_gflops,omitempty"`
	UnitFraction float64 `json:"unit_fraction,omitempty"`
}

// settings are those of the measured training iteration, as the PyTorch benchmark has them: the paper's.
func settings() cd.Settings { return cd.PaperSettings() }

// terms are those of the paper's loss with the given names.
func terms(names ...string) []cd.Term {
	return slices.DeleteFunc(settings().Terms, func(t cd.Term) bool { return !slices.Contains(names, t.Name) })
}

// Presets lists the names that a workload may have.
func Presets() []string {
	var names []string
	for _, n := range energy.Networks() {
		names = append(names, presetOf(n.Name))
	}
	return names
}

// presetOf is what the PyTorch benchmark calls a network.
func presetOf(network string) string {
	if network == "celeba128" {
		return "celeba"
	}
	return network
}

// Parts is the number of parts that a measurement has.
const Parts = 9

// Measure takes a few to a few hundred seconds. It calls done, if not nil, after each of its parts.
func (b *Bench) Measure(ctx context.Context, done func(part string)) (Report, error) {
	r := &b.report
	for _, part := range [Parts]struct {
		name    string
		measure func(context.Context) error
	}{
		{"peak", b.peak},
		{"langevin_step", b.langevin},
		{"update", b.update}, // before the engine has taken the memory that the loss needs
		{"energy", b.energies},
		{"kl", b.kl},
		{"cd", func(ctx context.Context) error { return b.objective(ctx, terms("cd", "reg"), &r.CD) }},
		{"loss", func(ctx context.Context) error { return b.objective(ctx, settings().Terms, &r.Loss) }},
		{"iteration", b.iteration},
		{"peak", b.peak},
	} {
		if err := part.measure(ctx); err != nil {
			return Report{}, fmt.Errorf("bench: %s: %w", part.name, err)
		}
		if done != nil {
			done(part.name)
		}
	}
	if r.PeakGFLOPS > 0 {
		r.PeakFraction = r.GFLOPS / r.PeakGFLOPS
	}
	if products := map[engine.Precision]float64{engine.Split: 3, engine.BF16: 1}[r.Precision]; r.UnitPeak > 0 {
		r.UnitFraction = products * r.GFLOPS / r.UnitPeak
	}
	r.PeakRSS = float64(machine.PeakResident()) / (1 << 20)
	return *r, nil
}

// Bench is a workload ready to be measured.
type Bench struct {
	report  Report
	kernels *kernels.Set // of the CPU engine
	engine  engine.Engine
	chain   engine.Engine
	model   *energy.Energy
	specs   []energy.Spec
	// All parameters and room for the derivative with respect to each, and the same by name.
	values, slope    []float32
	params, gradient map[string][]float32
}

// New prepares a workload, or says what is wrong with it.
func New(w Workload) (*Bench, error) {
	for _, limit := range []struct {
		name           string
		value, lo, top int
	}{{"filters", w.Filters, 1, 1 << 12}, {"batch", w.Batch, 1, 1 << 16}, {"steps", w.Steps, 1, 1 << 20}, {"threads", w.Threads, 0, 1 << 10}, {"lanes", w.Lanes, 0, 1 << 16}, {"repeats", w.Repeats, 1, 1 << 20}} {
		if limit.value < limit.lo || limit.value > limit.top {
			return nil, fmt.Errorf("bench: %s %d: want %d to %d", limit.name, limit.value, limit.lo, limit.top)
		}
	}
	if w.Threads == 0 {
		w.Threads = runtime.GOMAXPROCS(0)
	}
	w.Lanes = cmp.Or(w.Lanes, cpu.DefaultLanes)
	if w.Kernels == "" {
		w.Kernels = kernels.Best().Name
	}
	set, err := kernels.ByName(w.Kernels)
	if err != nil {
		return nil, err
	}
	if err := w.Precision.Check(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	w.Precision = device.Resolve(w.Device, w.Precision)
	options := energy.Options{Filters: w.Filters}
	name := w.Preset
	for _, n := range energy.Networks() {
		if w.Preset == presetOf(n.Name) || w.Preset == n.Name {
			name, options.MultiScale, options.Attention = n.Name, n.MultiScale, n.Attention
		}
	}
	model, err := energy.New(name, options)
	if err != nil {
		return nil, err
	}
	params, err := model.Params()
	if err != nil {
		return nil, err
	}
	specs := params.Specs()
	b := &Bench{report: Report{Workload: w}, kernels: set, model: model, specs: specs}
	open := func(p engine.Precision) (engine.Engine, error) {
		return device.Open(w.Device, device.Options{Threads: w.Threads, Lanes: w.Lanes, Kernels: set, Devices: w.Devices, Precision: p})
	}
	if b.engine, err = open(engine.Float32); err != nil {
		return nil, err
	}
	if _, ok := b.engine.(*cpu.Engine); !ok {
		b.report.On = engine.Describe(b.engine)
	}
	b.values, b.slope = make([]float32, energy.Numbers(specs)), make([]float32, energy.Numbers(specs))
	b.params, b.gradient = energy.Named(specs, b.values), energy.Named(specs, b.slope)
	for name, values := range energy.InitialValues(specs, 1) {
		copy(b.params[name], values)
	}
	if b.chain = b.engine; w.Precision != engine.Float32 {
		if b.chain, err = open(w.Precision); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Layer is a kind of work in a step of the chain, on one thread.
type Layer struct {
	Kind    string  `json:"kind"`
	Share   float64 `json:"share"`   // of the step's time
	Seconds float64 `json:"seconds"` // of a step
	GFLOPS  float64 `json:"gflops"`  // rate, convolutions counted as direct ones
	GBps    float64 `json:"gb_per_s"`
	// Intensity is the direct floating-point operations for each byte of values that go in or out.
	Intensity float64 `json:"flops_per_byte"`
}

// Layers tells where the time of the chain's steps goes, most time first.
func (b *Bench) Layers(ctx context.Context) (Layers, error) {
	sums := map[string]*cpu.Work{}
	if b.report.On != "" {
		return nil, errors.New("bench: layers: the CPU engine tells where its time goes, accelerators do not")
	}
	e := &cpu.Engine{Threads: 1, Kernels: b.kernels, Precision: b.report.Precision, Profile: func(w cpu.Work) {
		if w.Kind == cpu.Packing || w.Kind == cpu.Prologue || w.Kind == cpu.Epilogue {
			return // that is no part of a step
		}
		if sums[w.Kind] == nil {
			sums[w.Kind] = &cpu.Work{}
		}
		s := sums[w.Kind]
		s.Seconds, s.Flops, s.Bytes = s.Seconds+w.Seconds, s.Flops+w.Flops, s.Bytes+w.Bytes
	}}
	chain, err := cd.NewChain(e, b.model, b.sampler())
	if err != nil {
		return nil, err
	}
	if err := chain.Bind(b.params); err != nil {
		return nil, err
	}
	x := b.images(b.report.Batch, 1)
	for _, steps := range []int{2, b.report.Repeats} { // the first to warm up
		clear(sums)
		if _, err := chain.Run(ctx, x, mcmc.RunOptions{Steps: steps}); err != nil {
			return nil, fmt.Errorf("bench: layers: %w", err)
		}
	}
	var layers []Layer
	total := 0.0
	for kind, w := range sums {
		total += w.Seconds
		layers = append(layers, Layer{kind, w.Seconds, w.Seconds / float64(b.report.Repeats), w.Flops / w.Seconds / 1e9, w.Bytes / w.Seconds / 1e9, w.Flops / w.Bytes})
	}
	for i := range layers {
		layers[i].Share /= total
	}
	slices.SortFunc(layers, func(a, b Layer) int { return cmp.Compare(b.Share, a.Share) })
	return layers, nil
}

// images are n random ones.
func (b *Bench) images(n int, seed uint64) []float32 {
	x := make([]float32, n*b.model.Image.Size())
	s := rng.New(seed)
	s.FillUniform(x)
	return x
}

// median runs do twice to warm up, then as often as the workload says, and gives the median of its times in seconds.
func (b *Bench) median(do func() error) (float64, error) {
	return b.medianOf(func() (float64, error) {
		start := time.Now()
		err := do()
		return time.Since(start).Seconds(), err
	})
}

func (b *Bench) medianOf(sample func() (float64, error)) (float64, error) {
	var times []float64
	for i := range 2 + b.report.Repeats {
		t, err := sample()
		if err != nil {
			return 0, err
		}
		if i >= 2 {
			times = append(times, t)
		}
	}
	return medianOf(times), nil
}

func medianOf(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// peak keeps the better of the two measurements: what the machine can do if left alone.
func (b *Bench) peak(ctx context.Context) error {
	r := &b.report
	if r.On != "" {
		return nil
	}
	r.PeakGFLOPS = max(r.PeakGFLOPS, kernels.PeakFMA(r.Threads, 300*time.Millisecond))
	if unit := matrix.Native(); unit != nil {
		r.Unit, r.UnitPeak = unit.Name, max(r.UnitPeak, unit.Peak(r.Threads, 300*time.Millisecond))
	}
	return ctx.Err()
}

func (b *Bench) sampler() mcmc.Sampler { return settings().Sampler }

// langevin measures chains of the workload's length, and, to see what taking up parameters costs, pairs of single steps of which the first
// does that.
func (b *Bench) langevin(ctx context.Context) error {
	r := &b.report
	begun := time.Now()
	chain, err := cd.NewChain(b.chain, b.model, b.sampler())
	if err != nil {
		return err
	}
	x, before := b.images(r.Batch, 1), b.images(r.Batch, 1)
	walk := func(steps int) error {
		_, err := chain.Run(ctx, x, mcmc.RunOptions{Steps: steps, GradientAt: before})
		return err
	}
	if err := chain.Bind(b.params); err != nil {
		return err
	}
	if err := walk(1); err != nil {
		return err
	}
	r.FirstStep = time.Since(begun).Seconds()
	r.Bind, err = b.medianOf(func() (float64, error) {
		start := time.Now()
		if err := chain.Bind(b.params); err != nil {
			return 0, err
		}
		if err := walk(1); err != nil {
			return 0, err
		}
		middle := time.Now()
		err := walk(1)
		return (middle.Sub(start) - time.Since(middle)).Seconds(), err
	})
	if err != nil {
		return err
	}
	r.Bind = max(0, r.Bind)
	if r.LangevinStep, err = b.median(func() error { return walk(r.Steps) }); err != nil {
		return err
	}
	r.LangevinStep /= float64(r.Steps)
	r.GFLOPS = chain.Flops() * float64(r.Batch) / r.LangevinStep / 1e9
	return nil
}

func (b *Bench) energies(ctx context.Context) error {
	of, err := b.model.Function()
	if err != nil {
		return err
	}
	program, err := b.engine.Compile(of(expr.Input("x", b.model.Image)))
	if err != nil {
		return err
	}
	if err := program.Bind(b.params); err != nil {
		return err
	}
	n := b.report.Batch
	call := engine.Call{Batch: n, Inputs: map[string][]float32{"x": b.images(n, 1)}, Outputs: [][]float32{make([]float32, n)}}
	b.report.Energy, err = b.median(func() error { return program.Run(ctx, call) })
	return err
}

// kl measures the KL terms alone, which training does not compute alone.
func (b *Bench) kl(ctx context.Context) error {
	params, err := b.model.Params()
	if err != nil {
		return err
	}
	batch := cd.NewBatch(b.model, params, b.sampler())
	var loss *expr.Value
	for _, t := range terms("opt", "ent") {
		weighted := expr.Affine(t.Loss(batch), t.Weight, 0)
		if loss == nil {
			loss = weighted
		} else {
			loss = expr.Add(loss, weighted)
		}
	}
	var outputs [][]float32
	for _, s := range b.specs {
		outputs = append(outputs, b.gradient[s.Name])
	}
	program, err := b.engine.Compile(expr.Grad(loss, batch.Parameters()...)...)
	if err != nil {
		return err
	}
	bound := maps.Clone(b.params)
	references := cd.PaperEntropy().References
	bound[batch.References(references).Attr().Name] = b.images(references, 2)
	n := b.report.Batch
	call := engine.Call{Batch: n, Inputs: map[string][]float32{"x_hat": b.images(n, 1)}, Outputs: outputs}
	b.report.KL, err = b.median(func() error {
		if err := program.Bind(bound); err != nil {
			return err
		}
		return program.Run(ctx, call)
	})
	return err
}

// objective measures the gradient of the loss with these terms.
func (b *Bench) objective(ctx context.Context, terms []cd.Term, seconds *float64) error {
	o, err := cd.NewObjective(b.engine, b.model, cd.ObjectiveOptions{Terms: terms, Sampler: b.sampler()})
	if err != nil {
		return err
	}
	n := b.report.Batch
	x := cd.Examples{Positive: b.images(n, 1), Negative: b.images(n, 2), GradientAt: b.images(n, 3),
		References: b.images(o.References(), 4)}
	*seconds, err = b.median(func() error {
		_, err := o.Evaluate(ctx, b.params, x, b.gradient)
		return err
	})
	return err
}

// iteration measures training as it is done.
func (b *Bench) iteration(ctx context.Context) error {
	t, err := b.trainer(b.engine, b.chain, b.report.Threads, b.report.Steps)
	if err != nil {
		return err
	}
	data := b.images(b.report.Batch, 1)
	b.report.Iteration, err = b.median(func() error {
		_, err := t.Step(ctx, data, nil)
		return err
	})
	return err
}

func (b *Bench) update(ctx context.Context) error {
	s := settings()
	adam := s.NewAdam()
	var err error
	b.report.Update, err = b.median(func() error {
		for i := range b.slope {
			b.slope[i] = 1e-3
		}
		cd.ClipNorm(b.slope, s.ClipNorm, b.report.Threads)
		adam.Update(b.values, b.slope, 0, b.report.Threads) // at this rate the weights stay as they are
		return ctx.Err()
	})
	return err
}
