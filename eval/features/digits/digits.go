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
	_ "embed"
	"fmt"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
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

var kind = network.Kind{Name: "digits", Image: Image, Dim: Dim, Classes: Classes, Build: Build}

// Takes refuses all images but those of MNIST's size.
func Takes(size dataset.Size) error { return kind.Takes(size) }

// A Classifier tells digits apart, white strokes on black as MNIST's. It is for one goroutine at a time; the engine uses its threads.
type Classifier struct{ network.Classifier }

// New makes the classifier that comes with Joule.
func New(e engine.Engine) (*Classifier, error) {
	c, err := network.NewClassifier(e, &kind, weights)
	if err != nil {
		return nil, err
	}
	return &Classifier{c}, nil
}
