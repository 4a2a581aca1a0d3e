package likelihood

// This file puts the parts together: a pilot, chains up, chains down, and what they say of images.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/internal/plot"
	"github.com/joule-ebm/joule/model"
)

// Start says where chains down start.
type Start string

const (
	FromChains Start = "chains" // ends of chains up, resampled by weight and moved on
	FromData   Start = "data"   // the images: exact if the model were true to them, else an indication
)

// Options say how to measure; start from [Defaults].
type Options struct {
	Temperature float64 // T, from [Coldest] to [Hottest]
	Rungs       int     // temperatures between the uniform distribution and the model; more bring the two estimates closer
	Chains      int     // each way; 2 or more
	Leapfrogs   int     // of a transition; 1 or more
	BurnIn      int     // transitions at T before chains go down, if they start from chains
	From        Start
	Label       int // the class of a conditional model to measure, with the images of that class; an unconditional model has none
	Seed        uint64
	Progress    eval.Progress
}

// Limits of the temperature: below the coldest, energies in float32 do not resolve E/T.
const (
	Coldest = 1e-6
	Hottest = 1e6
)

// Defaults are the options of joule eval likelihood.
func Defaults() Options {
	return Options{Temperature: 1, Rungs: 500, Chains: 64, Leapfrogs: 3, BurnIn: 100, From: FromChains, Seed: 1}
}

func (o *Options) check() error {
	switch {
	case !(o.Temperature >= Coldest && o.Temperature <= Hottest):
		return fmt.Errorf("likelihood: temperature %v: want %v to %v", o.Temperature, Coldest, Hottest)
	case o.BurnIn < 0:
		return fmt.Errorf("likelihood: a burn-in of %d transitions: want 0 or more", o.BurnIn)
	case o.From != FromChains && o.From != FromData:
		return fmt.Errorf("likelihood: chains down start from %q: want %s or %s", o.From, FromChains, FromData)
	}
	return nil // the parts check the rest
}

// transitions is the number of transitions of single chains that a measurement makes.
func (o *Options) transitions() int64 {
	each := PilotTransitions + 2*o.Rungs
	if o.From == FromChains {
		each += o.BurnIn
	}
	return int64(o.Chains) * int64(each)
}

// Report is what a measurement has found.
type Report struct {
	In          string  `json:"in"` // name of the images
	Images      int     `json:"images"`
	Dimensions  int     `json:"dimensions"`
	Label       string  `json:"label,omitempty"` // of a conditional model
	Temperature float64 `json:"temperature"`
	Rungs       int     `json:"rungs"`
	From        Start   `json:"from"`
	Seed        uint64  `json:"seed"`
	Seconds     float64 `json:"seconds"` // that it took

	Up         Estimate `json:"from_below"`
	Down       Estimate `json:"from_above"`
	MeanEnergy float64  `json:"mean_energy"` // of the images
	Likelihood
	// Best is the temperature, not below the model's own, at which the energy describes the images best, with its likelihood by the
	// estimate from below (and so somewhat flattered). It is 0 if no temperature does better than the uniform distribution.
	Best AtTemperature `json:"best"`
	// Path is the likelihood at the temperatures that chains up pass, likewise.
	Path []AtTemperature `json:"path"`
}

// AtTemperature is the likelihood of images at a temperature.
type AtTemperature struct {
	Temperature   float64 `json:"temperature"`
	LogLikelihood float64 `json:"log_likelihood"`
	Bits          float64 `json:"bits_per_dimension"`
}

// Measure brackets log Z of a model and measures the likelihood of 8-bit images under it, dequantised by the seed.
func Measure(ctx context.Context, e engine.Engine, m *model.Model, images *dataset.Set, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if len(m.Numbers) > 0 { // which differ from image to image
		return nil, errors.New("likelihood: the model is conditional on numbers or attributes: fix them, as joule compose --expr a:x=0.2,y=0.7 a=RUN does, and measure that model")
	}
	r := &Report{In: images.Name, Dimensions: m.Energy.Image.Size(), Temperature: o.Temperature, Rungs: o.Rungs, From: o.From, Seed: o.Seed}
	if classes := len(m.Classes); classes > 0 {
		if o.Label < 0 || o.Label >= classes {
			return nil, fmt.Errorf("likelihood: no label %d in a model of %d classes", o.Label, classes)
		}
		r.Label = m.Classes[o.Label]
		classes := images.Classes
		if len(classes) == 0 {
			return nil, fmt.Errorf("%s: the images have no classes: take some that have, of which those of %s are measured", images.Name, r.Label)
		}
		if images = images.OfClass(images.Class(r.Label)); images.Len() == 0 {
			return nil, fmt.Errorf("%s: no images of class %s, but of %q: take others", images.Name, r.Label, classes[:min(len(classes), 20)])
		}
	}
	if r.Images = images.Len(); r.Images < 2 {
		return nil, fmt.Errorf("%s: %d images are too few: want 2 or more", images.Name, r.Images)
	}
	a, err := annealerOf(e, m, o)
	if err != nil {
		return nil, err
	}
	a.Progress = o.Progress.Start("annealing", "transitions", o.transitions())
	begun := time.Now()
	err = r.measure(ctx, a, images.Pixels, o)
	r.Seconds = time.Since(begun).Seconds()
	return r, err
}

