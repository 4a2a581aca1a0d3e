package quality

// This file computes the Fréchet distance between two sets of features taken for Gaussians, FID where the features are Inception's:
//
//	d² = ‖μ₁ - μ₂‖² + tr(S₁ + S₂ - 2 (S₁S₂)^½)
//
// Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", NeurIPS 2017; Dowson and
// Landau 1982. S are unbiased covariances. With factors S = LLᵀ, the eigenvalues of S₁S₂ are the squares of the singular values of
// L₁ᵀL₂ (S₁S₂ = L₁(L₁ᵀL₂)L₂ᵀ has the eigenvalues of L₁ᵀL₂L₂ᵀL₁), so that
//
//	tr (S₁S₂)^½ = Σ σᵢ(L₁ᵀL₂).
//
// No root of a rounding error is ever taken, and singular covariances are no special case: L comes from Cholesky's method with
// pivots, which stops at the rank.
//
// d² is biased upwards, by about c/n: a delete-a-group jackknife (Efron and Tibshirani, "An introduction to the bootstrap", chapter
// 11) over groups of the images, contiguous ones, gives a standard error and, where the bias is of that form, what d² would be
// with images without end, as Chong and Forsyth 2020 find by extrapolation.

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// FID is the Fréchet distance of samples from data: 0 is alike. Its scale is that of the features.
type FID struct {
	Value float64 `json:"value"`

	// Extrapolated is the value less its bias, what images without end would give. It is nil where the features are many or the
	// images few.
	Extrapolated *Estimate `json:"extrapolated,omitempty"`
}

const (
	jackknifeGroups = 20
	jackknifeDim    = 128 // features at most: every group left out is another decomposition
)

// MeasureFID compares at least two samples with at least two images of data.
func MeasureFID(samples, data Features) (FID, error) {
	if err := check(samples, data, 2); err != nil {
		return FID{}, err
	}
	groups := 1
	// Where leaving out a group loses rank, the distance is no smooth function of the images.
	if n := min(samples.Len(), data.Len()); samples.Dim <= jackknifeDim && n >= 2*samples.Dim && n >= 2*jackknifeGroups {
		groups = jackknifeGroups
	}
	sides := [2][]*Moments{groupMoments(samples, groups), groupMoments(data, groups)}
	whole := [2]*Moments{without(sides[0], -1), without(sides[1], -1)}
	f := FID{}
	var err error
	if f.Value, err = FrechetDistance(whole[0], whole[1]); err != nil || groups == 1 {
		return f, err
	}
	extrapolated, variance := f.Value, 0.0
	for s, side := range sides {
		values := make([]float64, groups)
		for g := range side {
			pair := whole
			pair[s] = without(side, g)
			if values[g], err = FrechetDistance(pair[0], pair[1]); err != nil {
				return f, err
			}
		}
		mean, v := jackknife(values)
		extrapolated -= float64(groups-1) * (mean - f.Value)
		variance += v
	}
	f.Extrapolated = &Estimate{extrapolated, normal(extrapolated, math.Sqrt(variance))}
	return f, nil
}

// jackknife gives the mean of the values with one thing each left out, and the variance of the value with nothing left out.
func jackknife(values []float64) (mean, variance float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		variance += (v - mean) * (v - mean) * (n - 1) / n
	}
	return mean, variance
}

// groupMoments are those of so many contiguous groups of rows.
func groupMoments(f Features, groups int) []*Moments {
	moments := make([]*Moments, groups)
	for g := range moments {
		from, to := g*f.Len()/groups, (g+1)*f.Len()/groups
		moments[g] = NewMoments(f.Dim)
		moments[g].Add(Features{f.Dim, f.Values[from*f.Dim : to*f.Dim]})
	}
	return moments
}

// without merges all groups but one.
func without(groups []*Moments, out int) *Moments {
	m := NewMoments(len(groups[0].mean))
	for g, moments := range groups {
		if g != out {
			m.merge(moments)
		}
	}
	return m
}

// FrechetDistance is d² between Gaussians with the moments of at least two vectors each.
func FrechetDistance(a, b *Moments) (float64, error) {
	if a.n < 2 || b.n < 2 || len(a.mean) != len(b.mean) {
		return 0, errors.New("quality: FID wants at least two vectors of equally many features on both sides")
	}
	s1, s2 := a.Covariance(), b.Covariance()
	root, err := traceRoot(s1, s2)
	if err != nil {
		return 0, err
	}
	d := mat.Trace(s1) + mat.Trace(s2) - 2*root
	for j := range a.mean {
		d += (a.mean[j] - b.mean[j]) * (a.mean[j] - b.mean[j])
	}
	return max(d, 0), nil
}

// traceRoot is tr (S₁S₂)^½ of covariances.
func traceRoot(s1, s2 *mat.SymDense) (float64, error) {
	l1, l2 := factor(s1), factor(s2)
	if l1 == nil || l2 == nil {
		return 0, nil // one of them is zero
	}
	var product mat.Dense
	product.Mul(l1.T(), l2)
	var svd mat.SVD
	if !svd.Factorize(&product, mat.SVDNone) {
		return 0, errors.New("quality: FID: the singular values of the covariances' factors do not converge")
	}
	sum := 0.0
	for _, sigma := range svd.Values(nil) {
		sum += sigma
	}
	return sum, nil
}

// factor is L, as many columns as the rank, with S = LLᵀ; nil for S = 0.
func factor(s *mat.SymDense) *mat.Dense {
	var c mat.PivotedCholesky
	c.Factorize(s, -1) // false only says that S is singular
	rank, n := c.Rank(), s.SymmetricDim()
	if rank == 0 {
		return nil
	}
	u, pivots := c.RawU(), c.ColumnPivots(nil) // PᵀSP = UᵀU: row pivots[j] of L is column j of U
	l := mat.NewDense(n, rank, nil)
	for j, p := range pivots {
		for i := range min(j+1, rank) {
			l.Set(p, i, u.At(i, j))
		}
	}
	return l
}
