package network

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/expr"
)

// This file makes a feature network of a classifier: what goes into its last linear map are the features.

// A Kind of classifier.
type Kind struct {
	Name         string     // and what it is of, such as "digits"
	Image        expr.Shape // H×W×C of the images it takes
	Dim, Classes int
	// Build gives the features, 1×1×Dim, and the logits of the classes, 1×1×Classes, of parameters p at images x with values in [0, 1).
	Build func(p *energy.Params, x *expr.Value) (features, logits *expr.Value)
}

// Takes refuses all images but those of the kind's size.
func (k *Kind) Takes(size dataset.Size) error {
	if h, w, c := k.Image[0], k.Image[1], k.Image[2]; size != (dataset.Size{Height: h, Width: w, Channels: c}) {
		return fmt.Errorf("images of %v: the classifier of %s takes %dx%dx%d only", size, k.Name, h, w, c)
	}
	return nil
}

// A Classifier is a features.Network. It is for one goroutine at a time; the engine uses its threads.
type Classifier struct {
	*Kind
	program engine.Program
}

var _ features.Network = Classifier{}

// NewClassifier makes a classifier of weights: the bytes of a safetensors file.
func NewClassifier(e engine.Engine, k *Kind, weights []byte) (Classifier, error) {
	params := energy.NewParams()
	f, logits := k.Build(params, expr.Input("x", k.Image))
	values, err := Values(params.Specs(), weights)
	if err != nil {
		return Classifier{}, fmt.Errorf("%s: %w", k.Name, err)
	}
	program, err := e.Compile(f, expr.Softmax(logits))
	if err != nil {
		return Classifier{}, fmt.Errorf("%s: %w", k.Name, err)
	}
	if err := program.Bind(values); err != nil {
		return Classifier{}, fmt.Errorf("%s: %w", k.Name, err)
	}
	return Classifier{k, program}, nil
}

// Name is the network's name.
func (c Classifier) Name() string { return c.Kind.Name }

// Dim is the number of features of an image.
func (c Classifier) Dim() int { return c.Kind.Dim }

// Classes is the number of classes.
func (c Classifier) Classes() int { return c.Kind.Classes }

// Batch is the number of images to classify at a time.
func (c Classifier) Batch() int { return 256 }

// Describe gives the features and class probabilities of images of the size that the classifier takes.
func (c Classifier) Describe(ctx context.Context, pixels []uint8, size dataset.Size) (features.Description, error) {
	if err := c.Takes(size); err != nil {
		return features.Description{}, err
	}
	return c.Classify(ctx, pixels)
}

// Classify is Describe of images that are known to be of that size: N·H·W·C bytes.
func (c Classifier) Classify(ctx context.Context, pixels []uint8) (features.Description, error) {
	if len(pixels)%c.Image.Size() != 0 {
		return features.Description{}, fmt.Errorf("%s: not whole images of %dx%dx%d bytes", c.Name(), c.Image[0], c.Image[1], c.Image[2])
	}
	n := len(pixels) / c.Image.Size()
	d := features.Description{Features: make([]float32, n*c.Dim()), Probabilities: make([]float32, n*c.Classes())}
	if n == 0 {
		return d, nil
	}
	err := c.program.Run(ctx, engine.Call{Batch: n, Inputs: map[string][]float32{"x": dataset.Intensities(pixels)},
		Outputs: [][]float32{d.Features, d.Probabilities}})
	return d, err
}
