package cd

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/mcmc"
)

// Settings are the hyperparameters of training.
type Settings struct {
	Seed    uint64
	Threads int // for augmentation and the update; 0 means all cores

	Steps    int // K, the length of a chain
	Sampler  mcmc.Sampler
	AllSteps bool // differentiate the KL term through all K steps instead of the last

	BufferSize   int     // capacity of the replay buffer
	Restart      float64 // probability that a chain starts from noise
	Augmentation mcmc.Augmentation

	Weights      Weights
	Neighbour    int // k of the entropy term
	References   int // reference images of the entropy term
	EntropyAfter int // the entropy term needs more images in the buffer than this

	LearningRate float64
	Beta1, Beta2 float64
	Epsilon      float64
	ClipNorm     float64
	Decay        float64 // of the average of the parameters

	// DiagnoseEvery is the number of iterations between measurements of each term's own gradient norm; 0 means never.
	DiagnoseEvery int64
	// ChainEngine runs the chains; nil means the engine of the loss.
	ChainEngine engine.Engine
	// Warmup is the number of updates over which the learning rate rises to its value.
	Warmup int64
}

// Trainer learns an energy. Its whole state is in its exported fields: a trainer given the same fields goes on exactly as this one.
type Trainer struct {
	Iteration  int64     // updates made
	Attempt    int64     // how often training was taken back; other attempts have other noise
	RateScale  float64   // factor of the learning rate
	Parameters []float32 // θ, in the order of the specs
	Averaged   []float32 // their moving average: the model
	Adam       Adam
	Buffer     *mcmc.Buffer

	model      *energy.Energy
	specs      []energy.Spec
	settings   Settings
	engine     engine.Engine
	chain      *mcmc.Chain
	objectives map[objectiveKey]*Objective
	gradient   []float32
	parts      [3][]float32 // gradients of the groups of terms, when diagnosing
}

type objectiveKey struct{ entropy, perTerm bool }

// NewTrainer prepares training of a model from fresh parameters.
func NewTrainer(e engine.Engine, model *energy.Energy, s Settings) (*Trainer, error) {
	params, err := model.Params()
	if err != nil {
		return nil, err
	}
	if s.Steps < 1 || s.BufferSize < 1 || s.References < 1 {
		return nil, fmt.Errorf("cd: steps %d, buffer size %d and references %d must be at least 1", s.Steps, s.BufferSize, s.References)
	}
	t := &Trainer{model: model, specs: params.Specs(), settings: s, engine: e, RateScale: 1, objectives: map[objectiveKey]*Objective{}}
	t.Adam = Adam{Beta1: s.Beta1, Beta2: s.Beta2, Epsilon: s.Epsilon}
	size := energy.Numbers(t.specs)
	t.Parameters, t.Averaged, t.gradient = make([]float32, size), make([]float32, size), make([]float32, size)
	t.Adam.Mean, t.Adam.Square = make([]float32, size), make([]float32, size)
	initial, views := energy.InitialValues(t.specs, s.Seed), t.Named(t.Parameters)
	for name, values := range initial {
		copy(views[name], values)
	}
	copy(t.Averaged, t.Parameters)
	if t.Buffer, err = mcmc.NewBuffer(s.BufferSize, model.Image[0], model.Image[1], model.Image[2], model.Classes > 0); err != nil {
		return nil, err
	}
	if s.ChainEngine == nil {
		s.ChainEngine = e
	}
	if t.chain, err = NewChain(s.ChainEngine, model, s.Sampler); err != nil {
		return nil, err
	}
	return t, nil
}

// Specs describes the parameters in their order.
func (t *Trainer) Specs() []energy.Spec { return t.specs }

// Named gives names to the parts of a flat vector of parameters. The slices share its memory.
func (t *Trainer) Named(flat []float32) map[string][]float32 { return energy.Named(t.specs, flat) }

