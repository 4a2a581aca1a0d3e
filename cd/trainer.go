package cd

// This file is the training step.

import (
	"cmp"
	"context"
	"errors"
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
	AllSteps bool // differentiate the ends of chains through all K steps instead of the last

	BufferSize   int            // capacity of the replay buffer
	Restart      float64        // probability that a chain starts from noise
	Noise        *mcmc.Spectrum // what that noise has of images; nil: nothing
	Relabel      float64        // probability that a chain of a conditional energy starts from an image of another label
	Augmentation mcmc.Augmentation

	// Conditions are the labels of a conditional energy, one after the other, where a label is no class but numbers: label i, as data have
	// it, is the i-th. nil: classes, one-hot.
	Conditions []float32

	Terms []Term // of the loss

	LearningRate float64
	Beta1, Beta2 float64
	Epsilon      float64
	ClipNorm     float64
	Decay        float64 // of the average of the parameters

	// DiagnoseEvery is the number of iterations between measurements of the norms of each group of terms' own gradient; 0 means never.
	DiagnoseEvery int64
	// ChainEngine runs the chains; nil means the engine of the loss.
	ChainEngine engine.Engine
	// Warmup is the number of updates over which the learning rate rises to its value.
	Warmup int64
}

// NewAdam is the optimiser, before its first update.
func (s *Settings) NewAdam() Adam { return Adam{Beta1: s.Beta1, Beta2: s.Beta2, Epsilon: s.Epsilon} }

// checkTerms says which terms cannot work, or never count.
func (s *Settings) checkTerms() error {
	if err := checkTerms(s.Terms); err != nil {
		return err
	}
	for _, t := range s.Terms {
		if t.Weight != 0 && t.Buffer > s.BufferSize {
			return fmt.Errorf("cd: term %s waits for %d images in the replay buffer, which holds %d", t.Name, t.Buffer, s.BufferSize)
		}
	}
	if !slices.ContainsFunc(s.Terms, func(t Term) bool { return t.Weight != 0 && t.Buffer <= 0 }) {
		return errors.New("cd: all terms wait for images in the replay buffer, which training on one of them would put there")
	}
	return nil
}

// Trainer learns an energy. Its whole state is in its exported fields: a trainer given the same fields goes on exactly as this one. Where
// the engine keeps part of it on a device, Pull and Push move it.
type Trainer struct {
	Iteration  int64     // updates made
	Attempt    int64     // how often training was taken back; other attempts have other noise
	RateScale  float64   // factor of the learning rate
	Schedule   float64   // another, of the next iteration, for whoever lets the learning rate fall; 1 if it does not
	Parameters []float32 // θ, in the order of the specs
	Averaged   []float32 // their moving average: the model
	Adam       Adam
	Buffer     *mcmc.Buffer

	// BeforeUpdate, if there is one, is called before each update changes the state: whoever still reads that, such as a checkpoint that is
	// being written, has done so when it returns. Its error ends the step, with the state as it was; or, where a device has made the update
	// meanwhile, which these fields do not know of before Pull, with the iteration made.
	BeforeUpdate func() error

	model      *energy.Energy
	specs      []energy.Spec
	settings   Settings
	engine     engine.Engine
	chain      *mcmc.Chain
	objectives map[objectiveKey]*Objective
	counting   string // the names of the terms that counted in the last iteration
	prepared   string // those for which what comes next is prepared
	gradient   []float32
	groups     map[string][]float32 // gradients of the groups of terms, when diagnosing
	kept       *kept                // the state on a device; nil if it is on the host
}

type objectiveKey struct {
	terms string // the names of those that count
	apart bool   // whether their gradients are
}

// NewTrainer prepares training of a model from fresh parameters.
func NewTrainer(e engine.Engine, model *energy.Energy, s Settings) (*Trainer, error) {
	params, err := model.Params()
	if err != nil {
		return nil, err
	}
	if s.Conditions != nil && (model.Classes == 0 || len(s.Conditions) == 0 || len(s.Conditions)%model.Classes != 0) {
		return nil, fmt.Errorf("cd: %d numbers are no whole number of conditions for an energy whose label has length %d", len(s.Conditions), model.Classes)
	}
	if s.Steps < 1 || s.BufferSize < 1 {
		return nil, fmt.Errorf("cd: steps %d and buffer size %d must be at least 1", s.Steps, s.BufferSize)
	}
	if err := s.Noise.Check(model.Image); err != nil {
		return nil, fmt.Errorf("cd: %w", err)
	}
	if err := s.checkTerms(); err != nil {
		return nil, err
	}
	if _, err := NewBatch(model, params, s.Sampler).losses(s.Terms); err != nil { // also of those that count only later
		return nil, err
	}
	t := &Trainer{model: model, specs: params.Specs(), settings: s, engine: e, Adam: s.NewAdam(), RateScale: 1, Schedule: 1,
		objectives: map[objectiveKey]*Objective{}, groups: map[string][]float32{}}
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
	t.kept, err = newKept(e, s.ChainEngine, t.specs, s)
	return t, err
}

