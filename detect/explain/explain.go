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
//	x ← clamp(x - λ P ∂E/∂x, 0, 1),     λ, P (mcmc.Drift) and the number of steps those of training.

import (
	"context"
	"math"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/picture"
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
	model   *model.Model
	meter   *model.Meter
	descent *model.Descent
	typical float64

	mapper *scoremap.Mapper // instead of a meter, of a model of tiles
	scores *detect.Detector // that the map is of
}

// New compiles a model for explanations. Their descent has the step size and the number of steps of a chain of training.
func New(e engine.Engine, m *model.Model) (*Explainer, error) {
	x := &Explainer{model: m}
	var err error
	if x.descent, err = m.NewDescent(e); err != nil {
		return nil, err
	}
	if m.Config.Tiled() {
		if x.scores, err = detect.ForModel(m, ""); err != nil {
			return nil, err
		}
		x.mapper, err = scoremap.New(e, m, x.scores.Name)
		return x, err
	}
	if x.meter, err = m.NewMeter(e, true); err != nil {
		return nil, err
	}
	if c, err := detect.CalibrationOf(m); err == nil { // without one, an image's own heat is the measure
		x.typical = c.MedianNorm() / math.Sqrt(float64(m.Energy.Image[0]*m.Energy.Image[1]))
	}
	return x, nil
}

// Pictures explains each of the pictures, given the label as for Explain. Of a model of tiles they may have any size that holds a tile: their
// heat is the score map, as far as scores are higher than those of good pictures, and tiles go down the energy one by one.
func (x *Explainer) Pictures(ctx context.Context, pictures []dataset.Image, label int) ([]Explanation, error) {
	if x.mapper == nil {
		var pixels []uint8
		for _, p := range pictures {
			pixels = append(pixels, p.Pixels...)
		}
		return x.Explain(ctx, pixels, label)
	}
	explanations := make([]Explanation, len(pictures))
	for i, p := range pictures {
		scores, err := x.mapper.Map(ctx, p.Pixels, p.Size, label)
		if err != nil {
			return nil, err
		}
		preferred, err := x.mapper.Preferred(ctx, x.descent, p.Pixels, p.Size, label)
		if err != nil {
			return nil, err
		}
		heat, typical := x.above(scores)
		explanations[i] = Explanation{p.Size, p.Pixels, [][]float64{heat}, picture.Quantise(preferred), typical}
	}
	return explanations, nil
}

// above is how far scores are above those of good pictures, and such a score that the end of the colours is that of detect.Detector.Heat.
func (x *Explainer) above(m *scoremap.Map) (heat []float64, typical float64) {
	low, high, ok := x.scores.Heat()
	if !ok {
		low, high = m.Range()
	}
	for _, v := range m.Values {
		heat = append(heat, max(float64(v)-low, 0))
	}
	return heat, (high - low) / hottest
}

// Explain explains each image in pixels (N,H,W,C), given the label: a class, or [model.AnyLabel]. An image of a conditional model
// without a label is explained by the mixture of the classes, and goes down the energy of the class where its own is lowest.
func (x *Explainer) Explain(ctx context.Context, pixels []uint8, label int) ([]Explanation, error) {
	size := x.model.Energy.Image.Size()
	if x.mapper != nil { // pictures of one tile
		var pictures []dataset.Image
		for ; len(pixels) >= size; pixels = pixels[size:] {
			pictures = append(pictures, dataset.Image{Size: x.size(), Pixels: pixels[:size]})
		}
		return x.Pictures(ctx, pictures, label)
	}
	gradients, err := x.meter.Gradients(ctx, pixels, label)
	if err != nil {
		return nil, err
	}
	descended, err := x.descent.Run(ctx, pixels, label, nil)
	if err != nil {
		return nil, err
	}
	preferred := picture.Quantise(descended)
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

// heat smooths the squares of a gradient, H,W,C.
func (x *Explainer) heat(gradient []float32) []float64 {
	h, w, c := x.model.Energy.Image[0], x.model.Energy.Image[1], x.model.Energy.Image[2]
	squares := make([]float64, h*w)
	for p, g := range gradient {
		squares[p/c] += float64(g) * float64(g)
	}
	scoremap.Smooth(squares, h, w, float64(min(h, w))/16)
	for p, v := range squares {
		squares[p] = math.Sqrt(v)
	}
	return squares
}
