package mcmc_test

import (
	"context"
	"fmt"
	"log"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// Samples of exp(-E) for an energy that is a formula: pixels around 0.6, with standard deviation 0.1.
func ExampleChain() {
	energy := func(x *expr.Value) *expr.Value {
		d := expr.Affine(x, 1/0.1, -0.6/0.1)
		return expr.Affine(expr.Total(expr.Mul(d, d)), 0.5, 0)
	}
	image := expr.Shape{4, 4, 1}
	chain, err := mcmc.NewChain(&cpu.Engine{}, mcmc.MALA{StepSize: 0.002, Temperature: 1}, energy, image)
	if err != nil {
		log.Fatal(err)
	}
	if err := chain.Bind(nil); err != nil { // it has no parameters
		log.Fatal(err)
	}
	const n = 1000
	x := make([]float32, n*image.Size())
	mcmc.FillNoise(x, image.Size(), 1, 0)
	acceptance, err := chain.Run(context.Background(), x, mcmc.RunOptions{Steps: 40, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	mean := 0.0
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	fmt.Printf("%d images of mean intensity %.2f; acceptance %.1f\n", n, mean, acceptance)
	// Output: 1000 images of mean intensity 0.60; acceptance 0.9
}

func ExampleBuffer() {
	const batch, h, w, c, threads = 4, 32, 32, 3, 2
	buffer, err := mcmc.NewBuffer(mcmc.ReplaySize, h, w, c, false)
	if err != nil {
		log.Fatal(err)
	}
	chains := make([]float32, batch*h*w*c)
	for iteration := range int64(3) {
		s := rng.New(42, uint64(iteration))
		if err := buffer.Draw(chains, nil, mcmc.Start{Restart: mcmc.Restart, Augmentation: mcmc.AugmentCIFAR10}, threads, &s); err != nil {
			log.Fatal(err)
		}
		// ... here the chains take their Langevin steps ...
		if err := buffer.Add(chains, nil, iteration, &s); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(buffer.Len(), "images of mean age", buffer.MeanAge(3))
	// Output: 12 images of mean age 2
}
