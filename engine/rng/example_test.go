package rng_test

import (
	"fmt"

	"github.com/joule-ebm/joule/engine/rng"
)

func ExampleStream() {
	// The noise of step 7 of chain 3 is the same however many chains there are,
	// and whoever runs them.
	s := rng.New(42, 3, 7)
	noise := make([]float32, 3)
	s.FillNormal(noise)
	fmt.Println(noise)
	// Output:
	// [2.707071 -0.7469771 -0.5926171]
}
