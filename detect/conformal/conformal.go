// Package conformal turns scores into p-values and decisions with a guarantee that needs no model of the scores: only that an
// in-distribution image is exchangeable with the calibration images, as it is if all were drawn in the same way. Scores are high where an
// image is out of distribution.
//
// With calibration scores s_1 ... s_n the conformal p-value of a score s is
//
//	p(s) = (1 + #{i : s_i ≥ s})/(n + 1),     so that     P(p(s) ≤ α) ≤ α
//
// for an in-distribution image and every α, whatever the distribution of scores, for every n: calling out of distribution what has p ≤ α
// gives a false alarm for at most the fraction α of in-distribution images. The probability is over the calibration images too;
// [Distribution.FalseAlarms] says what to expect of those at hand. [Adjust] decides about many images at once.
//
// Sources: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005; Bates, Candès, Lei, Romano, Sesia, "Testing for
// Outliers with Conformal p-values", Annals of Statistics 51 (2023).
package conformal

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// Distribution is that of the calibration scores.
type Distribution struct{ sorted []float64 }

// New takes the scores, in any order. It is an error if there are none, or one is NaN or infinite.
func New(scores []float64) (*Distribution, error) {
	if len(scores) == 0 {
		return nil, errors.New("conformal: no calibration scores")
	}
	for i, s := range scores {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			return nil, fmt.Errorf("conformal: calibration score %d of %d is %v", i, len(scores), s)
		}
	}
	return &Distribution{slices.Sorted(slices.Values(scores))}, nil
}

// Scores are the calibration scores, ascending. They must not be changed.
func (d *Distribution) Scores() []float64 { return d.sorted }

// P is the conformal p-value of a score: the fraction of images that score as high or higher, counting the image itself.
func (d *Distribution) P(score float64) float64 {
	below, _ := slices.BinarySearch(d.sorted, score)
	return d.p(len(d.sorted) - below)
}

// p is the p-value of a score with so many calibration scores at or above it.
func (d *Distribution) p(atOrAbove int) float64 {
	return float64(1+atOrAbove) / float64(len(d.sorted)+1)
}

// Smallest is the smallest p-value there can be, 1/(n+1): at a lower rate nothing is ever called out of distribution.
func (d *Distribution) Smallest() float64 { return d.p(0) }

// Needed is the least number of calibration scores with which a rate can be had at all: 1/(n+1) ≤ rate.
func Needed(rate float64) int { return int(math.Ceil(1/rate-1e-9)) - 1 }

// allowed is the largest k with k/(n+1) ≤ rate: p ≤ rate if fewer than k calibration scores are at or above.
func (d *Distribution) allowed(rate float64) int {
	k := 0
	for k <= len(d.sorted) && d.p(k) <= rate {
		k++
	}
	return k
}

// Threshold is the score beyond which p ≤ rate: exactly the scores above it are called out of distribution. It is +Inf if none is.
func (d *Distribution) Threshold(rate float64) float64 {
	switch k, n := d.allowed(rate), len(d.sorted); {
	case k == 0:
		return math.Inf(1)
	case k > n:
		return math.Inf(-1)
	default:
		return d.sorted[n-k]
	}
}

// FalseAlarms is where the false-alarm rate of these calibration scores lies with the given confidence when p ≤ rate is called out of
// distribution. Over all sets of n calibration images it has the distribution Beta(k, n+1-k), k = ⌊rate (n+1)⌋, with mean k/(n+1) ≤ rate,
// if no two scores are alike (with ties it is lower): the range is between its quantiles (1 ∓ confidence)/2.
func (d *Distribution) FalseAlarms(rate, confidence float64) (low, high float64) {
	k, n := d.allowed(rate), len(d.sorted)
	switch {
	case k == 0:
		return 0, 0
	case k > n:
		return 1, 1
	}
	quantile := func(q float64) float64 { return mathext.InvRegIncBeta(float64(k), float64(n+1-k), q) }
	return quantile((1 - confidence) / 2), quantile((1 + confidence) / 2)
}

// Conditional makes of a p-value of this distribution one that is valid for the calibration scores at hand: with probability 1-δ over
// calibration images, P(Conditional(p) ≤ α | calibration images) ≤ α for all α at once. It is larger than p, the more so the fewer
// images. Source: Bates et al. (2023), the Simes adjustment with k = n/2:
//
//	h(i/(n+1)) = 1 - δ^{1/k} ((n+1-i) ··· (n+1-i-k+1) / (n ··· (n-k+1)))^{1/k},    h(1) = 1
func (d *Distribution) Conditional(p, delta float64) float64 {
	n := len(d.sorted)
	k := max(1, n/2)
	i := int(math.Round(p * float64(n+1)))
	if i > n+1-k {
		return 1 // a factor of the product is 0
	}
	falling := func(m int) float64 { // log m!/(m-k)!
		a, _ := math.Lgamma(float64(m + 1))
		b, _ := math.Lgamma(float64(m - k + 1))
		return a - b
	}
	return -math.Expm1((math.Log(delta) + falling(n+1-i) - falling(n)) / float64(k))
}
