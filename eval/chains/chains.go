// Package chains looks at the Markov chains of a model after the fact: do they mix and agree, do their ends repeat the training images,
// which classes do they show, and has the model memorised what it was trained on?
//
//	training, heldOut, err := m.Config.OpenData(ctx)
//	r, err := chains.Examine(ctx, &cpu.Engine{}, m, training, heldOut, chains.Defaults())
//	fmt.Println(r.Agree(), r.Copying.Found(), r.Memory.Found())
//
// Short-run chains with little noise, as in this method, go downhill and stay: expect few effective draws and a large R̂ of them. What
// these say is how far a sampler is from one that is exact.
//
// The measures can be had by themselves too: [NewTrace] (effective sample size and R̂ of any numbers), [Nearest] (nearest neighbours
// among images), [Compare] (a test by ranks) and [Cover] (classes).
package chains

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"gonum.org/v1/gonum/stat"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/shipped"
	"github.com/joule-ebm/joule/eval/quality"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/model"
)

// Options say how to look at chains; start from [Defaults].
type Options struct {
	Samples    int    // to draw, and chains to record; 2 or more
	Steps      int    // of the chains that draw samples; 0: all rounds that the model's configuration names
	Draws      int    // recorded states of each chain; 8 or more
	Every      int    // steps between them; 0: half of the K of training. With a noise schedule they are always K
	Images     int    // most images of training, and most held out, whose energies are compared; 2 or more
	Neighbours int    // nearest training images to find of each sample; 1 or more
	Seed       uint64 // of all random numbers
	Threads    int    // that search and augment; 0: all cores. The engine has its own
	Progress   eval.Progress
}

// Defaults are the options of joule eval chains.
func Defaults() Options {
	return Options{Samples: 64, Draws: 100, Images: 1000, Neighbours: 4, Seed: 1}
}

