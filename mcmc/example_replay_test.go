package mcmc_test

import (
	"fmt"
	"log"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/mcmc"
)

func ExampleBuffer() {
	const batch, h, w, c, threads = 4, 32, 32, 3, 2
	buffer, err := mcmc.NewBuffer(mcmc.ReplaySize, h, w, c, false)
	if err != nil {
		log.Fatal(err)
	}
	chains := make([]float32, batch*h*w*c)
	for iteration := range int64(3) {
		s := rng.New(42, uint64(iteration))
		if err := buffer.Draw(chains, nil, mcmc.Restart, mcmc.AugmentCIFAR10, threads, &s); err != nil {
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
