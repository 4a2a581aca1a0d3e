// Package digits is a small classifier of handwritten digits, trained by Joule on MNIST's training images and shipped with it
// (weights.safetensors, 240 KB; 99.45% of the test images right), so that samples of MNIST models can be judged without a download: which digits they show, and how
// near the statistics of their features are to those of the data.
//
//	28×28 ─ conv 16 ─ pool ─ conv 32 ─ pool ─ conv 64 ─ pool ─ conv 64 ─ mean ─ 64 features ─ linear ─ 10 classes
//
// with 3×3 kernels, the activation x·sigmoid(x) after every convolution, and pools that halve the sides. Figures made with its
// features are NOT comparable with those of the Inception network, such as published FIDs, nor with those of any other classifier.
package digits

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/internal/network"
	"github.com/joule-ebm/joule/expr"
)

const (
	Dim     = 64 // features of an image
	Classes = 10 // the digits 0 to 9
	side    = 28
)

// Image is the shape of the images it takes.
var Image = expr.Shape{side, side, 1}

//go:generate go run ./train -o weights.safetensors
//go:embed weights.safetensors
var weights []byte

// Build makes the network of parameters p at images x with values in [0, 1): its features, 1×1×Dim, and the logits of the classes,
// 1×1×Classes.
func Build(p *energy.Params, x *expr.Value) (features, logits *expr.Value) {
	h := expr.Affine(x, 1/0.31, -0.13/0.31) // mean 0, standard deviation 1 over MNIST
	for i, channels := range []int{16, 32, 64, Dim} {
		name, inputs := fmt.Sprintf("conv%d", i+1), h.Shape()[2]
		w := p.Get(name+".weight", expr.Shape{9, inputs, channels}, energy.Uniform(9*inputs, energy.ConvKernel))
		b := p.Get(name+".bias", expr.Shape{1, 1, channels}, energy.Uniform(9*inputs, energy.Vector))
		if i > 0 {
			h = expr.Pool(h)
		}
		h = expr.Swish(expr.Add(expr.Conv(h, w), b), 0)
	}
	features = expr.Affine(expr.Sum(h, h.Shape().Channels()), 1/float64(h.Shape()[0]*h.Shape()[1]), 0)
	w := p.Get("linear.weight", expr.Shape{1, Dim, Classes}, energy.Uniform(Dim, energy.LinearMap))
	b := p.Get("linear.bias", expr.Shape{1, 1, Classes}, energy.Uniform(Dim, energy.Vector))
	return features, expr.Add(expr.Conv(features, w), b)
}

// A Classifier tells digits apart. It is for one goroutine at a time; the engine uses its threads.
type Classifier struct{ program engine.Program }

var _ features.Network = (*Classifier)(nil)

// New makes the classifier that comes with Joule.
func New(e engine.Engine) (*Classifier, error) {
	params := energy.NewParams()
	f, logits := Build(params, expr.Input("x", Image))
	values, err := network.Values(params.Specs(), weights)
	if err != nil {
		return nil, fmt.Errorf("digits: %w", err)
	}
	program, err := e.Compile(f, expr.Softmax(logits))
	if err != nil {
		return nil, fmt.Errorf("digits: %w", err)
	}
	if err := program.Bind(values); err != nil {
		return nil, fmt.Errorf("digits: %w", err)
	}
	return &Classifier{program}, nil
}

// Name is the network's name.
func (c *Classifier) Name() string { return "digits" }

// Dim is the number of features of an image.
func (c *Classifier) Dim() int { return Dim }

// Classes is the number of digits.
func (c *Classifier) Classes() int { return Classes }

// Batch is the number of images to classify at a time.
func (c *Classifier) Batch() int { return 256 }

// Takes refuses all images but those of MNIST's size.
func (c *Classifier) Takes(size dataset.Size) error {
	if size != (dataset.Size{Height: side, Width: side, Channels: 1}) {
		return fmt.Errorf("images of %v: the classifier of digits takes %dx%dx1 only", size, side, side)
	}
	return nil
}

// Describe gives the features and class probabilities of 28×28 images of one channel: white strokes on black, as MNIST's.
func (c *Classifier) Describe(ctx context.Context, pixels []uint8, size dataset.Size) (features.Description, error) {
	if err := c.Takes(size); err != nil {
		return features.Description{}, err
	}
	return c.Classify(ctx, pixels)
}

// Classify is Describe of images that are known to be of MNIST's size: N·28·28 bytes.
func (c *Classifier) Classify(ctx context.Context, pixels []uint8) (features.Description, error) {
	if len(pixels)%Image.Size() != 0 {
		return features.Description{}, errors.New("digits: not whole images of 28x28 bytes")
	}
	n := len(pixels) / Image.Size()
	d := features.Description{Features: make([]float32, n*Dim), Probabilities: make([]float32, n*Classes)}
	if n == 0 {
		return d, nil
	}
	err := c.program.Run(ctx, engine.Call{Batch: n, Inputs: map[string][]float32{"x": dataset.Intensities(pixels)},
		Outputs: [][]float32{d.Features, d.Probabilities}})
	return d, err
}