func (o *Options) check(training *dataset.Set) error {
	switch {
	case o.Samples < 2 || o.Draws < leastDraws || o.Images < 2 || o.Neighbours < 1 || min(o.Steps, o.Every) < 0:
		return fmt.Errorf("chains: %d samples, %d draws, %d images, %d neighbours, %d steps, draws every %d: want at least 2, %d, 2, 1, 0 and 0",
			o.Samples, o.Draws, o.Images, o.Neighbours, o.Steps, o.Every, leastDraws)
	case o.Neighbours > training.Len():
		return fmt.Errorf("chains: %d neighbours, but there are %d images of training", o.Neighbours, training.Len())
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	return nil
}

// Report is what chains look like.
type Report struct {
	Samples int `json:"samples"`
	Steps   int `json:"steps"` // of the chains of samples
	Draws   int `json:"draws"` // of each recorded chain
	Every   int `json:"every"` // steps
	Recording
	// ImageDistance is the mean distance of two images held out: a scale for Displacement.
	ImageDistance float64  `json:"image_distance"`
	Copying       Copying  `json:"copying"`
	Memory        Memory   `json:"memory"`
	Classes       *Classes `json:"classes,omitempty"` // nil unless the images are digits

	samples, training, heldOut *dataset.Set
	heldOutNeighbours          [][]Neighbour
}

// Copying compares the distances of samples to their nearest training images with those of images held out.
type Copying struct {
	Samples      float64 `json:"samples"`  // median distance to the nearest training image
	HeldOut      float64 `json:"held_out"` // likewise
	SamplesAbove Ranks   `json:"samples_above"`
	// Neighbours are those of each sample among the images of training, in the order of the data without those held out.
	Neighbours [][]Neighbour `json:"neighbours"`
}

// level is the probability of an error of the first kind below which a difference counts.
const level = 0.01

// Found says whether samples are nearer to training images than images held out are, significantly: a sign of copying.
func (c Copying) Found() bool { return c.SamplesAbove.P < level && c.SamplesAbove.Z < 0 }

// Memory compares the energies of images that the model was trained on with those of images held out.
type Memory struct {
	Training     float64 `json:"training"` // mean energy
	HeldOut      float64 `json:"held_out"`
	HeldOutAbove Ranks   `json:"held_out_above"`
}

// Found says whether training images have lower energies, significantly: the model has memorised something of them.
func (m Memory) Found() bool { return m.HeldOutAbove.P < level && m.HeldOutAbove.Z > 0 }

// Classes are those that samples show, by the classifier that comes with Joule for such images.
type Classes struct {
	Names []string `json:"names"` // of the data's; may be nil
	quality.Classes
}

// Agree says whether the chains agree: R̂ is 1.05 at most in every trace (Gelman and others ask for 1.1, Stan's authors now for 1.01).
// Chains that never move agree only where all are in one place.
func (r *Report) Agree() bool {
	for _, t := range r.Traces {
		if t.RHat > 1.05 || t.RHat == 0 && t.Std > 0 {
			return false
		}
	}
	return true
}

// Examine draws samples from a model as [model.Model.Sample] does. Then as many chains, half from samples and half from images held
// out of training, go on with the sampler of the training and are recorded; the samples are compared with the images. Numbers do
// not depend on threads.
func Examine(ctx context.Context, e engine.Engine, m *model.Model, training, heldOut *dataset.Set, o Options) (*Report, error) {
	if err := o.check(training); err != nil {
		return nil, err
	}
	switch {
	case heldOut.Len() == 0:
		return nil, errors.New("chains: no images are held out of training")
	case len(m.Numbers) > 0: // what they are of an image held out is not among what chains are asked for
		return nil, errors.New("chains: the model is conditional on numbers or attributes: fix them, as joule compose --expr a:x=0.2,y=0.7 a=RUN does, and look at that model")
	case len(heldOut.Classes) != m.Labels() && m.Labels() > 0:
		return nil, fmt.Errorf("chains: the images held out are of %d classes, the model of %d: take images labelled as those of training", len(heldOut.Classes), m.Labels())
	}
	x := &examination{ctx: ctx, engine: e, model: m, options: o, Report: &Report{training: training, heldOut: heldOut}}
	for _, part := range []func() error{x.sample, x.record, x.copying, x.memory, x.classes} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	return x.Report, nil
}

// examination is a report in the making.
type examination struct {
	*Report
	ctx     context.Context
	engine  engine.Engine
	model   *model.Model
	options Options
}

// sample draws the samples.
func (x *examination) sample() (err error) {
	s := model.Sampling{Images: x.options.Samples, Steps: x.options.Steps, Seed: x.options.Seed, Threads: x.options.Threads}
	if x.options.Progress != nil {
		s.Progress = func(done, total int64) { x.options.Progress("sampling", "steps", done, total) }
	}
	x.Samples, x.Steps = s.Images, x.model.ChainSteps(s)
	x.samples, err = x.model.SampleSet(x.ctx, x.engine, s)
	return err
}

// record goes on with half of the samples and as many images held out: chains that start far apart and should end up alike.
func (x *examination) record() error {
	sampler, err := x.model.Config.NewSampler()
	if err != nil {
		return err
	}
	k := x.model.Config.Sampler.Steps
	switch x.Draws, x.Every = x.options.Draws, x.options.Every; {
	case sampler.Schedule("", k) != nil:
		x.Every = k // whole chains: the schedule is of one
	case x.Every == 0:
		x.Every = max(1, k/2)
	}
	var pixels []uint8
	var labels []int32
	for i := range x.Samples {
		from, at := x.samples, i
		if i%2 == 1 {
			from, at = x.heldOut, i%x.heldOut.Len()
		}
		if pixels = append(pixels, from.Image(at)...); x.samples.Labels != nil {
			labels = append(labels, from.Labels[at])
		}
	}
	r, err := newRecorder(x.engine, x.model)
	if err != nil {
		return err
	}
	o := mcmc.RunOptions{Inputs: map[string][]float32{"label": x.model.Conditions(labels)}, Seed: x.options.Seed,
		FirstStep: uint64(x.Steps)} // noise that the samples have not had
	add := x.options.Progress.Start("recording", "steps", int64(x.Samples)*int64(x.Draws)*int64(x.Every))
	x.Recording, err = r.record(x.ctx, dataset.Intensities(pixels), x.Draws, x.Every, o, add)
	x.ImageDistance = meanDistance(x.heldOut.Pixels, x.heldOut.Size().Len())
	return err
}

// copying looks for the samples among the images of training.
func (x *examination) copying() (err error) {
	size := x.heldOut.Size().Len()
	queries := min(x.heldOut.Len(), max(x.Samples, 200))
	add := x.options.Progress.Start("searching", "images", int64(x.Samples+queries))
	search := func(pixels []uint8) (n [][]Neighbour) {
		if err == nil {
			n, err = Nearest(x.ctx, pixels, x.training.InMemory().Pixels, size, x.options.Neighbours, x.options.Threads, func() { add(1) })
		}
		return n
	}
	x.Copying.Neighbours, x.heldOutNeighbours = search(x.samples.Pixels), search(x.heldOut.Pixels[:queries*size])
	if err != nil {
		return err
	}
	ours, theirs := nearestDistances(x.Copying.Neighbours), nearestDistances(x.heldOutNeighbours)
	x.Copying.Samples, x.Copying.HeldOut = median(ours), median(theirs)
	x.Copying.SamplesAbove, err = Compare(ours, theirs)
	return err
}

// memory compares energies of images that were trained on with those of images that were not.
func (x *examination) memory() error {
	meter, err := x.model.NewMeter(x.engine, false)
	if err != nil {
		return err
	}
	energies := func(set *dataset.Set) (e []float64) {
		if err == nil {
			e, err = meter.Energies(x.ctx, set.Draw(min(set.Len(), x.options.Images), x.options.Seed).Pixels, model.AnyLabel)
		}
		return e
	}
	training, heldOut := energies(x.training), energies(x.heldOut)
	if err != nil {
		return err
	}
	x.Memory.Training, x.Memory.HeldOut = stat.Mean(training, nil), stat.Mean(heldOut, nil)
	x.Memory.HeldOutAbove, err = Compare(heldOut, training)
	return err
}

// classes asks the classifier that comes with Joule, where there is one for such images.
func (x *examination) classes() error {
	classifier, err := shipped.For(x.engine, x.training)
	if err != nil || classifier == nil {
		return err
	}
	samples, err := features.Describe(x.ctx, classifier, x.samples, nil)
	if err != nil {
		return err
	}
	images, err := features.Describe(x.ctx, classifier, x.heldOut, nil)
	if err != nil {
		return err
	}
	c, err := quality.MeasureClasses(samples.Probabilities, images.Probabilities, classifier.Classes())
	x.Classes = &Classes{x.heldOut.Classes, c}
	return err
}
