package quality

// This file computes the Inception Score of samples with class probabilities p(y|x),
//
//	IS = exp( mean over x of KL(p(y|x) ‖ p(y)) ),    p(y) = mean over x of p(y|x)
//
// Salimans et al., "Improved techniques for training GANs", NeurIPS 2016: mean and standard deviation over splits of the samples in
// order, as the authors' code and torchmetrics have it (the deviation as torchmetrics has it, with n - 1). From 1 (nothing is sure,
// or all samples are of one class) to the number of classes (every sample sure, every class equally frequent). It looks at no data,
// and at nothing that the classifier does not: a picture of each class, repeated, has the best score.

import (
	"fmt"
	"math"
)

// Splits is the customary number of splits.
const Splits = 10

// InceptionScore is the score's mean and standard deviation over splits.
type InceptionScore struct {
	Mean   float64 `json:"mean"`
	Std    float64 `json:"std"` // 0 for a single split
	Splits int     `json:"splits"`
}

// MeasureInceptionScore computes it from N × classes probabilities, each row summing to 1, in at most so many splits.
func MeasureInceptionScore(probabilities []float32, classes, splits int) (InceptionScore, error) {
	if classes < 1 || len(probabilities) == 0 || len(probabilities)%classes != 0 || splits < 1 {
		return InceptionScore{}, fmt.Errorf("quality: %d probabilities of %d classes in %d splits: want whole rows, and at least one",
			len(probabilities), classes, splits)
	}
	n := len(probabilities) / classes
	size := (n + splits - 1) / splits
	var scores []float64
	for first := 0; first < n; first += size {
		scores = append(scores, score(probabilities[first*classes:min(n, first+size)*classes], classes))
	}
	s := InceptionScore{Splits: len(scores), Mean: total(scores) / float64(len(scores))}
	for _, v := range scores {
		s.Std += (v - s.Mean) * (v - s.Mean)
	}
	s.Std = math.Sqrt(s.Std / math.Max(1, float64(len(scores)-1)))
	return s, nil
}

// score is that of one split.
func score(p []float32, classes int) float64 {
	n := float64(len(p) / classes)
	marginal := make([]float64, classes)
	for i, v := range p {
		marginal[i%classes] += float64(v) / n
	}
	kl := 0.0
	for i, v := range p {
		if v > 0 {
			kl += float64(v) * math.Log(float64(v)/marginal[i%classes]) / n
		}
	}
	return math.Exp(kl)
}