// Specs describes the parameters in their order.
func (t *Trainer) Specs() []energy.Spec { return t.specs }

// Named gives names to the parts of a flat vector of parameters. The slices share its memory.
func (t *Trainer) Named(flat []float32) map[string][]float32 { return energy.Named(t.specs, flat) }

// Metrics is what one iteration measured. Energies are means over the scales.
type Metrics struct {
	Iteration                  int64
	Loss                       float64
	Terms                      []Measurement // the value of each term, without its weight, in the order of the settings; 0 where it does not count
	EnergyPos, EnergyNeg       float64       // means over the batch
	DeviationPos, DeviationNeg float64       // standard deviations over the batch
	GradNorm                   float64       // before clipping
	Gradients                  []Measurement // the gradient's norm of each group of terms that counts; none where not measured
	Displacement               float64       // mean over chains of the root mean square displacement of a pixel
	Diversity                  float64       // mean over pixels of the standard deviation over the chains' ends
	DataDiversity              float64       // the same of the data
	Acceptance                 float64       // of the sampler's proposals
	BufferSize                 int
	BufferAge                  float64 // mean age of the replay buffer's images, in iterations
	LearningRate               float64
}

// Measurement is a number by the name of a term, or of a group of terms.
type Measurement struct {
	Name  string
	Value float64
}

// The purposes of random streams: each names its own.
const (
	streamStart = iota + 1
	streamReferences
	streamChain
	streamReservoir
	streamLabels
	streamRelabel
)

func (t *Trainer) stream(purpose uint64) rng.Stream {
	return rng.New(t.settings.Seed, purpose, uint64(t.Attempt), uint64(t.Iteration))
}

// Step makes one update from a batch of data, N,H,W,C in [0, 1], with labels, which one that is not conditional ignores. An error that wraps
// [ErrDiverged] says that the update was not made because the training has gone wrong; any error leaves the state as it was.
func (t *Trainer) Step(ctx context.Context, data []float32, labels []int32) (Metrics, error) {
	s, n := &t.settings, len(data)/t.model.Image.Size()
	m := Metrics{Iteration: t.Iteration + 1}
	if err := t.checkLabels(labels, n); err != nil {
		return Metrics{}, err
	}
	if err := t.push(); err != nil {
		return Metrics{}, err
	}

	// Chains start from the replay buffer, augmented, and now and then from noise.
	drawn := t.randomLabels(n)
	start, chainLabels := make([]float32, len(data)), slices.Clone(drawn)
	draw := t.stream(streamStart)
	if err := t.Buffer.Draw(start, chainLabels, mcmc.Start{Restart: float32(s.Restart), Noise: s.Noise, Augmentation: s.Augmentation}, s.Threads, &draw); err != nil {
		return Metrics{}, err
	}
	t.relabel(start, chainLabels, drawn, data)
	noise := rng.New(s.Seed, streamChain, uint64(t.Attempt))
	x := Examples{Positive: data, Start: start, LabelPos: t.conditions(labels), LabelNeg: t.conditions(chainLabels),
		Seed: noise.Uint64(), FirstChain: uint64(t.Iteration) * uint64(n)}

	// The loss and its gradient, at the ends x⁻ of the chains: K steps of the sampler, which are part of the loss if they are unrolled.
	objective, err := t.objective(n)
	if err != nil {
		return Metrics{}, err
	}
	if x.References, err = t.references(objective.References()); err != nil {
		return Metrics{}, err
	}
	m.DataDiversity = diversity(data, n)
	m.LearningRate = s.LearningRate * t.RateScale * t.Schedule * math.Min(1, float64(t.Iteration+1)/math.Max(1, float64(s.Warmup)))
	var ev Evaluation
	made := false // the update, where all of this is one program
	if whole := objective.whole; whole != nil {
		ev, made, err = whole.step(ctx, t, objective, &x, &m)
	} else {
		ev, err = t.evaluate(ctx, objective, &x, &m)
	}
	if err != nil {
		return Metrics{}, err
	}

	// Is this still a training that learns?
	t.measured(ev, &m)
	m.EnergyPos, m.DeviationPos = meanAndDeviation(ev.EnergyPos)
	m.EnergyNeg, m.DeviationNeg = meanAndDeviation(ev.EnergyNeg)
	m.Displacement = rootMeanSquareDisplacement(start, x.Negative)
	m.Diversity = diversity(x.Negative, n)
	switch unhealthy := m.Healthy(); {
	case objective.whole == nil && unhealthy != nil:
		return m, unhealthy
	case objective.whole != nil && !made: // what the device has found counts, where the two differ by rounding
		return m, cmp.Or(unhealthy, fmt.Errorf("%w: its numbers are at the limits", ErrDiverged))
	}

	// The update. The chains' ends go into the buffer.
	var refused error
	if t.BeforeUpdate != nil {
		if refused = t.BeforeUpdate(); refused != nil && !made {
			return m, refused
		}
	}
	if made {
		t.Adam.Updates++
	} else if err := t.update(ctx, m.GradNorm, m.LearningRate); err != nil {
		return Metrics{}, err
	}
	t.Iteration++
	reservoir := t.stream(streamReservoir)
	if err := t.Buffer.Add(x.Negative, chainLabels, t.Iteration, &reservoir); err != nil {
		return m, err
	}
	m.BufferSize, m.BufferAge = t.Buffer.Len(), t.Buffer.MeanAge(t.Iteration)
	t.ahead(n)
	return m, refused
}

