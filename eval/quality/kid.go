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
	"math/bits"

	"github.com/joule-ebm/joule/engine/rng"
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
	return work{ctx: ctx}.kid(samples, data, seed)
}

func (w work) kid(samples, data Features, seed uint64) (KID, error) {
	if err := check(samples, data, 4); err != nil {
		return KID{}, err
	}
	size := min(kidSubsetSize, samples.Len()/2, data.Len()/2)
	value, variance, subsets, err := w.mmd(samples, data, subsetsOf(samples.Len(), size, seed, 0), subsetsOf(data.Len(), size, seed, 1), size)
	if err != nil {
		return KID{}, err
	}
	k := KID{Value: value, Interval: normal(value, math.Sqrt(variance)), Subsets: kidSubsets, SubsetSize: size}
	for _, v := range subsets {
		k.SubsetMean += v / kidSubsets
	}
	for _, v := range subsets {
		k.SubsetStd += (v - k.SubsetMean) * (v - k.SubsetMean) / kidSubsets
	}
	k.SubsetStd = math.Sqrt(k.SubsetStd)
	return k, nil
}

// A membership has a bit for every subset that an image is in.
type membership [(kidSubsets + 63) / 64]uint64

// and calls fn for every subset that two images share.
func (a *membership) and(b *membership, fn func(subset int)) {
	for word := range a {
		for both := a[word] & b[word]; both != 0; both &= both - 1 {
			fn(64*word + bits.TrailingZeros64(both))
		}
	}
}

// subsetsOf draws subsets of size of n images.
func subsetsOf(n, size int, seed uint64, side uint64) []membership {
	members, order := make([]membership, n), make([]int, n)
	for s := range kidSubsets {
		for i := range order {
			order[i] = i
		}
		stream := rng.New(seed, uint64(s), side)
		for i := range size {
			j := i + stream.IntN(n-i)
			order[i], order[j] = order[j], order[i]
			members[order[i]][s/64] |= 1 << (s % 64)
		}
	}
	return members
}

// sums are those of the kernel over pairs of images: for each image of either side, and in all for each subset.
type sums struct {
	left, right []float64
	subsets     [kidSubsets]float64
}

// mmd is the unbiased MMD² of at least three vectors of each, its variance by the jackknife, and MMD² of the subsets of the given
// size: every kernel is computed once.
func (w work) mmd(x, y Features, inX, inY []membership, size int) (value, variance float64, subsets []float64, err error) {
	n, m := float64(x.Len()), float64(y.Len())
	sum := func(a, b Features, inA, inB []membership, same bool) (*sums, error) {
		s := &sums{left: make([]float64, a.Len()), right: make([]float64, b.Len())}
		if same {
			s.right = s.left
		}
		return s, w.products(a, b, same, func(i, j int, product float64) {
			k := product/float64(x.Dim) + 1
			k = k * k * k
			s.left[i] += k
			s.right[j] += k
			inA[i].and(&inB[j], func(subset int) { s.subsets[subset] += k })
		})
	}
	xx, err := sum(x, x, inX, inX, true)
	if err != nil {
		return 0, 0, nil, err
	}
	yy, err := sum(y, y, inY, inY, true)
	if err != nil {
		return 0, 0, nil, err
	}
	xy, err := sum(x, y, inX, inY, false)
	if err != nil {
		return 0, 0, nil, err
	}
	sxx, syy, sxy := total(xx.left), total(yy.left), total(xy.left)
	value = sxx/(n*(n-1)) + syy/(m*(m-1)) - 2*sxy/(n*m)
	// Without image i of a side, whose kernels with the others of it are in their sum twice.
	left := func(n, m, same, other, across float64, rows, columns []float64) float64 {
		values := make([]float64, len(rows))
		for i := range values {
			values[i] = (same-2*rows[i])/((n-1)*(n-2)) + other/(m*(m-1)) - 2*(across-columns[i])/((n-1)*m)
		}
		_, v := jackknife(values)
		return v
	}
	variance = left(n, m, sxx, syy, sxy, xx.left, xy.left) + left(m, n, syy, sxx, sxy, yy.left, xy.right)
	pairs := float64(size) * float64(size-1) / 2
	for s := range kidSubsets {
		subsets = append(subsets, xx.subsets[s]/pairs+yy.subsets[s]/pairs-2*xy.subsets[s]/float64(size*size))
	}
	return value, variance, subsets, nil
}

func total(v []float64) (sum float64) {
	for _, x := range v {
		sum += x
	}
	return sum
}
