package study

// This file asks how surely a configuration differs from another: trainings with the same seed make a pair, which has the same first
// weights and the same order of images, and the differences d of n pairs are taken for a sample of a normal distribution,
//
//	t = d̄ / (s/√n),    with n - 1 degrees of freedom
//
// Student, "The probable error of a mean", Biometrika 1908. With two or three pairs only large differences can be seen; p-values are those
// of single comparisons: of twenty columns in which nothing differs, one falls below 0.05.

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Difference is by how much a configuration's figure is above the first one's, over pairs of equal seeds.
type Difference struct {
	Row    string  `json:"row"`    // the configuration
	Column string  `json:"column"` // the figure
	Pairs  int     `json:"pairs"`  // two or more
	Mean   float64 `json:"mean"`
	*Significance
}

// Significance is that of a mean of differences. There is none of differences that are all alike, as a few pairs of figures that count
// something can be by chance: how much they vary is then not known.
type Significance struct {
	// Low and High are a 95% interval, P the probability of a mean as far from 0 if there were no difference.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	P    float64 `json:"p"`
}

// rounding is how far apart figures may be, as a share of them, that are alike.
const rounding = 1e-9

// paired compares figures, pair by pair; false with fewer than two.
func paired(figures, first []float64) (d Difference, ok bool) {
	n := len(figures)
	if n < 2 {
		return d, false
	}
	differences, largest := make([]float64, n), 0.0
	for i := range figures {
		differences[i] = figures[i] - first[i]
		largest = max(largest, math.Abs(figures[i]), math.Abs(first[i]))
	}
	d.Pairs = n
	mean, sd := stat.MeanStdDev(differences, nil)
	if d.Mean = mean; sd > rounding*largest {
		student, deviation := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}, sd/math.Sqrt(float64(n))
		reach := student.Quantile(0.975) * deviation
		d.Significance = &Significance{mean - reach, mean + reach, 2 * student.Survival(math.Abs(mean)/deviation)}
	}
	return d, true
}
