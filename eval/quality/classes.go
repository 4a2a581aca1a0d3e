package quality

// This file asks which classes samples show, in the eyes of a classifier, against the classes of images: are modes missing?

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Classes says how samples spread over classes. Each counts for the class that the classifier finds likeliest, even if it shows
// nothing: read Sure first.
type Classes struct {
	Counts  []int     `json:"counts"`  // of the samples in each class
	Shares  []float64 `json:"shares"`  // of the images in each class
	Covered int       `json:"covered"` // classes of which there are samples: at least a tenth of the images' share
	// Entropy is that of the samples' classes, Σ -pᵢ log pᵢ in nats; EntropyImages that of the images'. exp(Entropy) is a number of
	// classes.
	Entropy       float64 `json:"entropy"`
	EntropyImages float64 `json:"entropy_images"`
	// Sure is the share of samples of which the classifier is sure: a probability of 0.9 or more. SureImages is that of images.
	Sure       float64 `json:"sure"`
	SureImages float64 `json:"sure_images"`
	// P is the probability of shares as unlike as these if samples and images had the same distribution over the classes (χ² test of
	// homogeneity). It assumes independent samples.
	P float64 `json:"p"`
}

const (
	surely       = 0.9
	coveredShare = 0.1
)

// MeasureClasses compares the class probabilities of samples with those of images, one row of the given number of classes each.
func MeasureClasses(samples, images []float32, classes int) (Classes, error) {
	if classes < 2 || len(samples) == 0 || len(images) == 0 || len(samples)%classes != 0 || len(images)%classes != 0 {
		return Classes{}, fmt.Errorf("quality: %d and %d probabilities of %d classes: want whole rows, at least one of each",
			len(samples), len(images), classes)
	}
	counts, sure := count(samples, classes)
	others, sureImages := count(images, classes)
	n, m := float64(len(samples)/classes), float64(len(images)/classes)
	c := Classes{Counts: counts, Sure: float64(sure) / n, SureImages: float64(sureImages) / m}
	shares := make([]float64, classes)
	statistic, present := 0.0, -1
	for k := range classes {
		shares[k] = float64(counts[k]) / n
		share := float64(others[k]) / m
		c.Shares = append(c.Shares, share)
		if counts[k] > 0 && shares[k] >= coveredShare*share {
			c.Covered++
		}
		if both := float64(counts[k] + others[k]); both > 0 {
			present++
			d := math.Sqrt(m/n)*float64(counts[k]) - math.Sqrt(n/m)*float64(others[k])
			statistic += d * d / both
		}
	}
	c.Entropy, c.EntropyImages, c.P = stat.Entropy(shares), stat.Entropy(c.Shares), 1
	if present > 0 {
		c.P = distuv.ChiSquared{K: float64(present)}.Survival(statistic)
	}
	if math.IsNaN(c.P) {
		return c, errors.New("quality: the classes cannot be compared")
	}
	return c, nil
}

// ClassEntropy is the entropy in nats of the classes that images show, each the likeliest of its row of probabilities.
func ClassEntropy(probabilities []float32, classes int) float64 {
	counts, _ := count(probabilities, classes)
	shares := make([]float64, classes)
	for k, n := range counts {
		shares[k] = float64(n) * float64(classes) / float64(len(probabilities))
	}
	return stat.Entropy(shares)
}

// count is how many rows are of each class, and how many surely so.
func count(probabilities []float32, classes int) (counts []int, sure int) {
	counts = make([]int, classes)
	for row := range slices.Chunk(probabilities, classes) {
		best := 0
		for k, p := range row {
			if p > row[best] {
				best = k
			}
		}
		counts[best]++
		if row[best] >= surely {
			sure++
		}
	}
	return counts, sure
}