// bindChain gives the chain the parameters.
func (t *Trainer) bindChain() error {
	if t.kept != nil {
		return t.chain.BindStore(t.kept.store, t.kept.places)
	}
	return t.chain.Bind(t.Named(t.Parameters))
}

// runChains takes the chains from their starts to x⁻.
func (t *Trainer) runChains(ctx context.Context, x *Examples) (acceptance float64, err error) {
	if err := t.bindChain(); err != nil {
		return 0, err
	}
	x.Negative, x.GradientAt = slices.Clone(x.Start), make([]float32, len(x.Start))
	return t.chain.Run(ctx, x.Negative, t.chainOptions(x))
}

func (t *Trainer) chainOptions(x *Examples) mcmc.RunOptions {
	return mcmc.RunOptions{Steps: t.settings.Steps, Inputs: map[string][]float32{"label": x.LabelNeg}, GradientAt: x.GradientAt, Seed: x.Seed,
		FirstChain: x.FirstChain}
}

// clip scales the gradient down if it is too long, and gives the norm it had. (On a device it is scaled in the update.)
func (t *Trainer) clip(ctx context.Context) (norm float64, err error) {
	if t.kept != nil {
		return t.kept.gradientNorm(ctx)
	}
	return ClipNorm(t.gradient, t.settings.ClipNorm, t.settings.Threads), nil
}

// update moves the parameters, and their average.
func (t *Trainer) update(ctx context.Context, norm, learningRate float64) error {
	s := &t.settings
	if t.kept != nil {
		err := t.kept.step(ctx, s, norm, learningRate, t.Adam.Updates+1)
		if err == nil {
			t.Adam.Updates++
		}
		return err
	}
	t.Adam.Update(t.Parameters, t.gradient, learningRate, s.Threads)
	Average(t.Averaged, t.Parameters, s.Decay, s.Threads)
	return nil
}

// references are n images of the buffer for the terms that look at some.
func (t *Trainer) references(n int) ([]float32, error) {
	if n == 0 {
		return nil, nil
	}
	images, labels := make([]float32, n*t.model.Image.Size()), make([]int32, t.labelCount(n))
	draw := t.stream(streamReferences)
	return images, t.Buffer.Draw(images, labels, mcmc.Start{Augmentation: t.settings.Augmentation}, t.settings.Threads, &draw)
}

// terms are those of the settings, without weight where a buffer of so many images does not hold enough yet.
func (t *Trainer) terms(images int) (terms []Term, names string) {
	terms = slices.Clone(t.settings.Terms)
	for i := range terms {
		if images < terms[i].Buffer {
			terms[i].Weight = 0
		}
		if terms[i].Weight != 0 {
			names += terms[i].Name + " "
		}
	}
	return terms, names
}

