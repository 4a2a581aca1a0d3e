package drift_test

import (
	"fmt"
	"log"

	"github.com/joule-ebm/joule/detect/conformal"
	"github.com/joule-ebm/joule/detect/drift"
	"github.com/joule-ebm/joule/engine/rng"
)

// Scores rise after the thousandth.
func Example() {
	s := rng.New(1)
	normal := func() float64 { return float64(s.Normal()) }
	var scores []float64
	for range 500 {
		scores = append(scores, normal())
	}
	calibration, err := conformal.New(scores)
	if err != nil {
		log.Fatal(err)
	}
	detector, err := drift.New(calibration, 1e6) // a false alarm in a million images at most
	if err != nil {
		log.Fatal(err)
	}
	for n := 1; detector.State().Alarm == 0; n++ {
		score := normal()
		if n > 1000 {
			score += 1.5
		}
		detector.Add(score)
	}
	state := detector.State()
	fmt.Println("noticed within 100 images:", state.Alarm > 1000 && state.Alarm <= 1100)
	fmt.Println("dated to within 20:", state.Since > 980 && state.Since < 1020)
	// Output:
	// noticed within 100 images: true
	// dated to within 20: true
}