// annealerOf moves chains between the uniform distribution and a model, or the class of a conditional one.
func annealerOf(e engine.Engine, m *model.Model, o Options) (*Annealer, error) {
	of, err := m.Energy.Function()
	if err != nil {
		return nil, err
	}
	a, err := NewAnnealer(e, of, m.Energy.Image, o.Leapfrogs)
	if err != nil {
		return nil, err
	}
	if m.Energy.Classes > 0 {
		a.Inputs = map[string][]float32{"label": m.Conditions([]int32{int32(o.Label)})}
	}
	return a, a.Bind(m.Params)
}

// LogZ brackets log Z of an unconditional model at the temperature T, for which it takes no images.
func LogZ(ctx context.Context, e engine.Engine, m *model.Model, o Options) (up, down Estimate, err error) {
	if err := o.check(); err != nil {
		return up, down, err
	}
	if m.Energy.Classes > 0 || o.From != FromChains {
		return up, down, errors.New("likelihood: log Z without images is that of an unconditional model, by chains that start from chains")
	}
	a, err := annealerOf(e, m, o)
	if err != nil {
		return up, down, err
	}
	a.Progress = o.Progress.Start("annealing", "transitions", o.transitions())
	forward, back, err := a.bracket(ctx, nil, o)
	if err != nil {
		return up, down, err
	}
	return forward.Up(o.Seed), back.Down(o.Seed), nil
}

// bracket takes chains up and then down, from the images x (N,H,W,C, in [0, 1]) if they are to start from data.
func (a *Annealer) bracket(ctx context.Context, x []float32, o Options) (up, down Run, err error) {
	ladder, err := a.Pilot(ctx, 1/o.Temperature, o.Rungs, o.Chains, o.Seed)
	if err != nil {
		return up, down, err
	}
	if up, err = a.Forward(ctx, ladder, o.Chains, o.Seed); err != nil {
		return up, down, err
	}
	var starts []float32
	if size := o.Chains * a.image.Size(); o.From == FromData {
		for len(starts) < size {
			starts = append(starts, x[:min(len(x), size-len(starts))]...)
		}
	} else if starts, err = a.Starts(ctx, ladder, up, o.BurnIn, o.Seed); err != nil {
		return up, down, err
	}
	down, err = a.Reverse(ctx, ladder, starts, o.Seed)
	return up, down, err
}

func (r *Report) measure(ctx context.Context, a *Annealer, pixels []uint8, o Options) error {
	d := a.image.Size()
	images := make([]float32, len(pixels))
	s := rng.New(o.Seed, streamDequantise)
	dataset.Dequantise(images, pixels, &s)
	energies, err := a.Energies(ctx, images)
	if err != nil {
		return err
	}
	up, down, err := a.bracket(ctx, images, o)
	if err != nil {
		return err
	}
	r.Up, r.Down, r.MeanEnergy = up.Up(o.Seed), down.Down(o.Seed), stat.Mean(energies, nil)
	for _, point := range up.Path {
		l := -point.Beta*r.MeanEnergy - point.LogZ
		at := AtTemperature{1 / point.Beta, l, Bits(l, d)}
		if l > r.Best.LogLikelihood {
			r.Best = at
		}
		r.Path = append(r.Path, at)
	}
	if r.Best.Temperature == 0 {
		r.Best.Bits = Bits(0, d)
	}
	r.Likelihood, err = Of(energies, d, 1/o.Temperature, r.Up, r.Down)
	return err
}

// Warnings say what makes the figures doubtful, a sentence each.
func (r *Report) Warnings() (w []string) {
	spread, effective := max(r.Up.Spread, r.Down.Spread), min(r.Up.Effective, r.Down.Effective)
	if spread > 3 || effective < 5 || r.Up.LogZ > r.Down.High {
		w = append(w, fmt.Sprintf("The estimates do not hold well together (log weights vary by %.1f between chains, which are worth %.1f): take more rungs or chains.",
			spread, effective))
	}
	if r.From == FromData {
		w = append(w, "The estimate from above starts from images, not from samples of the model: an indication, no bound.")
	} else {
		w = append(w, "The estimate from above starts from what chains have found: modes that none has found are missing from both.")
	}
	if min(r.Bits, r.Best.Bits) < 0 {
		w = append(w, "No distribution of 8-bit images has fewer than 0 bits: log Z is underestimated, the chains have missed where the images are.")
	}
	return w
}

// Curve draws the likelihood at the temperatures that chains up pass, as PNG.
func (r *Report) Curve(w io.Writer) error {
	bits := plot.Series{Name: r.In}
	for _, p := range slices.Backward(r.Path) {
		bits.X = append(bits.X, math.Log10(p.Temperature))
		bits.Y = append(bits.Y, p.Bits)
	}
	return plot.Curves(w, "Likelihood by temperature", "log10 of the temperature", "bits per dimension (uniform: 8)", bits)
}
