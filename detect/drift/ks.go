package drift

// This file tests ranks for uniformity, for people who want to see how the latest images fare: an alarm is not made of it, since a test
// that is looked at again and again raises one by chance sooner or later.
//
// Source: Kolmogorov, "Sulla determinazione empirica di una legge di distribuzione", 1933; Smirnov, 1948.

import (
	"math"
	"slices"
)

// KolmogorovSmirnov is the largest distance D between the distribution of ranks and the uniform one on (0,1), and the probability of one
// at least as large, for many ranks:
//
//	P(√n D ≥ x) → 2 Σ_{i≥1} (-1)^(i-1) exp(-2 i² x²)
func KolmogorovSmirnov(ranks []float64) (distance, p float64) {
	n := float64(len(ranks))
	for i, u := range slices.Sorted(slices.Values(ranks)) {
		distance = max(distance, float64(i+1)/n-u, u-float64(i)/n)
	}
	return distance, kolmogorov(math.Sqrt(n) * distance)
}

// kolmogorov is the limit above. For small x the same function is summed in its other form, 1 - √2π/x Σ exp(-(2i-1)²π²/8x²).
func kolmogorov(x float64) float64 {
	if x < 0.1 {
		return 1
	}
	sum := 0.0
	if x < 1 {
		for i := 1; i <= 10; i++ {
			odd := float64(2*i-1) * math.Pi / x
			sum += math.Exp(-odd * odd / 8)
		}
		return 1 - math.Sqrt(2*math.Pi)/x*sum
	}
	for i := 1; i <= 10; i++ {
		term := 2 * math.Exp(-2*float64(i)*float64(i)*x*x)
		if i%2 == 0 {
			term = -term
		}
		sum += term
	}
	return sum
}

// Uniformity is the test of the latest ranks, at most [Window] of them; without any, p is 1.
func (d *Detector) Uniformity() (distance, p float64) {
	if len(d.s.Latest) == 0 {
		return 0, 1
	}
	return KolmogorovSmirnov(d.s.Latest)
}
