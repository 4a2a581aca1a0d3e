// Package explain shows where in an image the energy is high, and what the energy would rather see there.
//
//	x, err := explain.New(&cpu.Engine{}, m)
//	explanations, err := x.Explain(ctx, pixels, model.AnyLabel)
//	picture, err := explanations[0].Picture()
//
// [Folder] draws explanations of many images into files.
package explain

// This file computes both. The heat at a pixel p says how much a small change of the image there would change the energy: it is the root
// mean square of the gradient around it,
//
//	heat(p)² = Σ_q w(p - q) |∂E/∂x(q)|²,
//
// |·| taken over the channels and w a Gaussian of standard deviation 1/16 of the shorter side. For an energy of several scales there is
// one more map for each scale, of its own gradient. What the energy would rather see is where noise-free descent takes the image in
// as many steps as a chain of training has:
//
//	x ← clamp(x - λ ∂E/∂x, 0, 1),     λ and the number of steps those of training.

import (
	"context"
	"math"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/model"
)

// Explanation is what makes an image's energy high.
type Explanation struct {
	Size   dataset.Size
	Pixels []uint8 // the image, H,W,C

	// Heat[0] is the heat of the whole energy at each pixel, H,W, per unit of intensity; those of each scale follow where there are
	// several, in the energy's order.
	Heat [][]float64

	Preferred []uint8 // what the energy would rather see, H,W,C

	// Typical is the heat of calibration images, at the median: the root mean square of the gradient over an image's pixels. It is 0 if
	// the model is not calibrated.
	Typical float64
}

// An Explainer explains images. It is for one goroutine at a time.
type Explainer struct {
	model *model.Model
	meter *model.Meter
	chain *mcmc.Chain
	steps int // of a descent

	typical float64
}

// New compiles a model for explanations. Their descent has the step size and the number of steps of a chain of training.
func New(e engine.Engine, m *model.Model) (*Explainer, error) {
	sampler, err := m.Config.NewSampler()
	if err != nil {
		return nil, err
	}
	meter, err := m.NewMeter(e, true)
	if err != nil {
		return nil, err
	}
	chain, err := cd.NewChain(e, m.Energy, mcmc.Langevin{StepSize: sampler.Drift()})
	if err != nil {
		return nil, err
	}
	x := &Explainer{model: m, meter: meter, chain: chain, steps: m.Config.Sampler.Steps}
	if c, err := detect.CalibrationOf(m); err == nil { // without one, an image's own heat is the measure
		x.typical = c.MedianNorm() / math.Sqrt(float64(m.Energy.Image[0]*m.Energy.Image[1]))
	}
	return x, chain.Bind(m.Params)
}

// Explain explains each image in pixels (N,H,W,C), given the label: a class, or [model.AnyLabel]. An image of a conditional model
// without a label is explained by the mixture of the classes, and goes down the energy of the class where its own is lowest.
func (x *Explainer) Explain(ctx context.Context, pixels []uint8, label int) ([]Explanation, error) {
	gradients, err := x.meter.Gradients(ctx, pixels, label)
	if err != nil {
		return nil, err
	}
	preferred, err := x.descend(ctx, pixels, label)
	if err != nil {
		return nil, err
	}
	size := x.model.Energy.Image.Size()
	explanations := make([]Explanation, len(pixels)/size)
	for i := range explanations {
		one := func(g []float32) []float32 { return g[i*size:][:size] }
		whole := make([]float32, size)
		for _, g := range gradients {
			for p, v := range one(g) {
				whole[p] += v
			}
		}
		heat := [][]float64{x.heat(whole)}
		for _, g := range gradients {
			if len(gradients) > 1 {
				heat = append(heat, x.heat(one(g)))
			}
		}
		explanations[i] = Explanation{x.size(), pixels[i*size:][:size], heat, preferred[i*size:][:size], x.typical}
	}
	return explanations, nil
}

func (x *Explainer) size() dataset.Size {
	image := x.model.Energy.Image
	return dataset.Size{Height: image[0], Width: image[1], Channels: image[2]}
}

// descend takes the images down the energy.
func (x *Explainer) descend(ctx context.Context, pixels []uint8, label int) ([]uint8, error) {
	images := make([]float32, len(pixels))
	for i, u := range pixels {
		images[i] = (float32(u) + 0.5) / 256
	}
	labels, err := x.labels(ctx, pixels, label)
	if err != nil {
		return nil, err
	}
	o := mcmc.RunOptions{Steps: x.steps, Inputs: map[string][]float32{"label": x.model.Conditions(labels)}}
	if _, err := x.chain.Run(ctx, images, o); err != nil {
		return nil, err
	}
	return picture.Quantise(images), nil
}

// labels are the classes of the images: the one given, or of each image the one under which its energy is lowest.
func (x *Explainer) labels(ctx context.Context, pixels []uint8, label int) ([]int32, error) {
	labels := make([]int32, len(pixels)/x.model.Energy.Image.Size())
	if label != model.AnyLabel {
		for i := range labels {
			labels[i] = int32(label)
		}
		return labels, nil
	}
	lowest := make([]float64, len(labels))
	for y := range x.model.Labels() {
		measured, err := x.meter.Measure(ctx, pixels, y)
		if err != nil {
			return nil, err
		}
		for i, m := range measured {
			if y == 0 || m.Energy < lowest[i] {
				labels[i], lowest[i] = int32(y), m.Energy
			}
		}
	}
	return labels, nil
}

// heat smooths the squares of a gradient, H,W,C.
func (x *Explainer) heat(gradient []float32) []float64 {
	h, w, c := x.model.Energy.Image[0], x.model.Energy.Image[1], x.model.Energy.Image[2]
	squares := make([]float64, h*w)
	for p, g := range gradient {
		squares[p/c] += float64(g) * float64(g)
	}
	smooth(squares, h, w, float64(min(h, w))/16)
	for p, v := range squares {
		squares[p] = math.Sqrt(v)
	}
	return squares
}

// smooth convolves values (H,W, in place) with a Gaussian of standard deviation sigma, along rows and along columns. Near the border
// the weights that lie within are scaled to add up to 1.
func smooth(values []float64, h, w int, sigma float64) {
	radius := int(math.Ceil(3 * sigma))
	kernel := make([]float64, 2*radius+1)
	for k := range kernel {
		d := float64(k-radius) / sigma
		kernel[k] = math.Exp(-d * d / 2)
	}
	line := func(first, n, stride int) {
		smoothed := make([]float64, n)
		for i := range smoothed {
			var sum, weights float64
			for k, weight := range kernel {
				if at := i + k - radius; at >= 0 && at < n {
					sum += weight * values[first+at*stride]
					weights += weight
				}
			}
			smoothed[i] = sum / weights
		}
		for i, v := range smoothed {
			values[first+i*stride] = v
		}
	}
	for y := range h {
		line(y*w, w, 1)
	}
	for column := range w {
		line(column, h, w)
	}
}
