package conformal_test

import (
	"fmt"
	"log"

	"github.com/joule-ebm/joule/detect/conformal"
)

// With 99 calibration scores no p-value is below 1/100; at a rate of 5% the threshold is the fifth highest of them.
func Example() {
	var scores []float64
	for i := range 99 {
		scores = append(scores, float64(i))
	}
	d, err := conformal.New(scores)
	if err != nil {
		log.Fatal(err)
	}
	for _, score := range []float64{50, 95, 200} {
		fmt.Printf("score %v: p = %.2f\n", score, d.P(score))
	}
	low, high := d.FalseAlarms(0.05, 0.95)
	fmt.Printf("at 5%%: above %v, which gives %.1f%% to %.1f%% false alarms\n", d.Threshold(0.05), 100*low, 100*high)
	// Output:
	// score 50: p = 0.50
	// score 95: p = 0.05
	// score 200: p = 0.01
	// at 5%: above 94, which gives 1.7% to 10.0% false alarms
}