// Metrics is what one iteration measured. Energies are means over the scales.
type Metrics struct {
	Iteration            int64
	Loss                 float64
	Terms                [terms]float64 // by Term
	EnergyPos, EnergyNeg float64        // means over the batch
	SpreadPos, SpreadNeg float64        // standard deviations over the batch
	GradNorm             float64        // before clipping
	GradCD, GradOpt      float64        // norms of the gradients of L_cd + L_reg, L_opt
	GradEnt              float64        // and L_ent; these three are NaN where not measured
	Moved                float64        // mean over chains of the root mean square change of a pixel
	Diversity            float64        // mean over pixels of the standard deviation over the chains' ends
	DataDiversity        float64        // the same of the data
	Acceptance           float64        // of the sampler's proposals
	BufferSize           int
	BufferAge            float64 // mean age of the replay buffer's images, in iterations
	LearningRate         float64
}

// The purposes of random streams: each names its own.
const (
	streamStart = iota + 1
	streamReferences
	streamChain
	streamReservoir
	streamLabels
)

func (t *Trainer) stream(purpose uint64) rng.Stream {
	return rng.New(t.settings.Seed, purpose, uint64(t.Attempt), uint64(t.Iteration))
}

// Step makes one update from a batch of data, N,H,W,C in [0, 1], with labels in a conditional model. An error that wraps
// [ErrDiverged] says that the update was not made because the training has gone wrong; any error leaves the state as it was.
func (t *Trainer) Step(ctx context.Context, data []float32, labels []int32) (Metrics, error) {
	s, n := &t.settings, len(data)/t.model.Image.Size()
	seed := rng.New(s.Seed, streamChain, uint64(t.Attempt))
	noiseSeed, firstChain := seed.Uint64(), uint64(t.Iteration)*uint64(n)

	// Chains start from the replay buffer, augmented, and now and then from noise.
	start, startLabels := make([]float32, len(data)), t.randomLabels(n)
	draw := t.stream(streamStart)
	if err := t.Buffer.Draw(start, startLabels, float32(s.Restart), s.Augmentation, s.Threads, &draw); err != nil {
		return Metrics{}, err
	}
	x := Examples{Positive: data, Before: start, LabelPos: OneHot(labels, t.model.Classes), LabelNeg: OneHot(startLabels, t.model.Classes),
		Seed: noiseSeed, FirstChain: firstChain}
	key := objectiveKey{entropy: s.Weights.Entropy != 0 && t.Buffer.Len() > s.EntropyAfter,
		perTerm: s.DiagnoseEvery > 0 && t.Iteration%s.DiagnoseEvery == 0}
	m := Metrics{Iteration: t.Iteration + 1, GradCD: math.NaN(), GradOpt: math.NaN(), GradEnt: math.NaN()}
	// K steps of the sampler: x⁻, and x̂ before the last gradient step. An unrolled chain is part of the loss.
	unrolled := s.AllSteps && t.weights(key).kl()
	var err error
	if !unrolled {
		if m.Acceptance, err = t.walk(ctx, &x, start); err != nil {
			return Metrics{}, err
		}
	}
	// The loss and its gradient.
	if key.entropy {
		if x.References, err = t.references(); err != nil {
			return Metrics{}, err
		}
	}
	ev, err := t.evaluate(ctx, key, x, &m)
	if err != nil {
		return Metrics{}, err
	}
	negative := x.Negative
	if unrolled {
		negative, m.Acceptance = ev.DifferentiableEnd, ev.Acceptance
	}
	m.Terms = ev.Loss
	w := s.Weights
	m.Loss = ev.Loss[TermContrastive] + w.Magnitude*ev.Loss[TermMagnitude] + w.Optimisation*ev.Loss[TermOptimisation] + w.Entropy*ev.Loss[TermEntropy]
	m.EnergyPos, m.SpreadPos = meanAndSpread(ev.EnergyPos)
	m.EnergyNeg, m.SpreadNeg = meanAndSpread(ev.EnergyNeg)
	m.Moved = rootMeanSquareChange(start, negative)
	m.Diversity, m.DataDiversity = diversity(negative, n), diversity(data, n)
	m.LearningRate = s.LearningRate * t.RateScale * math.Min(1, float64(t.Iteration+1)/math.Max(1, float64(s.Warmup)))
	m.GradNorm = ClipNorm(t.gradient, s.ClipNorm, s.Threads)
	if err := m.Healthy(); err != nil {
		return m, err
	}

	// The update.
	t.Adam.Update(t.Parameters, t.gradient, m.LearningRate, s.Threads)
	Average(t.Averaged, t.Parameters, s.Decay, s.Threads)
	t.Iteration++
	reservoir := t.stream(streamReservoir)
	if err := t.Buffer.Add(negative, startLabels, t.Iteration, &reservoir); err != nil {
		return m, err
	}
	m.BufferSize, m.BufferAge = t.Buffer.Len(), t.Buffer.MeanAge(t.Iteration)
	return m, nil
}

