package benchmark

// This file measures out-of-distribution detection. An image has a score s, high where it is out of distribution, such as its energy. It
// is flagged as an outlier when its score is at or above a threshold, and every figure here is exact for the images given: no figure
// depends on the order of equal scores, and none interpolates between thresholds. Figures agree with those of scikit-learn's
// roc_auc_score, average_precision_score and roc_curve.

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Detection says how well scores tell outliers (out) from in-distribution images (in).
type Detection struct {
	// AUROC is P(s(out) > s(in)) + ½ P(s(out) = s(in)) for a random pair, the area under the ROC curve. Chance is 0.5.
	AUROC float64 `json:"auroc"`

	// AUPR is the average precision with outliers as the positive class: Σ (Rₖ - Rₖ₋₁) Pₖ over distinct scores from high to
	// low, with Rₖ and Pₖ the recall and precision when all scores ≥ the k-th are flagged.
	// Chance is the share of outliers, NumOut/(NumIn+NumOut).
	AUPR float64 `json:"aupr"`

	// AUPRIn is the average precision with in-distribution images as the positive class, by -s.
	// Chance is NumIn/(NumIn+NumOut).
	AUPRIn float64 `json:"aupr_in"`

	// FPR95 is the false positive rate at 95% true positive rate as the literature on out-of-distribution detection has
	// it (Hendrycks and Gimpel 2017; Liang et al. 2018), in-distribution images being the positives: the fraction of outliers
	// accepted when 95% of in-distribution images are. An image is accepted when s ≤ t, where t is the lowest in-distribution
	// score with at least 95% of the in-distribution scores ≤ t. Outliers tied with t are thus accepted, and with ties
	// at t more than 95% may be. Chance is 0.95; lower is better.
	FPR95 float64 `json:"fpr95"`

	NumIn  int `json:"num_in"`
	NumOut int `json:"num_out"`

	// The median of an even number of scores is the mean of the middle two.
	MeanIn    float64 `json:"mean_in"`
	MeanOut   float64 `json:"mean_out"`
	MedianIn  float64 `json:"median_in"`
	MedianOut float64 `json:"median_out"`
}

// Detect compares the scores of in-distribution images with those of outliers. It is an error if either slice is empty or
// holds NaN or an infinity. The slices are left as they are.
func Detect(in, out []float64) (Detection, error) {
	steps, err := thresholds(in, out)
	if err != nil {
		return Detection{}, err
	}
	f := rank(steps)
	d := Detection{AUROC: f.auroc, AUPR: f.aupr, AUPRIn: f.auprIn, FPR95: f.fpr95, NumIn: len(in), NumOut: len(out)}
	d.MeanIn, d.MedianIn = centre(in)
	d.MeanOut, d.MedianOut = centre(out)
	return d, nil
}

// figures are those of a [Detection] that depend on the order of the scores alone.
type figures struct{ auroc, aupr, auprIn, fpr95 float64 }

// rank computes the figures of steps from high to low, with an image of each kind at least.
func rank(steps []step) (f figures) {
	var totalIn, totalOut int
	for _, s := range steps {
		totalIn += s.in
		totalOut += s.out
	}
	numIn, numOut := float64(totalIn), float64(totalOut)

	// Flag from the highest score down. wins counts pairs twice, so that a tie's half is whole.
	var wins, flaggedIn, flaggedOut int
	for _, s := range steps {
		wins += s.in * (2*flaggedOut + s.out)
		flaggedIn += s.in
		flaggedOut += s.out
		if s.out > 0 {
			f.aupr += float64(s.out) / numOut * float64(flaggedOut) / float64(flaggedIn+flaggedOut)
		}
	}
	f.auroc = float64(wins) / 2 / numIn / numOut

	// Accept from the lowest score up; need is 95% of the in-distribution images, rounded up.
	var acceptedIn, acceptedOut int
	need := totalIn - totalIn/20
	for _, s := range slices.Backward(steps) {
		acceptedOut += s.out
		if acceptedIn < need {
			f.fpr95 = float64(acceptedOut) / numOut
		}
		acceptedIn += s.in
		if s.in > 0 {
			f.auprIn += float64(s.in) / numIn * float64(acceptedIn) / float64(acceptedIn+acceptedOut)
		}
	}
	return f
}

// A ROCPoint is one threshold of the ROC curve, with outliers as the positive class: images of score ≥ Threshold are flagged.
type ROCPoint struct {
	Threshold float64 `json:"threshold"`
	FPR       float64 `json:"fpr"` // fraction of in-distribution images flagged
	TPR       float64 `json:"tpr"` // fraction of outliers flagged
}

// ROC returns the whole curve from (0,0), with a threshold just above the highest score, to (1,1): a point for each distinct
// score, from high to low. Errors are those of [Detect].
func ROC(in, out []float64) ([]ROCPoint, error) {
	steps, err := thresholds(in, out)
	if err != nil {
		return nil, err
	}
	curve := []ROCPoint{{Threshold: math.Nextafter(steps[0].score, math.Inf(1))}}
	var flaggedIn, flaggedOut int
	for _, s := range steps {
		flaggedIn += s.in
		flaggedOut += s.out
		curve = append(curve, ROCPoint{
			Threshold: s.score,
			FPR:       float64(flaggedIn) / float64(len(in)),
			TPR:       float64(flaggedOut) / float64(len(out)),
		})
	}
	return curve, nil
}

// A step is one distinct score and how many images have it.
type step struct {
	score   float64
	in, out int
}

// thresholds lists the distinct scores from high to low.
func thresholds(in, out []float64) ([]step, error) {
	if err := finite("in-distribution", in); err != nil {
		return nil, err
	}
	if err := finite("outlier", out); err != nil {
		return nil, err
	}
	steps := make([]step, 0, len(in)+len(out))
	for _, e := range in {
		steps = append(steps, step{score: e, in: 1})
	}
	for _, e := range out {
		steps = append(steps, step{score: e, out: 1})
	}
	slices.SortFunc(steps, func(a, b step) int { return descending(a.score, b.score) })
	distinct := steps[:1]
	for _, s := range steps[1:] {
		if last := &distinct[len(distinct)-1]; s.score == last.score {
			last.in += s.in
			last.out += s.out
		} else {
			distinct = append(distinct, s)
		}
	}
	return distinct, nil
}

// descending orders finite scores and infinities from high to low.
func descending(a, b float64) int { return cmp.Compare(b, a) }

// finite says what is wrong with the scores of one kind, if anything.
func finite(kind string, scores []float64) error {
	if len(scores) == 0 {
		return errors.New("benchmark: no " + kind + " scores")
	}
	for i, e := range scores {
		if math.IsNaN(e) || math.IsInf(e, 0) {
			return fmt.Errorf("benchmark: %s score %d of %d is %v: the scores must be finite (has the model diverged?)", kind, i, len(scores), e)
		}
	}
	return nil
}

// centre returns the mean and the median of at least one score. Both stay finite however large the scores are.
func centre(scores []float64) (mean, median float64) {
	for _, e := range scores {
		mean += e / float64(len(scores))
	}
	sorted := slices.Sorted(slices.Values(scores))
	n := len(sorted)
	return mean, sorted[(n-1)/2]/2 + sorted[n/2]/2
}
