package benchmark

// This file says how far the figures of detection can be trusted: their confidence intervals, by the bootstrap (Efron and
// Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). Images of each kind are drawn again from those there are, with
// replacement and as many, and the figures computed anew; the interval at level 1-α goes from the α/2 to the 1-α/2 quantile of what
// comes out.
//
// Left at that, an interval would be sure of what it cannot know: where no outlier overlaps with the in-distribution images, none does in any
// resample, and the interval of an AUROC of 1 would be a point. So the images drawn from are those there are and one more of each
// kind, which nobody has seen: for the pessimistic end as wrong as can be (an in-distribution image above all scores, an outlier below them),
// for the optimistic end as right as can be. Among n images this moves the ends by about 1/n, and where nothing overlaps
// it leaves the doubt of the rule of three (Hanley and Lippman-Hand 1983): about 3/n of each kind may still be on the wrong side.
//
// Shares of images, which need no such care, have exact intervals.

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"

	"github.com/joule-ebm/joule/engine/rng"
)

// An Interval is a confidence interval, from its low to its high end.
type Interval [2]float64

// Proportion is the interval of the probability of what came true k times in n, by Clopper and Pearson (1934): from the (1-level)/2
// quantile of Beta(k, n-k+1), 0 where k is 0, to the (1+level)/2 quantile of Beta(k+1, n-k), 1 where k is n. At least so many of such
// intervals as the level says hold the probability, whatever it is.
func Proportion(k, n int, level float64) Interval {
	interval := Interval{0, 1}
	if k > 0 {
		interval[0] = mathext.InvRegIncBeta(float64(k), float64(n-k+1), (1-level)/2)
	}
	if k < n {
		interval[1] = mathext.InvRegIncBeta(float64(k+1), float64(n-k), (1+level)/2)
	}
	return interval
}

// Intervals are confidence intervals for the figures of a [Detection], each for itself.
type Intervals struct {
	Level     float64  `json:"level"`     // 0.95: of 100 such intervals about 95 hold the true value
	Resamples int      `json:"resamples"` // of the bootstrap
	AUROC     Interval `json:"auroc"`
	AUPR      Interval `json:"aupr"`
	AUPRIn    Interval `json:"aupr_in"`
	FPR95     Interval `json:"fpr95"`
}

// Bootstrap computes confidence intervals at the given level, such as 0.95, for what [Detect] says of the same scores. They
// depend on the arguments alone: equal streams give equal intervals. At least 10 resamples are needed; 1000 leave the ends uncertain by
// a few per cent of the interval's width. Errors are those of Detect, and that of a context that is done.
func Bootstrap(ctx context.Context, in, out []float64, level float64, resamples int, s *rng.Stream) (Intervals, error) {
	return bootstrap(ctx, in, out, level, resamples, s.IntN)
}

// bootstrap takes its random numbers from draw: for each resample, as many as in and out have images, and one more each, below just
// that number. The last number stands for the image nobody has seen.
func bootstrap(ctx context.Context, in, out []float64, level float64, resamples int, draw func(n int) int) (Intervals, error) {
	if !(level > 0 && level < 1) || resamples < 10 || resamples > 1e6 {
		return Intervals{}, fmt.Errorf("benchmark: intervals at level %v from %d resamples: want a level between 0 and 1, and 10 to a million resamples",
			level, resamples)
	}
	steps, err := thresholds(in, out)
	if err != nil {
		return Intervals{}, err
	}
	// Above and below the scores there are, steps for the images nobody has seen.
	ladder := slices.Concat([]step{{score: math.Inf(1)}}, steps, []step{{score: math.Inf(-1)}})
	top, bottom := &ladder[0], &ladder[len(ladder)-1]
	atIn, atOut := places(ladder, in), places(ladder, out)
	worst, best := make([]figures, resamples), make([]figures, resamples)
	for r := range resamples {
		if err := ctx.Err(); err != nil {
			return Intervals{}, err
		}
		for i := range ladder {
			ladder[i].in, ladder[i].out = 0, 0
		}
		unseenIn, unseenOut := 0, 0
		for range len(in) + 1 {
			if i := draw(len(in) + 1); i < len(in) {
				ladder[atIn[i]].in++
			} else {
				unseenIn++
			}
		}
		for range len(out) + 1 {
			if i := draw(len(out) + 1); i < len(out) {
				ladder[atOut[i]].out++
			} else {
				unseenOut++
			}
		}
		top.in, bottom.out = unseenIn, unseenOut
		worst[r] = rank(ladder)
		top.in, top.out, bottom.in, bottom.out = 0, unseenOut, unseenIn, 0
		best[r] = rank(ladder)
	}
	between := func(low, high []figures, of func(figures) float64) Interval {
		return Interval{quantile(low, (1-level)/2, of), quantile(high, (1+level)/2, of)}
	}
	return Intervals{
		Level: level, Resamples: resamples,
		AUROC:  between(worst, best, func(f figures) float64 { return f.auroc }),
		AUPR:   between(worst, best, func(f figures) float64 { return f.aupr }),
		AUPRIn: between(worst, best, func(f figures) float64 { return f.auprIn }),
		FPR95:  between(best, worst, func(f figures) float64 { return f.fpr95 }), // the lower the better
	}, nil
}

// places are the indices of the scores' steps.
func places(steps []step, scores []float64) []int {
	at := make([]int, len(scores))
	for i, e := range scores {
		at[i], _ = slices.BinarySearchFunc(steps, e, func(s step, e float64) int { return descending(s.score, e) })
	}
	return at
}

// quantile interpolates linearly between the values in order, as NumPy does by default.
func quantile(results []figures, q float64, of func(figures) float64) float64 {
	values := make([]float64, len(results))
	for i, f := range results {
		values[i] = of(f)
	}
	slices.Sort(values)
	at := q * float64(len(values)-1)
	i := min(int(at), len(values)-2)
	return values[i] + (at-float64(i))*(values[i+1]-values[i])
}
