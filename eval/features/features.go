// Package features says what a feature network is: a classifier whose inner values describe an image well enough that statistics of
// them tell good samples from bad. The networks are in the packages below: digits, photographs and scenes, small and shipped with Joule
// (package shipped chooses), for images like those of MNIST, CIFAR-10 and the data set objects, and inception, the one that FID is defined
// with. Figures made with one network never compare with those made with another.
package features

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/dataset"
)

// A Network describes images. It is for one goroutine at a time; it uses threads of its own.
type Network interface {
	// Name is that of the network, as given to commands.
	Name() string
	// Dim is the number of features of an image, Classes that of the classes told apart.
	Dim() int
	Classes() int
	// Takes says what is wrong with images of a size, if anything.
	Takes(size dataset.Size) error
	// Batch is the number of images to give Describe at a time, so that its memory stays bounded.
	Batch() int
	// Describe gives the features and the class probabilities of images of a size that the network takes.
	Describe(ctx context.Context, pixels []uint8, size dataset.Size) (Description, error)
}

// Description is what a network says of N images.
type Description struct {
	Features      []float32 // N × Dim
	Probabilities []float32 // N × Classes, each image's summing to 1
}

// Describe runs a network over a whole set, a batch at a time, and calls progress, if not nil, after each with the number of its images.
func Describe(ctx context.Context, net Network, set *dataset.Set, progress func(images int64)) (Description, error) {
	var all Description
	if err := net.Takes(set.Size()); err != nil {
		return all, fmt.Errorf("%s: %w", set.Name, err)
	}
	all.Features = make([]float32, 0, set.Len()*net.Dim())
	all.Probabilities = make([]float32, 0, set.Len()*net.Classes())
	size := set.Size().Len()
	for first := 0; first < set.Len(); first += net.Batch() {
		n := min(net.Batch(), set.Len()-first)
		part, err := net.Describe(ctx, set.Pixels[first*size:][:n*size], set.Size())
		if err != nil {
			return all, err
		}
		all.Features = append(all.Features, part.Features...)
		all.Probabilities = append(all.Probabilities, part.Probabilities...)
		if progress != nil {
			progress(int64(n))
		}
	}
	return all, nil
}
