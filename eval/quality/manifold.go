package quality

// This file asks how much of the samples lies where the data do, and the other way round. The place of a set X is the union of balls
// around its points, each as wide as the distance to its k-th nearest neighbour in X, NN_k. With samples Y and data X:
//
//	precision = share of y in a ball of the data         recall   = share of x in a ball of the samples
//	density   = mean over y of (data's balls y is in)/k  coverage = share of x with a sample nearer than NN_k(x)
//
// Kynkäänniemi et al., "Improved precision and recall metric for assessing generative models", NeurIPS 2019; Naeem et al., "Reliable
// fidelity and diversity metrics for generative models", ICML 2020, whose package prdc this agrees with. Density and coverage
// withstand outliers, which make balls so large that precision and recall saturate. All depend on the number of images; coverage
// also on the ratio of the two numbers, so equally many of both are compared. The intervals take the balls as given: Wilson's for
// shares, the normal one for density.

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Neighbours is the customary k.
const Neighbours = 5

// Manifold says how samples and data overlap: 1 is best; density may exceed it.
type Manifold struct {
	Precision  Estimate `json:"precision"`
	Recall     Estimate `json:"recall"`
	Density    Estimate `json:"density"`
	Coverage   Estimate `json:"coverage"`
	Neighbours int      `json:"neighbours"` // k
	Images     int      `json:"images"`     // of samples, and of data
}

// MeasureManifold compares the first images of samples and data, as many as the fewer of the two, more than k.
func MeasureManifold(ctx context.Context, samples, data Features, k int) (Manifold, error) {
	return work{ctx: ctx}.manifold(samples, data, k)
}

func (w work) manifold(samples, data Features, k int) (Manifold, error) {
	if k < 1 {
		return Manifold{}, fmt.Errorf("quality: %d nearest neighbours: want at least 1", k)
	}
	if err := check(samples, data, k+1); err != nil {
		return Manifold{}, err
	}
	n := min(samples.Len(), data.Len())
	samples, data = samples.first(n), data.first(n)
	m := Manifold{Neighbours: k, Images: samples.Len()}
	radiusX, err := w.radii(data, k)
	if err != nil {
		return m, err
	}
	radiusY, err := w.radii(samples, k)
	if err != nil {
		return m, err
	}
	recalled, covered := make([]bool, data.Len()), make([]bool, data.Len())
	balls := make([]float64, samples.Len()) // of the data, around each sample
	err = w.distances(data, samples, false, func(x, y int, squared float64) {
		if squared < radiusX[x] {
			balls[y]++
			covered[x] = true
		}
		if squared < radiusY[y] {
			recalled[x] = true
		}
	})
	precise := make([]bool, len(balls))
	mean, squares := 0.0, 0.0
	for y, b := range balls {
		precise[y] = b > 0
		mean += b / float64(k) / float64(len(balls))
	}
	for _, b := range balls {
		squares += (b/float64(k) - mean) * (b/float64(k) - mean)
	}
	count := float64(len(balls))
	m.Density = Estimate{mean, normal(mean, math.Sqrt(squares/(count-1)/count))}
	m.Precision, m.Recall, m.Coverage = share(precise), share(recalled), share(covered)
	return m, err
}

// share is the share of what is true, with Wilson's interval.
func share(is []bool) Estimate {
	n, count := float64(len(is)), 0.0
	for _, b := range is {
		if b {
			count++
		}
	}
	const z2 = 1.959963984540054 * 1.959963984540054
	p := count / n
	centre, half := (count+z2/2)/(n+z2), math.Sqrt(z2)/(n+z2)*math.Sqrt(n*p*(1-p)+z2/4)
	return Estimate{p, &Interval{max(0, centre-half), min(1, centre+half)}}
}

// radii are the squared distances of each row to its k-th nearest other.
func (w work) radii(f Features, k int) ([]float64, error) {
	nearest := make([][]float64, f.Len()) // k at most, ascending
	see := func(i int, squared float64) {
		near := nearest[i]
		if len(near) == k && squared >= near[k-1] {
			return
		}
		at, _ := slices.BinarySearch(near, squared)
		near = slices.Insert(near, at, squared)
		nearest[i] = near[:min(len(near), k)]
	}
	err := w.distances(f, f, true, func(i, j int, squared float64) {
		see(i, squared)
		see(j, squared)
	})
	radius := make([]float64, f.Len())
	for i, near := range nearest {
		if len(near) == k { // but where the work was stopped
			radius[i] = near[k-1]
		}
	}
	return radius, err
}
