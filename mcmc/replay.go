package mcmc

// This file is the replay buffer, where chains start. Ends of past chains are kept by reservoir sampling (Vitter, "Random sampling with a
// reservoir", 1985): the first images fill the buffer and the n-th after that replaces a random one with probability size/n, so that at
// any time every image ever added is as likely to be in the buffer as any other. New chains start from a random image of the buffer,
// through the data augmentation transition, or, rarely, from noise.
//
// Images rest as bytes: u = floor(256 x), and x = (u + U(0,1))/256 on the way out.
//
// Source: Du, Li, Tenenbaum and Mordatch, "Improved Contrastive Divergence Training of Energy-Based Models" (ICML 2021), with the
// constants of the authors' code.

import (
	"fmt"
	"math"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

const (
	// ReplaySize is the usual number of images in a replay buffer.
	ReplaySize = 10_000
	// Restart is the usual probability that a chain starts from noise.
	Restart = 0.001
)

// Buffer is a replay buffer: images of one shape, with the label of each in a conditional one, and the iteration at which each was added.
// A sampler's state is not kept: a chain that starts from the buffer starts with the initial one ([Variable]). Its methods are not for
// use from several goroutines at once.
type Buffer struct {
	capacity, h, w, c int
	conditional       bool

	images []uint8 // N,H,W,C
	labels []int32 // N, when conditional
	births []int64 // N: the iteration each image was added at
	seen   int64   // images ever added
}

// NewBuffer returns an empty buffer for up to capacity images of shape h,w,c, labelled when conditional.
func NewBuffer(capacity, h, w, c int, conditional bool) (*Buffer, error) {
	const side, memory = 1 << 16, 1 << 35
	if capacity < 1 || h < 1 || w < 1 || c < 1 {
		return nil, fmt.Errorf("replay buffer: %d images of %dx%dx%d, want every number positive", capacity, h, w, c)
	}
	if h > side || w > side || c > side || float64(capacity)*float64(h)*float64(w)*float64(c) > min(memory, math.MaxInt) {
		return nil, fmt.Errorf("replay buffer: %d images of %dx%dx%d need more than 32 GiB", capacity, h, w, c)
	}
	return &Buffer{capacity: capacity, h: h, w: w, c: c, conditional: conditional}, nil
}

// Len returns the number of images in the buffer.
func (b *Buffer) Len() int { return len(b.births) }

// MeanAge returns the mean number of iterations since the images were added, 0 for an empty buffer.
func (b *Buffer) MeanAge(iteration int64) float64 {
	var sum float64
	for _, birth := range b.births {
		sum += float64(iteration - birth)
	}
	return sum / float64(max(1, len(b.births)))
}

// Add offers images, float32 N,H,W,C in [0,1], to the buffer at the given iteration, with N labels when it is conditional and none when
// not.
func (b *Buffer) Add(images []float32, labels []int32, iteration int64, s *rng.Stream) error {
	n, err := b.count(images, labels)
	if err != nil {
		return err
	}
	size := b.h * b.w * b.c
	for i := range n {
		slot := b.Len()
		if b.seen++; slot < b.capacity {
			b.images = append(b.images, make([]uint8, size)...)
			b.births = append(b.births, 0)
			if b.conditional {
				b.labels = append(b.labels, 0)
			}
		} else if slot = s.IntN(int(b.seen)); slot >= b.capacity {
			continue
		}
		at := b.images[slot*size:][:size]
		for j, x := range images[i*size:][:size] {
			at[j] = quantise(x)
		}
		b.births[slot] = iteration
		if b.conditional {
			b.labels[slot] = labels[i]
		}
	}
	return nil
}

// count returns the number of images, whose labels must match.
func (b *Buffer) count(images []float32, labels []int32) (int, error) {
	size := b.h * b.w * b.c
	n := len(images) / size
	if len(images) != n*size {
		return 0, fmt.Errorf("replay buffer: %d elements are no whole number of %dx%dx%d images", len(images), b.h, b.w, b.c)
	}
	want := 0
	if b.conditional {
		want = n
	}
	if len(labels) != want {
		return 0, fmt.Errorf("replay buffer: %d labels for %d images, want %d", len(labels), n, want)
	}
	return n, nil
}

// quantise returns floor(256 x), from 0 to 255; 0 for a NaN.
func quantise(x float32) uint8 {
	if !(x > 0) {
		return 0
	}
	return uint8(min(256*x, 255))
}

// Start says how chains start.
type Start struct {
	Restart      float32      // probability that one starts from noise instead of an image of the buffer
	Noise        *Spectrum    // what that noise has of images; nil: nothing
	Augmentation Augmentation // of images of the buffer
}

// Draw fills images, float32 N,H,W,C, with the starts of N chains: random images of the buffer (several chains may start from one),
// augmented, or noise; all noise while the buffer is empty. In a conditional buffer labels[i] becomes the label of image i, but is left as
// it is where the image is noise. The result does not depend on the number of threads.
func (b *Buffer) Draw(images []float32, labels []int32, from Start, threads int, s *rng.Stream) error {
	n, err := b.count(images, labels)
	if err != nil {
		return err
	}
	size := b.h * b.w * b.c
	return from.Augmentation.each(n, b.h, b.w, b.c, threads, s, func(i int, g *Augmenter, s *rng.Stream) error {
		x := images[i*size:][:size]
		noise := s.Float32() < from.Restart
		slot := s.IntN(b.Len())
		if noise || b.Len() == 0 {
			from.Noise.fill(x, expr.Shape{b.h, b.w, b.c}, s)
			return nil
		}
		s.FillUniform(x)
		for j, u := range b.images[slot*size:][:size] {
			x[j] = (float32(u) + x[j]) * (1.0 / 256)
		}
		if b.conditional {
			labels[i] = b.labels[slot]
		}
		return g.Apply(x, x, s)
	})
}
