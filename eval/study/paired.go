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
	Pairs  int     `json:"pairs"`
	Mean   float64 `json:"mean"`
	// Low and High are a 95% interval, P the probability of a mean as far from 0 if there were no difference. All are of two or more pairs.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	P    float64 `json:"p"`
}

// paired compares figures, pair by pair; false with fewer than two.
func paired(figures, first []float64) (d Difference, ok bool) {
	n := len(figures)
	if n < 2 {
		return d, false
	}
	differences := make([]float64, n)
	for i := range figures {
		differences[i] = figures[i] - first[i]
	}
	d.Pairs = n
	mean, sd := stat.MeanStdDev(differences, nil)
	student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}
	reach := student.Quantile(0.975) * sd / math.Sqrt(float64(n))
	d.Mean, d.Low, d.High, d.P = mean, mean-reach, mean+reach, 1
	switch {
	case sd > 0:
		d.P = 2 * student.Survival(math.Abs(mean)/(sd/math.Sqrt(float64(n))))
	case mean != 0:
		d.P = 0
	}
	return d, true
}
