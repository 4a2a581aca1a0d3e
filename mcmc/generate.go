package mcmc

// This file generates images the way the authors evaluate their models (Du et al. 2021, test_inception.py in their code). A chain
// starts from noise and goes through rounds of
//
//	x ← augment(x)     not in the first round, and not in the last ones
//	x ← x + s(z - x)   where the image was augmented, z noise: of U(0, 1)ᴰ, or of the spectrum of images
//	K steps of the sampler
//
// Augmentation carries chains from mode to mode; the rounds without it, which end the chain, turn what it did into clean images.
//
// Noise is not in their code. It takes an image back to the point 1 - s of the straight way from noise to it, whence chains know the way
// if the energy was trained with L_flow (cd.Flow), and find another image than before: one that both of two energies lead to, say, after
// one that only the first does. A chain that goes on from where it is never leaves that one. It is the "restart" of Xu, Deng, Cheng, Tian,
// Liu and Jaakkola, "Restart sampling for improving generative processes" (NeurIPS 2023, arXiv 2306.14878).
//
// In their code 1,000 chains share a pool. With its defaults each is started in one round, goes through 8 augmented rounds on
// average and ends with 15 plain ones; here every chain goes through exactly as many rounds as asked for.

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// Generation says how images are generated.
type Generation struct {
	Steps        int          // of each chain, in all
	Round        int          // steps from one augmentation to the next: K
	Plain        int          // the last steps, before which nothing is augmented any more
	Augmentation Augmentation // the zero value changes nothing
	Renoise      float64      // s, from 0 to 1; 0 changes nothing
	Noise        *Spectrum    // what z has of images; nil: nothing
	Threads      int          // for augmentation; 0: one a core
	// Every is the number of steps between two looks at the images; 0 means a round. A sampler with a schedule runs whole rounds.
	Every int

	Inputs map[string][]float32 // of the energy beside the image, such as labels
	// Seed and FirstChain name all random numbers: image i of the batch is that of chain FirstChain + i.
	Seed, FirstChain uint64
}

// NewGeneration is the procedure for a model trained with chains of k steps and augmentation a: a first round, and then so many
// augmented and so many plain ones.
func NewGeneration(k, augmented, plain int, a Augmentation) Generation {
	return Generation{Steps: (1 + augmented + plain) * k, Round: k, Plain: plain * k, Augmentation: a}
}

// WithSteps is the same procedure with chains of another length: the plain rounds keep their share.
func (g Generation) WithSteps(steps int) Generation {
	g.Steps, g.Plain = steps, steps*g.Plain/max(1, g.Steps)
	return g
}

// The purposes of random streams beside the sampler's.
const (
	streamNoise = iota + 1
	streamAugment
	streamRenoise
)

// FillNoise makes every one of the images x, of the given size, uniform noise: the starts of chains, as [Spectrum.FillNoise] does.
func FillNoise(x []float32, size int, seed, firstChain uint64) {
	(*Spectrum)(nil).FillNoise(x, expr.Shape{1, size, 1}, seed, firstChain)
}

// Generate takes the chains x (N,H,W,C, in place), which start from noise for instance, through a generation. It calls look (if
// not nil) with the number of steps done, at first 0 and at last all of them; x then holds the images of that moment. An error
// of look ends it. The result does not depend on threads, nor on which chains are generated together. It returns the share of all
// proposals that were accepted, as [Chain.Run] does.
//
// The sampler's state starts as it initially is and is carried on from round to round: augmentation and noise move the image, and leave
// the state as it is.
func (c *Chain) Generate(ctx context.Context, x []float32, g Generation, look func(step int) error) (acceptance float64, err error) {
	if g.Steps < 0 || g.Round < 1 || g.Plain < 0 || g.Every < 0 {
		return 0, fmt.Errorf("mcmc: generation of %d steps, rounds of %d, the last %d plain, a look every %d: want 0 or more steps, and rounds of 1 or more",
			g.Steps, g.Round, g.Plain, g.Every)
	}
	if !(g.Renoise >= 0 && g.Renoise <= 1) {
		return 0, fmt.Errorf("mcmc: generation with a share of noise of %v: want 0 to 1", g.Renoise)
	}
	if err := g.Noise.Check(c.image); err != nil {
		return 0, fmt.Errorf("mcmc: %w", err)
	}
	every := g.Every
	if every == 0 || c.sampler.Schedule(noiseName, g.Round) != nil {
		every = g.Round
	}
	if look == nil {
		look = func(int) error { return nil }
	}
	if err := look(0); err != nil {
		return 0, err
	}
	state := c.InitialState(len(x) / c.image.Size())
	acceptance = 1
	for step := 0; step < g.Steps; {
		if step > 0 && step%g.Round == 0 && step+g.Round+g.Plain <= g.Steps {
			if err := c.augment(x, g, step); err != nil {
				return 0, err
			}
			c.renoise(x, g, step)
		}
		steps := min(every, g.Round-step%g.Round, g.Steps-step)
		share, err := c.Run(ctx, x, RunOptions{Steps: steps, Inputs: g.Inputs, State: state,
			Seed: g.Seed, FirstChain: g.FirstChain, FirstStep: uint64(step)})
		if err != nil {
			return 0, err
		}
		step += steps
		acceptance += (share - acceptance) * float64(steps) / float64(step)
		if err := look(step); err != nil {
			return 0, err
		}
	}
	return acceptance, nil
}

// augment transforms each image by the numbers of its chain and step.
func (c *Chain) augment(x []float32, g Generation, step int) error {
	if g.Augmentation == NoAugmentation {
		return nil
	}
	size, unused := c.image.Size(), rng.New(0)
	return g.Augmentation.each(len(x)/size, c.image[0], c.image[1], c.image[2], g.Threads, &unused, func(i int, a *Augmenter, _ *rng.Stream) error {
		s := rng.New(g.Seed, streamAugment, g.FirstChain+uint64(i), uint64(step))
		image := x[i*size:][:size]
		return a.Apply(image, image, &s)
	})
}

// renoise mixes noise into each image: x ← x + s(z - x), z by the numbers of its chain and step.
func (c *Chain) renoise(x []float32, g Generation, step int) {
	if g.Renoise == 0 {
		return
	}
	size, share := c.image.Size(), float32(g.Renoise)
	z := make([]float32, size)
	for i := range len(x) / size {
		s := rng.New(g.Seed, streamRenoise, g.FirstChain+uint64(i), uint64(step))
		g.Noise.fill(z, c.image, &s)
		for k, v := range x[i*size:][:size] {
			x[i*size+k] = v + share*(z[k]-v)
		}
	}
}
