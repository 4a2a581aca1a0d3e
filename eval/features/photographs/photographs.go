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
	_ "embed"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/features/internal/network"
)

// Names are the names of CIFAR-10's classes.
var Names = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

var kind = network.Kind{Name: "photographs", Image: Image, Dim: Dim, Classes: Classes, Build: Build}

// Takes refuses all images but those of CIFAR-10's size.
func Takes(size dataset.Size) error { return kind.Takes(size) }

// A Classifier tells the classes of photographs. It is for one goroutine at a time; the engine uses its threads.
type Classifier struct{ network.Classifier }

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
	c, err := network.NewClassifier(e, &kind, weights)
	if err != nil {
		return nil, err
	}
	return &Classifier{c}, nil
}
