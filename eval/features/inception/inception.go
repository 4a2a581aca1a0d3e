// Package inception is the feature network of FID, KID and the Inception Score: Inception-v3 with the weights of TensorFlow's graph
// of December 2015, as pytorch-fid distributes them (91 MB, not part of Joule). Its features are the 2048 means of the last block's
// channels; its class probabilities are those of the 1008 outputs without their bias, as the authors of the Inception Score compute
// them.
package inception

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/inception/forward"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/internal/torchfile"
)

const (
	// Dim is the number of features of an image.
	Dim = 2048

	classes = 1008
	side    = 299
)

// Options of a network. The zero value is pytorch-fid's network on all cores.
type Options struct {
	Threads int          // 0 means one per available core
	Kernels *kernels.Set // nil means kernels.Best()
	Input   Input
}

// A Network describes images of any size, grey or coloured. It is for one goroutine at a time.
type Network struct {
	input   Input
	side    int
	set     *kernels.Set
	stages  []*stage
	linear  *forward.Conv
	workers []*forward.Memory
}

var _ features.Network = (*Network)(nil)

// Open makes the network of the weights in a file: safetensors, or as torch.save writes it. Errors are one line and name the file.
func Open(path string, o Options) (*Network, error) {
	file, err := read(path)
	if err != nil {
		return nil, err
	}
	n, err := build(lookup(file), side, o)
	if err != nil {
		return nil, fmt.Errorf("%s: not the weights of FID's Inception network: %w", path, err)
	}
	return n, nil
}

// ErrNoWeights says that the weights are not where [DefaultPath] wants them.
var ErrNoWeights = errors.New("the Inception network needs its weights: run joule eval fetch-inception, or name the file of them")

// OpenDefault makes the network of the weights in their usual place, [DefaultPath].
func OpenDefault(o Options) (*Network, error) {
	path, err := DefaultPath()
	if err != nil {
		return nil, err
	}
	there, err := Weights.Check(path)
	switch {
	case err != nil:
		return nil, err
	case !there:
		return nil, ErrNoWeights
	}
	return Open(path, o)
}

func read(path string) (*safetensors.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return torchfile.ReadFile(path) // which says the same in its own words
	}
	head := make([]byte, 10)
	n, _ := io.ReadFull(f, head)
	f.Close()
	// A safetensors file begins with the length of its header, and the header with a brace.
	if n > 8 && bytes.IndexByte([]byte("{ "), head[8]) >= 0 {
		return safetensors.ReadFile(path)
	}
	return torchfile.ReadFile(path)
}

// lookup gives the tensors of a file, checked.
func lookup(file *safetensors.File) weights {
	return func(name string, shape ...int) ([]float32, error) {
		t, ok := file.Lookup(name)
		if !ok {
			return nil, fmt.Errorf("no tensor %s", name)
		}
		if !slices.Equal(t.Shape, shape) {
			return nil, fmt.Errorf("tensor %s has shape %v, want %v", name, t.Shape, shape)
		}
		values, err := t.Float32s()
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("tensor %s holds %v", name, v)
			}
		}
		return values, nil
	}
}

// build makes the network for images brought to side×side.
func build(w weights, side int, o Options) (*Network, error) {
	n := &Network{input: o.Input, side: side, set: o.Kernels}
	if n.set == nil {
		n.set = kernels.Best()
	}
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	for range threads {
		n.workers = append(n.workers, new(forward.Memory))
	}
	// The classes first: they tell this network's weights from torchvision's.
	linear, err := w("fc.weight", classes, Dim)
	if err != nil {
		return nil, err
	}
	b := &builder{forward.NewTables(n.set), w}
	height, width, channels := side, side, 3
	for _, blk := range network {
		s, err := b.stage(blk, height, width, channels)
		if err != nil {
			return nil, err
		}
		n.stages = append(n.stages, s)
		height, width, channels = s.h, s.w, s.c
	}
	n.linear, err = forward.NewConv(b.tables, forward.Square(1, 1, 0), 1, 1, Dim, classes, linear, nil)
	return n, err
}

// Input is the way that images are brought to the network's size and scale.
func (n *Network) Input() Input { return n.input }

// Name is the network's name.
func (n *Network) Name() string { return "inception" }

// Dim is the number of features of an image.
func (n *Network) Dim() int { return Dim }

// Classes is the number of outputs of the network.
func (n *Network) Classes() int { return classes }

// Batch is the number of images to describe at a time.
func (n *Network) Batch() int { return 4 * len(n.workers) }

// Takes takes images of any size, grey or coloured.
func (n *Network) Takes(size dataset.Size) error {
	if size.Height < 1 || size.Width < 1 || size.Channels != 1 && size.Channels != 3 {
		return fmt.Errorf("images of %v: want 1 or 3 channels", size)
	}
	return nil
}

// Describe gives the features and class probabilities of images.
func (n *Network) Describe(ctx context.Context, pixels []uint8, size dataset.Size) (features.Description, error) {
	if err := n.Takes(size); err != nil {
		return features.Description{}, err
	}
	if len(pixels)%size.Len() != 0 {
		return features.Description{}, errors.New("inception: not whole images")
	}
	count := len(pixels) / size.Len()
	d := features.Description{Features: make([]float32, count*Dim), Probabilities: make([]float32, count*classes)}
	var next atomic.Int64
	var wait sync.WaitGroup
	for _, m := range n.workers[:min(len(n.workers), count)] {
		wait.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				f, logits := n.describe(m, pixels[i*size.Len():][:size.Len()], size, nil)
				copy(d.Features[i*Dim:], f)
				n.set.Softmax(d.Probabilities[i*classes:][:classes], logits, classes)
			}
		})
	}
	wait.Wait()
	return d, ctx.Err()
}

// describe runs the network on an image. It calls trace, if not nil, with the result of every block.
func (n *Network) describe(m *forward.Memory, pixels []uint8, size dataset.Size, trace func(block string, x forward.Image)) (f, logits []float32) {
	m.Reset()
	x := n.input.image(m, pixels, size, n.side)
	for _, s := range n.stages {
		x = s.run(m, x)
		if trace != nil {
			trace(s.name, x)
		}
	}
	mean := m.Image(1, 1, Dim)
	copy(mean.Data, forward.Means(n.set, x))
	return mean.Pixels(), n.linear.Run(m, mean).Pixels()
}
