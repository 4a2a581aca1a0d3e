package likelihood

// This file turns weights into estimates with intervals, and these into the likelihood of images.
//
// A model of 8-bit images u gives each the mass of its bin, P(u) = ∫ p(x) dx over x in [u, u+1)/256, and by Jensen's inequality
//
//	log P(u) ≥ E[log p(x)] - d log 256        x = (u + U(0, 1))/256,
//
// so that the bits per dimension of dequantised images bound those of the images from above. Source: Theis, van den Oord and Bethge,
// "A note on the evaluation of generative models" (2016). The uniform distribution has exactly 8 bits per dimension.

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"github.com/joule-ebm/joule/engine/rng"
)

// Estimate is one of log Z, in nats.
type Estimate struct {
	LogZ float64 `json:"log_z"`
	// Low and High are a 95% interval for the chance in the chains: percentiles of the estimate over resampled chains (bootstrap). It
	// knows nothing of regions that no chain has found.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Effective is (Σw)²/Σw²: how many chains of equal weight the estimate is worth.
	Effective float64 `json:"effective_chains"`
	Chains    int     `json:"chains"`
	// Spread is the standard deviation of the chains' log w. Where it is far above 1 the estimate is far from log Z.
	Spread     float64 `json:"spread"`
	Acceptance float64 `json:"acceptance"`
}

// resamples is the number of bootstrap samples.
const resamples = 2000

// Up is the estimate of a run up: too low on average.
func (r Run) Up(seed uint64) Estimate { return r.estimate(1, seed) }

// Down is the estimate of a run down: too high on average, if the chains started from samples of the model.
func (r Run) Down(seed uint64) Estimate { return r.estimate(-1, seed) }

// estimate is sign times the logarithm of the mean weight.
func (r Run) estimate(sign float64, seed uint64) Estimate {
	n := len(r.Weights)
	e := Estimate{LogZ: sign * logMean(r.Weights), Chains: n, Acceptance: r.Acceptance}
	twice := make([]float64, n)
	floats.AddScaled(twice, 2, r.Weights)
	e.Effective = math.Exp(2*floats.LogSumExp(r.Weights) - floats.LogSumExp(twice))
	e.Spread = stat.PopStdDev(r.Weights, nil)

	s := rng.New(seed, streamBootstrap)
	values, sample := make([]float64, resamples), make([]float64, n)
	for i := range values {
		for j := range sample {
			sample[j] = r.Weights[s.IntN(n)]
		}
		values[i] = sign * logMean(sample)
	}
	slices.Sort(values)
	e.Low = stat.Quantile(0.025, stat.LinInterp, values, nil)
	e.High = stat.Quantile(0.975, stat.LinInterp, values, nil)
	return e
}

// Likelihood is that of images under a model at one temperature, in nats and in bits per dimension of 8-bit images. Low and High
// take in both estimates of log Z with their intervals, and a 95% interval of the images' mean energy.
type Likelihood struct {
	LogLikelihood float64 `json:"log_likelihood"` // mean over the images, nats, of a density on [0, 1]^d
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
	Bits          float64 `json:"bits_per_dimension"` // lower is better; uniform noise has 8
	BitsLow       float64 `json:"bits_low"`
	BitsHigh      float64 `json:"bits_high"`
}

// Of is the likelihood of images with the given energies and d dimensions, at the inverse temperature beta. The value itself takes
// log Z halfway between the two estimates.
func Of(energies []float64, d int, beta float64, up, down Estimate) (Likelihood, error) {
	if len(energies) < 2 || d < 1 {
		return Likelihood{}, errors.New("likelihood: too few images: want 2 or more")
	}
	mean, sd := stat.MeanStdDev(energies, nil)
	const normal95 = 1.96
	margin := normal95 * beta * sd / math.Sqrt(float64(len(energies)))
	l := Likelihood{
		LogLikelihood: -beta*mean - (up.LogZ+down.LogZ)/2,
		Low:           -beta*mean - margin - max(up.High, down.High),
		High:          -beta*mean + margin - min(up.Low, down.Low),
	}
	l.Bits, l.BitsLow, l.BitsHigh = Bits(l.LogLikelihood, d), Bits(l.High, d), Bits(l.Low, d)
	return l, nil
}

// Bits are the bits per dimension of 8-bit images that a log-likelihood of d dimensions stands for, in nats, as a density on [0, 1]^d.
func Bits(logLikelihood float64, d int) float64 { return 8 - logLikelihood/(float64(d)*math.Ln2) }