// diagnosing says whether the iteration after so many measures the gradient of each group of terms.
func (t *Trainer) diagnosing(iteration int64) bool {
	every := t.settings.DiagnoseEvery
	return every > 0 && iteration%every == 0
}

// objective is the loss of the terms that count now, for a batch of n images.
func (t *Trainer) objective(n int) (*Objective, error) {
	_, names := t.terms(t.Buffer.Len())
	if names != t.counting {
		// Those of before another term came to count, or of after where training was taken back to before it, are done with, and large.
		maps.DeleteFunc(t.objectives, func(k objectiveKey, _ *Objective) bool { return k.terms == t.counting })
		t.counting = names
	}
	return t.objectiveOf(t.Buffer.Len(), t.Iteration, n)
}

// ahead begins to compile what later iterations need, for batches of n images, on engines where that takes long: the loss of all terms that
// come to count, and the gradients of terms apart. What that is, and when, is known: each iteration adds n images to the buffer. An error is
// told by the iteration that it is needed for.
func (t *Trainer) ahead(n int) {
	if _, slow := t.chain.Program().(engine.Preparer); !slow || t.prepared == t.counting {
		return
	}
	t.prepared = t.counting
	waiting := 0
	for _, term := range t.settings.Terms {
		waiting = max(waiting, term.Buffer-t.Buffer.Len())
	}
	for i := range int64((waiting+n-1)/n) + max(t.settings.DiagnoseEvery, 1) {
		if _, err := t.objectiveOf(min(t.Buffer.Len()+int(i)*n, t.settings.BufferSize), t.Iteration+i, n); err != nil {
			return
		}
	}
}

// objectiveOf is the loss of the terms that count where the buffer has so many images, after so many iterations. A new one begins to compile,
// on engines where that takes long.
func (t *Trainer) objectiveOf(images int, iteration int64, n int) (*Objective, error) {
	terms, names := t.terms(images)
	key := objectiveKey{names, t.diagnosing(iteration)}
	if o := t.objectives[key]; o != nil {
		return o, nil
	}
	if t.kept != nil {
		for i := range terms {
			terms[i].First = 0 // an iteration is one program there
		}
	}
	options := ObjectiveOptions{Terms: terms, Sampler: t.settings.Sampler, PerGroup: key.apart}
	if t.settings.AllSteps {
		options.Unrolled = t.settings.Steps
	}
	o, err := NewObjective(t.engine, t.model, options)
	if err != nil {
		return nil, err
	}
	if !key.apart {
		if o.whole, err = t.newWhole(o); err != nil {
			return nil, err
		}
	}
	t.objectives[key] = o
	return o, t.prepare(o, key.apart, n)
}

// prepare begins to make ready what an objective's iterations run, for batches of n images.
func (t *Trainer) prepare(o *Objective, apart bool, n int) error {
	if o.whole != nil {
		return o.whole.prepare(t, o, n)
	}
	if _, slow := t.chain.Program().(engine.Preparer); slow && !o.Unrolled() {
		if err := t.bindChain(); err != nil {
			return err
		}
		t.chain.Prepare(n, t.chainOptions(&Examples{GradientAt: make([]float32, n*t.model.Image.Size())}))
	}
	return o.prepare(n, t.memory(o, apart))
}

// evaluate takes the chains to their ends, which it leaves in x, and computes the loss, its gradient and that gradient's norm before it is
// clipped.
func (t *Trainer) evaluate(ctx context.Context, o *Objective, x *Examples, m *Metrics) (ev Evaluation, err error) {
	if !o.Unrolled() {
		if m.Acceptance, err = t.runChains(ctx, x); err != nil {
			return ev, err
		}
	}
	if t.diagnosing(t.Iteration) {
		ev, err = t.evaluateApart(ctx, o, *x, m)
	} else {
		ev, err = o.evaluate(ctx, t.memory(o, false), *x)
	}
	if err != nil {
		return ev, err
	}
	if o.Unrolled() {
		x.Negative, m.Acceptance = ev.End, ev.Acceptance
	}
	m.GradNorm, err = t.clip(ctx)
	return ev, err
}

