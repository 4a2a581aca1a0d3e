// Package photographs is a small classifier of photographs, trained by Joule on CIFAR-10's training images and shipped with it
// (weights.safetensors, 0.93 MB of 16 bits; 85.4% of the test images right), so that samples of models of 32×32 images in colour can be judged
// without a download: which classes they show, and how near the statistics of their features are to those of the data.
//
//	32×32 ─ conv 32 ─ conv 64, pool ─ residual ─ conv 128, pool ─ residual ─ mean ─ 128 features ─ linear ─ 10 classes
//
// with 3×3 kernels, pools that halve the sides, group normalisation in groups of 16 channels and the activation x·sigmoid(x) after every
// convolution; residual is h plus two convolutions of it. Figures made with its features are NOT comparable with those of the Inception
// network, such as published FIDs, nor with those of any other classifier.
package photographs

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

// Names are the names of CIFAR-10's classes.
var Names = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

// A Classifier tells the classes of photographs. It is for one goroutine at a time; the engine uses its threads.
type Classifier struct{ program engine.Program }

var _ features.Network = (*Classifier)(nil)

// From CIFAR-10's training images, in any format that Joule reads; some 22 minutes of a core:
//
//	go run ./train --data cifar-10-binary.tar.gz -o first.safetensors
//	go run ./train --data cifar-10-binary.tar.gz --from first.safetensors --epochs 8 --rate 1.5e-3 --shift 2 --cutout 0 --seed 2
//
//go:embed weights.safetensors
var weights []byte

// New makes the classifier that comes with Joule.
func New(e engine.Engine) (*Classifier, error) { return With(e, weights) }

// With makes a classifier of other weights than those that come with Joule: the bytes of a safetensors file.
func With(e engine.Engine, weights []byte) (*Classifier, error) {
	params := energy.NewParams()
	f, logits := Build(params, expr.Input("x", Image))
	values, err := network.Values(params.Specs(), weights)
	if err != nil {
		return nil, fmt.Errorf("photographs: %w", err)
	}
	program, err := e.Compile(f, expr.Softmax(logits))
	if err != nil {
		return nil, fmt.Errorf("photographs: %w", err)
	}
	if err := program.Bind(values); err != nil {
		return nil, fmt.Errorf("photographs: %w", err)
	}
	return &Classifier{program}, nil
}

// Name is the network's name.
func (c *Classifier) Name() string { return "photographs" }

// Dim is the number of features of an image.
func (c *Classifier) Dim() int { return Dim }

// Classes is the number of classes.
func (c *Classifier) Classes() int { return Classes }

// Batch is the number of images to classify at a time.
func (c *Classifier) Batch() int { return 256 }

// Takes refuses all images but those of CIFAR-10's size.
func (c *Classifier) Takes(size dataset.Size) error {
	if size != (dataset.Size{Height: side, Width: side, Channels: 3}) {
		return fmt.Errorf("images of %v: the classifier of photographs takes %dx%dx3 only", size, side, side)
	}
	return nil
}

// Describe gives the features and class probabilities of 32×32 images in colour.
func (c *Classifier) Describe(ctx context.Context, pixels []uint8, size dataset.Size) (features.Description, error) {
	if err := c.Takes(size); err != nil {
		return features.Description{}, err
	}
	if len(pixels)%Image.Size() != 0 {
		return features.Description{}, errors.New("photographs: not whole images of 32x32x3 bytes")
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
