package quality

// This file computes the kernel distance, KID where the features are Inception's: the unbiased estimate of the squared maximum mean
// discrepancy with a cubic kernel,
//
//	MMD² = Σ_{i≠j} k(xᵢ, xⱼ)/(n(n-1)) + Σ_{i≠j} k(yᵢ, yⱼ)/(m(m-1)) - 2 Σ_ij k(xᵢ, yⱼ)/(nm),    k(x, y) = (⟨x, y⟩/dim + 1)³
//
// Bińkowski et al., "Demystifying MMD GANs", ICLR 2018; Gretton et al. 2012. Being unbiased it may be negative where the two are
// alike, and its expectation does not depend on the number of images.
//
// The figure is of all images. Its standard error is the jackknife's, over single images: with row sums r of the kernel at hand,
// the estimate without image i takes no further kernels, and the error is one of the figure itself. (The subsets that others
// average over share images, so that their spread is no error of the mean; bootstrap copies of an image would meet
// themselves in Σ_{i≠j}.) Customary too, and therefore here: mean and standard deviation over random subsets.

import (
	"context"
	"math"

	"github.com/joule-ebm/joule/rng"
)

// KID is the kernel distance of samples from data: 0 is alike.
type KID struct {
	Value    float64   `json:"value"` // of all images
	Interval *Interval `json:"interval"`

	// SubsetMean and SubsetStd are over Subsets random subsets of SubsetSize images of each, the spread being the population's, as
	// torchmetrics and torch-fidelity report KID.
	SubsetMean float64 `json:"subset_mean"`
	SubsetStd  float64 `json:"subset_std"`
	Subsets    int     `json:"subsets"`
	SubsetSize int     `json:"subset_size"`
}

const (
	kidSubsets    = 100
	kidSubsetSize = 1000 // at most half the images, so that subsets differ
)

// MeasureKID compares at least four samples with at least four images of data.
func MeasureKID(ctx context.Context, samples, data Features, seed uint64) (KID, error) {
	if err := check(samples, data, 4); err != nil {
		return KID{}, err
	}
	value, variance, err := mmd(ctx, samples, data)
	if err != nil {
		return KID{}, err
	}
	k := KID{Value: value, Interval: normal(value, math.Sqrt(variance)), Subsets: kidSubsets}
	k.SubsetSize = min(kidSubsetSize, samples.Len()/2, data.Len()/2)
	values := make([]float64, k.Subsets)
	for s := range values {
		x, y := rng.New(seed, uint64(s), 0), rng.New(seed, uint64(s), 1)
		if values[s], _, err = mmd(ctx, subset(samples, k.SubsetSize, &x), subset(data, k.SubsetSize, &y)); err != nil {
			return k, err
		}
		k.SubsetMean += values[s] / float64(k.Subsets)
	}
	for _, v := range values {
		k.SubsetStd += (v - k.SubsetMean) * (v - k.SubsetMean) / float64(k.Subsets)
	}
	k.SubsetStd = math.Sqrt(k.SubsetStd)
	return k, nil
}

// subset draws n different rows.
func subset(f Features, n int, s *rng.Stream) Features {
	order := make([]int, f.Len())
	for i := range order {
		order[i] = i
	}
	out := Features{Dim: f.Dim}
	for i := range n {
		j := i + s.IntN(len(order)-i)
		order[i], order[j] = order[j], order[i]
		out.Values = append(out.Values, f.row(order[i])...)
	}
	return out
}

// mmd is the unbiased MMD² of at least three vectors of each, and its variance by the jackknife.
func mmd(ctx context.Context, x, y Features) (value, variance float64, err error) {
	n, m := float64(x.Len()), float64(y.Len())
	xx, yy := make([]float64, x.Len()), make([]float64, y.Len()) // row sums without the diagonal
	xy, yx := make([]float64, x.Len()), make([]float64, y.Len()) // row and column sums
	kernel := func(product float64) float64 {
		k := product/float64(x.Dim) + 1
		return k * k * k
	}
	within := func(rows []float64) func(i, j int, product float64) {
		return func(i, j int, product float64) {
			if i != j {
				rows[i] += kernel(product)
			}
		}
	}
	if err := products(ctx, x, x, within(xx)); err != nil {
		return 0, 0, err
	}
	if err := products(ctx, y, y, within(yy)); err != nil {
		return 0, 0, err
	}
	err = products(ctx, x, y, func(i, j int, product float64) {
		k := kernel(product)
		xy[i] += k
		yx[j] += k
	})
	if err != nil {
		return 0, 0, err
	}
	sxx, syy, sxy := total(xx), total(yy), total(xy)
	value = sxx/(n*(n-1)) + syy/(m*(m-1)) - 2*sxy/(n*m)
	// Without x_i: its kernels with the others are in the sum twice.
	left := func(n, m, sxx, syy float64, xx, xy []float64) float64 {
		values := make([]float64, len(xx))
		for i := range values {
			values[i] = (sxx-2*xx[i])/((n-1)*(n-2)) + syy/(m*(m-1)) - 2*(sxy-xy[i])/((n-1)*m)
		}
		_, v := jackknife(values)
		return v
	}
	return value, left(n, m, sxx, syy, xx, xy) + left(m, n, syy, sxx, yy, yx), nil
}

func total(v []float64) (sum float64) {
	for _, x := range v {
		sum += x
	}
	return sum
}