// measured takes the values of the terms, of which those that do not count are 0.
func (t *Trainer) measured(ev Evaluation, m *Metrics) {
	terms, _ := t.terms(t.Buffer.Len())
	present := ev.Terms
	for _, term := range terms {
		value := Measurement{Name: term.Name}
		if term.Weight != 0 {
			value.Value, present = present[0], present[1:]
		}
		m.Terms = append(m.Terms, value)
		m.Loss += term.Weight * value.Value
	}
}

// memory is where an objective finds the parameters and leaves its gradient, or those of its groups of terms, apart: these on the host.
func (t *Trainer) memory(o *Objective, apart bool) memory {
	switch {
	case !apart && t.kept != nil:
		return t.kept
	case !apart:
		return o.host(t.Named(t.Parameters), t.Named(t.gradient))
	}
	h := o.host(t.Named(t.Parameters))
	for _, g := range o.Groups() {
		if t.groups[g.Name] == nil {
			t.groups[g.Name] = make([]float32, len(t.gradient))
		}
		h.gradients = append(h.gradients, t.Named(t.groups[g.Name]))
	}
	return h
}

// evaluateApart computes the gradients of the groups of terms one after the other, measures them and adds them up.
func (t *Trainer) evaluateApart(ctx context.Context, o *Objective, x Examples, m *Metrics) (Evaluation, error) {
	if err := t.Pull(); err != nil {
		return Evaluation{}, err
	}
	ev, err := o.evaluate(ctx, t.memory(o, true), x)
	if err != nil {
		return Evaluation{}, err
	}
	clear(t.gradient)
	for _, g := range o.Groups() {
		m.Gradients = append(m.Gradients, Measurement{g.Name, Norm(t.groups[g.Name], t.settings.Threads)})
		for i, v := range t.groups[g.Name] {
			t.gradient[i] += float32(g.Weight) * v
		}
	}
	if t.kept != nil {
		return ev, t.kept.store.Write(keptGradient, t.gradient)
	}
	return ev, nil
}

func (t *Trainer) labelCount(n int) int {
	if t.model.Classes == 0 {
		return 0
	}
	return n
}

// randomLabels are those of chains that start from noise, or from an image of another label.
func (t *Trainer) randomLabels(n int) []int32 {
	labels := make([]int32, t.labelCount(n))
	s, kinds := t.stream(streamLabels), t.kinds()
	for i := range labels {
		labels[i] = int32(s.IntN(kinds))
	}
	return labels
}

// relabel gives some of the chains the label drawn for them, whatever they start from; half of these start from images of the data instead,
// one for each chain there is. So the energy under a label learns where images of other labels are to go, which chains from noise, and those
// that go on under the label they had, do not teach it: sums of energies take chains to such places.
func (t *Trainer) relabel(start []float32, labels, drawn []int32, data []float32) {
	if t.settings.Relabel == 0 {
		return
	}
	lot, size := t.stream(streamRelabel), t.model.Image.Size()
	for i := range labels {
		u := float64(lot.Float32())
		if u < t.settings.Relabel {
			labels[i] = drawn[i]
		}
		if u < t.settings.Relabel/2 {
			copy(start[i*size:][:size], data[i*size:])
		}
	}
}

// kinds is how many labels there are: classes, or conditions; 0 of an energy that takes none.
func (t *Trainer) kinds() int {
	if t.settings.Conditions != nil {
		return len(t.settings.Conditions) / t.model.Classes
	}
	return t.model.Classes
}

// checkLabels is an error unless a conditional energy has a label that it knows for each of n images.
func (t *Trainer) checkLabels(labels []int32, n int) error {
	kinds := t.kinds()
	if kinds == 0 {
		return nil
	}
	if len(labels) != n {
		return fmt.Errorf("cd: %d labels for %d images", len(labels), n)
	}
	for _, l := range labels {
		if l < 0 || int(l) >= kinds {
			return fmt.Errorf("cd: label %d, of 0 to %d", l, kinds-1)
		}
	}
	return nil
}

// conditions are labels as the energy takes them.
func (t *Trainer) conditions(labels []int32) []float32 {
	if t.settings.Conditions == nil {
		return OneHot(labels, t.model.Classes)
	}
	y := make([]float32, 0, len(labels)*t.model.Classes)
	for _, label := range labels {
		y = append(y, t.settings.Conditions[int(label)*t.model.Classes:][:t.model.Classes]...)
	}
	return y
}
