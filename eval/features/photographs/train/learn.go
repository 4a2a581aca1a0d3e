package main

import (
	"context"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/eval/features/internal/network"
	"github.com/joule-ebm/joule/eval/features/photographs"
	"github.com/joule-ebm/joule/expr"
)

// newLearner makes what minimises the cross-entropy of smoothed labels
//
//	L = mean over images of log Σ_k exp(l_k) - Σ_k q_k·l_k        q_k = 1 - ε + ε/10 for the true class, ε/10 for the others
//
// of logits l. Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (CVPR 2016).
func newLearner(e engine.Engine) (*network.Learner, error) {
	params := energy.NewParams()
	_, logits := photographs.Build(params, expr.Input("x", photographs.Image))
	truth := expr.Mul(logits, expr.Input("q", logits.Shape()))
	loss := expr.BatchMean(expr.Sub(expr.Log(expr.Total(expr.Exp(logits))), expr.Total(truth)))
	l, err := network.NewLearner(e, params, loss)
	if err != nil {
		return nil, err
	}
	l.MaxNorm, l.WeightDecay, l.Decay = maxNorm, weightDecay, decay
	return l, nil
}

// step learns from the batch of that number and returns the loss there.
func step(ctx context.Context, l *network.Learner, set *dataset.Set, c changing, number int, rate float64) (float32, error) {
	images := make([]uint8, batch*photographs.Image.Size())
	q := make([]float32, batch*photographs.Classes)
	for i := range q {
		q[i] = smoothing / photographs.Classes
	}
	for i := range batch {
		draw := uint64(number*batch + i)
		at := set.At(c.seed, draw)
		c.change(images[i*photographs.Image.Size():][:photographs.Image.Size()], set.Image(at), draw)
		q[i*photographs.Classes+int(set.Labels[at])] += 1 - smoothing
	}
	return l.Step(ctx, batch, map[string][]float32{"x": dataset.Intensities(images), "q": q}, rate)
}

// changing says how images are changed.
type changing struct {
	seed          uint64
	shift, cutout int // pixels
}

// change copies an image with changes that leave a photograph one of the same class: mirrored every other time, shifted by some pixels
// either way, with the border reflected into what is empty then, and a square of it, at another place each time, made gray.
// Source of the last: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017).
func (c changing) change(to, from []uint8, draw uint64) {
	const side, channels = 32, 3
	s := rng.New(c.seed, changes, draw)
	mirrored, dy, dx := s.IntN(2) == 1, s.IntN(2*c.shift+1)-c.shift, s.IntN(2*c.shift+1)-c.shift
	for y := range side {
		row := from[reflect(y+dy, side)*side*channels:][:side*channels]
		for x := range side {
			column := reflect(x+dx, side)
			if mirrored {
				column = side - 1 - column
			}
			copy(to[(y*side+x)*channels:][:channels], row[column*channels:])
		}
	}
	top, left := s.IntN(side), s.IntN(side)
	for y := max(top-c.cutout/2, 0); y < min(top+c.cutout/2, side); y++ {
		for x := max(left-c.cutout/2, 0); x < min(left+c.cutout/2, side); x++ {
			for k := range channels {
				to[(y*side+x)*channels+k] = 120
			}
		}
	}
}

// reflect is the pixel of 0..side-1 that is seen at i, with a mirror at each border.
func reflect(i, side int) int {
	if i < 0 {
		return -i
	}
	if i >= side {
		return 2*(side-1) - i
	}
	return i
}
