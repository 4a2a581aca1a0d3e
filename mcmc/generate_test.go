package mcmc_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

var small = expr.Shape{6, 6, 1}

// bowl is the energy ½‖x - ¼‖², whose chains go to images of one grey.
func bowl(x *expr.Value) *expr.Value {
	d := expr.Affine(x, 1, -0.25)
	return expr.Affine(expr.Total(expr.Mul(d, d)), 0.5, 0)
}

func newChain(t *testing.T, threads int, s mcmc.Sampler) *mcmc.Chain {
	t.Helper()
	c, err := mcmc.NewChain(&cpu.Engine{Threads: threads}, s, bowl, small)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// generate makes n chains from noise and calls look with each state.
func generate(t *testing.T, c *mcmc.Chain, n int, g mcmc.Generation, look func(step int, x []float32)) []float32 {
	t.Helper()
	x := make([]float32, n*small.Size())
	mcmc.FillNoise(x, small.Size(), g.Seed, g.FirstChain)
	_, err := c.Generate(context.Background(), x, g, func(step int) error {
		if look != nil {
			look(step, x)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// A sampler that stands still shows where images are augmented: before every round but the first and the plain ones.
func TestGenerationAugmentsBetweenRounds(t *testing.T) {
	still := newChain(t, 1, mcmc.Langevin{})
	tests := []struct {
		steps, plain int
		want         []int // steps after which images changed
	}{
		{20, 0, []int{4, 8, 12, 16}},
		{20, 8, []int{4, 8}},
		{22, 8, []int{4, 8}},
		{24, 8, []int{4, 8, 12}},
		{8, 4, nil},
		{3, 0, nil},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.steps, " ", test.plain), func(t *testing.T) {
			g := mcmc.Generation{Steps: test.steps, Round: 4, Plain: test.plain, Every: 1, Augmentation: mcmc.Augmentation{CropScale: 0.2}}
			var changed []int
			var last []float32
			generate(t, still, 2, g, func(step int, x []float32) {
				if last != nil && !slices.Equal(last, x) {
					changed = append(changed, step-1)
				}
				last = slices.Clone(x)
			})
			if !slices.Equal(changed, test.want) {
				t.Errorf("images augmented after steps %v, want %v", changed, test.want)
			}
			g.Augmentation = mcmc.NoAugmentation
			if x := generate(t, still, 2, g, nil); slices.Equal(x, last) != (test.want == nil) {
				t.Error("without augmentation the images are not those the chains started from")
			}
		})
	}
}

// A sampler that stands still shows what a round begins with: x + s(z - x), with other noise z in [0, 1] for every chain and round.
func TestGenerationMixesNoiseIn(t *testing.T) {
	still := newChain(t, 1, mcmc.Langevin{})
	for _, share := range []float32{0, 0.25, 1} {
		g := mcmc.Generation{Steps: 16, Round: 4, Plain: 4, Renoise: float64(share)}
		var seen [][]float32
		generate(t, still, 2, g, func(_ int, x []float32) { seen = append(seen, slices.Clone(x)) })
		var noises [][]float32
		for round := 2; round <= 3; round++ { // the first and the last are plain
			noise := make([]float32, len(seen[round]))
			for i, x := range seen[round] {
				if noise[i] = (x - (1-share)*seen[round-1][i]) / max(share, 1e-30); share == 0 && noise[i] != 0 || noise[i] < -1e-6 || noise[i] > 1+1e-6 {
					t.Fatalf("share %v: %v became %v", share, seen[round-1][i], x)
				}
			}
			noises = append(noises, noise[:small.Size()], noise[small.Size():])
		}
		if !slices.Equal(seen[1], seen[0]) || !slices.Equal(seen[4], seen[3]) {
			t.Errorf("share %v: a plain round changed images", share)
		}
		for i, a := range noises {
			for _, b := range noises[:i] {
				if share > 0 && slices.Equal(a, b) {
					t.Errorf("share %v: two chains or rounds have the same noise", share)
				}
			}
		}
	}
}

func TestGenerationOfTheAuthors(t *testing.T) {
	g := mcmc.NewGeneration(40, 8, 15, mcmc.AugmentCIFAR10)
	if g.Steps != 24*40 || g.Plain != 15*40 || g.Round != 40 || g.Augmentation != mcmc.AugmentCIFAR10 {
		t.Errorf("got %+v, want a round from noise, 8 augmented and 15 plain ones", g)
	}
	if g = g.WithSteps(240); g.Steps != 240 || g.Plain != 150 || g.Round != 40 {
		t.Errorf("a quarter of the steps: %+v, want 240, the last 150 plain", g)
	}
}

// The numbers of a chain depend on its name alone: not on threads, on its neighbours, nor on how often somebody looks.
func TestGenerationIsReproducible(t *testing.T) {
	sampler := mcmc.Langevin{StepSize: 0.1, Sigma: 0.05}
	one, three := newChain(t, 1, sampler), newChain(t, 3, sampler)
	g := mcmc.Generation{Steps: 24, Round: 4, Plain: 8, Augmentation: mcmc.Augmentation{CropScale: 0.3, Flip: true, BlurKernel: 3}, Renoise: 0.2,
		Threads: 1, Seed: 7}
	const n = 40
	want := generate(t, one, n, g, nil)
	if slices.Equal(want[:small.Size()], want[small.Size():2*small.Size()]) {
		t.Error("two chains are alike")
	}

	again := g
	again.Threads, again.Every = 3, 3
	if !slices.Equal(generate(t, three, n, again, nil), want) {
		t.Error("three threads and more looks give other images")
	}
	rest := g
	rest.FirstChain = 11
	parts := append(generate(t, one, 11, g, nil), generate(t, one, n-11, rest, nil)...)
	if !slices.Equal(parts, want) {
		t.Error("chains generated in two parts are not those generated together")
	}
	other := g
	other.Seed = 8
	if slices.Equal(generate(t, one, n, other, nil), want) {
		t.Error("another seed gives the same images")
	}
}

func TestGenerationSamples(t *testing.T) {
	g := mcmc.NewGeneration(10, 8, 15, mcmc.NoAugmentation)
	x := generate(t, newChain(t, 2, mcmc.Langevin{StepSize: 0.2, Sigma: 0.001}), 3, g, nil)
	for i, v := range x {
		if v < 0.24 || v > 0.26 {
			t.Fatalf("pixel %d ends at %v, want the minimum of the energy, 0.25", i, v)
		}
	}
}

func TestGenerationLooks(t *testing.T) {
	tests := map[string]struct {
		sampler mcmc.Sampler
		every   int
		want    []int
	}{
		"rounds":   {mcmc.Langevin{}, 0, []int{0, 4, 8, 10}},
		"often":    {mcmc.Langevin{}, 3, []int{0, 3, 4, 7, 8, 10}},
		"annealed": {mcmc.Langevin{Sigma: 0.1, Anneal: true}, 1, []int{0, 4, 8, 10}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var steps []int
			g := mcmc.Generation{Steps: 10, Round: 4, Every: test.every}
			generate(t, newChain(t, 1, test.sampler), 1, g, func(step int, _ []float32) { steps = append(steps, step) })
			if !slices.Equal(steps, test.want) {
				t.Errorf("looked after steps %v, want %v", steps, test.want)
			}
		})
	}
}

func TestGenerationEnds(t *testing.T) {
	c, x := newChain(t, 1, mcmc.Langevin{}), make([]float32, small.Size())
	g := mcmc.Generation{Steps: 10, Round: 4}
	enough := errors.New("enough")
	if _, err := c.Generate(context.Background(), x, g, func(int) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("an error of look: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Generate(ctx, x, g, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, bad := range []mcmc.Generation{{Steps: -1, Round: 4}, {Steps: 10}, {Steps: 10, Round: 4, Plain: -1}, {Steps: 10, Round: 4, Every: -1},
		{Steps: 10, Round: 4, Augmentation: mcmc.Augmentation{CropScale: 2}}, {Steps: 10, Round: 4, Renoise: 1.1}, {Steps: 10, Round: 4, Renoise: -1},
		{Steps: 10, Round: 4, Renoise: math.NaN()}} {
		if _, err := c.Generate(context.Background(), x, bad, nil); err == nil {
			t.Errorf("no error for %+v", bad)
		}
	}
}

// A chain of no steps is refused, and its images stay where they are.
func TestChainOfNoSteps(t *testing.T) {
	c := newChain(t, 1, mcmc.Langevin{StepSize: 0.1})
	for _, steps := range []int{0, -3} {
		x := slices.Repeat([]float32{0.5}, small.Size())
		if _, err := c.Run(t.Context(), x, mcmc.RunOptions{Steps: steps}); err == nil || !slices.Equal(x, slices.Repeat([]float32{0.5}, small.Size())) {
			t.Errorf("%d steps: %v, %v", steps, x, err)
		}
	}
}