// walk takes the chains from their starts to x⁻.
func (t *Trainer) walk(ctx context.Context, x *Examples, start []float32) (acceptance float64, err error) {
	if err := t.chain.Bind(t.Named(t.Parameters)); err != nil {
		return 0, err
	}
	x.Negative, x.Before = slices.Clone(start), make([]float32, len(start))
	return t.chain.Run(ctx, x.Negative, mcmc.RunOptions{Steps: t.settings.Steps, Inputs: map[string][]float32{"label": x.LabelNeg}, GradientAt: x.Before,
		Seed: x.Seed, FirstChain: x.FirstChain})
}

// references are images of the buffer for the entropy term.
func (t *Trainer) references() ([]float32, error) {
	s := &t.settings
	images, labels := make([]float32, s.References*t.model.Image.Size()), make([]int32, t.labelCount(s.References))
	draw := t.stream(streamReferences)
	return images, t.Buffer.Draw(images, labels, 0, s.Augmentation, s.Threads, &draw)
}

// evaluate computes the loss, with its gradient in t.gradient.
func (t *Trainer) evaluate(ctx context.Context, key objectiveKey, x Examples, m *Metrics) (Evaluation, error) {
	w := t.weights(key)
	o := t.objectives[key]
	if o == nil {
		options := ObjectiveOptions{Weights: w, Neighbour: t.settings.Neighbour, References: t.settings.References,
			Sampler: t.settings.Sampler, PerTerm: key.perTerm}
		if t.settings.AllSteps {
			options.Unrolled = t.settings.Steps
		}
		var err error
		if o, err = NewObjective(t.engine, t.model, options); err != nil {
			return Evaluation{}, err
		}
		// Those of before the entropy term, or of after where training was taken back to before it, are done with, and large.
		maps.DeleteFunc(t.objectives, func(k objectiveKey, _ *Objective) bool { return k.entropy != key.entropy })
		t.objectives[key] = o
	}
	if !key.perTerm {
		return o.Evaluate(ctx, t.Named(t.Parameters), x, t.Named(t.gradient))
	}
	coefficients, norms := [3]float64{1, w.Optimisation, w.Entropy}, [3]*float64{&m.GradCD, &m.GradOpt, &m.GradEnt}
	var groups []int
	var gradients []map[string][]float32
	for g, c := range coefficients {
		if c == 0 {
			continue
		}
		if t.parts[g] == nil {
			t.parts[g] = make([]float32, len(t.gradient))
		}
		groups, gradients = append(groups, g), append(gradients, t.Named(t.parts[g]))
	}
	ev, err := o.Evaluate(ctx, t.Named(t.Parameters), x, gradients...)
	if err != nil {
		return Evaluation{}, err
	}
	clear(t.gradient)
	for _, g := range groups {
		*norms[g] = Norm(t.parts[g], t.settings.Threads)
		for i, v := range t.parts[g] {
			t.gradient[i] += float32(coefficients[g]) * v
		}
	}
	return ev, nil
}

// weights are the coefficients of the terms that there are now.
func (t *Trainer) weights(key objectiveKey) Weights {
	w := t.settings.Weights
	if !key.entropy {
		w.Entropy = 0
	}
	return w
}

func (t *Trainer) labelCount(n int) int {
	if t.model.Classes == 0 {
		return 0
	}
	return n
}

// randomLabels are those of chains that start from noise.
func (t *Trainer) randomLabels(n int) []int32 {
	labels := make([]int32, t.labelCount(n))
	s := t.stream(streamLabels)
	for i := range labels {
		labels[i] = int32(s.IntN(t.model.Classes))
	}
	return labels
}
