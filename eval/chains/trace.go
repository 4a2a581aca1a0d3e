package chains

// This file says how many independent draws the draws of chains are worth. Of m chains of n draws of a number, with W the mean of
// their variances and B/n the variance of their means,
//
//	V = (n-1)/n W + B/n        ρ(t) = 1 - (W - mean autocovariance at lag t)/V        τ = 1 + 2 Σ ρ(t)        R̂ = √(V/W)
//
// τ is the number of draws that one independent draw costs, and n·m/τ the effective sample size; the sum ends where that of a pair
// of neighbouring lags turns negative, and pairs are made to fall (Geyer, "Practical Markov chain Monte Carlo", 1992). R̂ is 1 where
// chains agree and grows where each stays in a place of its own. As in Stan each chain counts as two halves, so that drift is
// disagreement too: Gelman and others, "Bayesian Data Analysis" (third edition), sections 11.4 and 11.5.
//
// Figures agree with those of ArviZ: ess(method="mean"), rhat(method="split").

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/stat"
)

// Trace says how well chains have mixed, as seen in one number of their states.
type Trace struct {
	Name      string  `json:"name"`
	Mean      float64 `json:"mean"`
	Std       float64 `json:"std"`
	Draws     int     `json:"draws"` // of all chains
	Effective float64 `json:"effective"`
	RHat      float64 `json:"r_hat"` // 0 if it is not defined: the number never changes
	// Autocorrelation is ρ by lag in draws, from 1 at lag 0; it falls to 0 only where all chains are alike.
	Autocorrelation []float64 `json:"autocorrelation"`
}

// leastDraws is how many draws a chain needs.
const leastDraws = 8

// NewTrace diagnoses chains of one number, all of the same length.
func NewTrace(name string, draws [][]float64) (Trace, error) {
	if len(draws) == 0 || len(draws[0]) < leastDraws {
		return Trace{}, fmt.Errorf("chains: too few draws: want %d or more of each chain", leastDraws)
	}
	var all []float64
	for i, chain := range draws {
		if len(chain) != len(draws[0]) {
			return Trace{}, errors.New("chains: chains of different lengths")
		}
		for _, x := range chain {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return Trace{}, fmt.Errorf("chains: %s of chain %d is %v: has the model diverged?", name, i, x)
			}
		}
		all = append(all, chain...)
	}
	t := Trace{Name: name, Draws: len(all)}
	t.Mean, t.Std = stat.MeanStdDev(all, nil)
	var halves [][]float64
	half := len(draws[0]) / 2
	for _, chain := range draws {
		halves = append(halves, chain[:half], chain[len(chain)-half:])
	}
	within, total := variances(halves)
	if within <= 0 {
		// Nothing ever moves: a draw of each chain is all there is, and one if they are all alike.
		t.Effective, t.Autocorrelation = 1, []float64{1}
		if total > 0 {
			t.Effective = float64(len(draws))
		}
		return t, nil
	}
	t.RHat = math.Sqrt(total / within)
	t.Autocorrelation = autocorrelation(halves, within, total)
	counted := 2 * half * len(draws)
	t.Effective = float64(counted) / integrated(t.Autocorrelation, counted)
	return t, nil
}

// variances are W and V.
func variances(chains [][]float64) (within, total float64) {
	n := float64(len(chains[0]))
	means := make([]float64, len(chains))
	for i, chain := range chains {
		mean, variance := stat.MeanVariance(chain, nil)
		means[i] = mean
		within += variance / float64(len(chains))
	}
	return within, (n-1)/n*within + stat.Variance(means, nil)
}

// autocorrelation is ρ at every lag.
func autocorrelation(chains [][]float64, within, total float64) []float64 {
	n := len(chains[0])
	rho := make([]float64, n)
	for _, chain := range chains {
		for t, c := range autocovariance(chain) {
			rho[t] += c / float64(len(chains))
		}
	}
	for t, c := range rho {
		rho[t] = 1 - (within-c)/total
	}
	rho[0] = 1
	return rho
}

// autocovariance is (1/n) Σ (x[i] - mean)(x[i+t] - mean) for every lag t, by the Fourier transform of x followed by as many zeros.
func autocovariance(x []float64) []float64 {
	n, mean := len(x), stat.Mean(x, nil)
	padded := make([]float64, 2*n)
	for i, v := range x {
		padded[i] = v - mean
	}
	fft := fourier.NewFFT(2 * n)
	c := fft.Coefficients(nil, padded)
	for i, v := range c {
		c[i] = complex(real(v)*real(v)+imag(v)*imag(v), 0)
	}
	out := fft.Sequence(nil, c)[:n]
	for t := range out {
		out[t] /= float64(2*n) * float64(n)
	}
	return out
}

// integrated is τ by Geyer's initial monotone sequence; draws is the number of all draws. It is at least 1/log₁₀ of that, so that
// alternating chains do not count for more than they can be trusted with.
func integrated(rho []float64, draws int) float64 {
	n := len(rho)
	kept := make([]float64, n)
	kept[0], kept[1] = 1, rho[1]
	even, odd, t := 1.0, rho[1], 1
	for ; t < n-3 && even+odd > 0; t += 2 {
		if even, odd = rho[t+1], rho[t+2]; even+odd >= 0 {
			kept[t+1], kept[t+2] = even, odd
		}
	}
	last := t - 2
	if even > 0 {
		kept[last+1] = even
	}
	for t := 1; t <= last-2; t += 2 {
		if kept[t+1]+kept[t+2] > kept[t-1]+kept[t] {
			kept[t+1] = (kept[t-1] + kept[t]) / 2
			kept[t+2] = kept[t+1]
		}
	}
	tau := -1 + kept[last+1]
	for _, r := range kept[:last+1] {
		tau += 2 * r
	}
	return max(tau, 1/math.Log10(float64(draws)))
}
