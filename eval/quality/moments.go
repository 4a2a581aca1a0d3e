package quality

// This file accumulates the mean and the covariance of features as they come, batch by batch, in memory that depends on their number
// alone. Batches merge by the update of Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
// variances" (1979), which cancels nothing:
//
//	n = n₁ + n₂    δ = μ₂ - μ₁    μ = μ₁ + δ n₂/n    M = M₁ + M₂ + δδᵀ n₁n₂/n
//
// with M = Σ (x - μ)(x - μ)ᵀ.

import "gonum.org/v1/gonum/mat"

// Moments are the mean and the scatter of a number of feature vectors.
type Moments struct {
	n       int
	mean    []float64
	scatter *mat.SymDense // M
}

// NewMoments are those of no vectors of dim features.
func NewMoments(dim int) *Moments {
	return &Moments{mean: make([]float64, dim), scatter: mat.NewSymDense(dim, nil)}
}

// Len is the number of vectors.
func (m *Moments) Len() int { return m.n }

// Mean is the mean of at least one vector. It must not be changed.
func (m *Moments) Mean() []float64 { return m.mean }

// Covariance is the unbiased covariance of at least two vectors.
func (m *Moments) Covariance() *mat.SymDense {
	c := mat.NewSymDense(len(m.mean), nil)
	c.ScaleSym(1/float64(m.n-1), m.scatter)
	return c
}

// momentsRows is how many vectors are centred and multiplied at a time.
const momentsRows = 512

// Add adds vectors, row after row.
func (m *Moments) Add(f Features) {
	for f.Len() > 0 {
		n := min(f.Len(), momentsRows)
		m.merge(batchMoments(f.first(n)))
		f.Values = f.Values[n*f.Dim:]
	}
}

func batchMoments(f Features) *Moments {
	n := f.Len()
	m := NewMoments(f.Dim)
	m.n = n
	x := mat.NewDense(n, f.Dim, nil)
	for i := range n {
		for j, v := range f.row(i) {
			x.Set(i, j, float64(v))
			m.mean[j] += float64(v) / float64(n)
		}
	}
	for i := range n {
		for j, mean := range m.mean {
			x.Set(i, j, x.At(i, j)-mean)
		}
	}
	m.scatter.SymOuterK(1, x.T())
	return m
}

// merge adds the vectors that b holds.
func (m *Moments) merge(b *Moments) {
	if b.n == 0 {
		return
	}
	n1, n2 := float64(m.n), float64(b.n)
	delta := mat.NewVecDense(len(m.mean), nil)
	for j := range m.mean {
		delta.SetVec(j, b.mean[j]-m.mean[j])
		m.mean[j] += delta.AtVec(j) * n2 / (n1 + n2)
	}
	m.scatter.AddSym(m.scatter, b.scatter)
	m.scatter.SymRankOne(m.scatter, n1*n2/(n1+n2), delta)
	m.n += b.n
}
