package detect

// This file says how far an image is from the typical set: the Mahalanobis distance of statistics of it from those of in-distribution
// images,
//
//	D(x) = √((t(x) - μ)ᵀ Σ⁻¹ (t(x) - μ)),     t(x) = (E_1(x), ..., E_S(x), log ‖∂E/∂x‖, L(x)),
//
// with the energies of the scales, and the length L of the image in a lossless code. Sources: Morningstar et al., "Density of States
// Estimation for Out-of-Distribution Detection", AISTATS 2021, who take several statistics, and a density of them; Serrà et al., ICLR 2020,
// for the length.
//
// A low energy alone is no sign of an image like those of training: a model of photographs gives it to digits on black, and to one
// colour, in which there is less than in any photograph. Their statistics are where no photograph's are.

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/joule-ebm/joule/model"
)

// The detectors by a typical set.
const (
	typicalSetName     = "typical-set"
	typicalDescentName = "typical-descent"
)

// statistics is t(x).
func statistics(m model.Measurement) []float64 {
	return append(append([]float64{}, m.Scales...), logNorm(m), m.Length)
}

// descentStatistics is another t(x), which says by octaves of frequency what a chain would do to the image: how steep the energy is at its
// beginning, in place of log ‖∂E/∂x‖, and how far K steps without noise go. Training made chains that start from its images go nowhere.
func descentStatistics(m model.Measurement) []float64 {
	return slices.Concat(m.Scales, []float64{m.Length}, m.Slopes, m.Moves)
}

// nothing is a measurement by an energy of so many scales, of images of so many octaves: as long as any.
func nothing(scales, octaves int) model.Measurement {
	return model.Measurement{Scales: make([]float64, scales), Slopes: make([]float64, octaves), Moves: make([]float64, octaves)}
}

// typicalSet is where the statistics of reference images lie.
type typicalSet struct {
	Spreads []spread  `json:"spreads"` // of each statistic
	Root    []float64 `json:"root"`    // L of R = LLᵀ, row after row, the correlations of statistics in units of their spread
}

// clip bounds what a statistic of one reference image counts for, in units of the spread: a few broken images among them should not
// make broken images typical.
const clip = 4

// typicalSetOf learns where statistics lie, a row for each reference image. With few images the correlations are those of chance: they
// are shrunk towards none, the more the fewer there are, which also keeps R positive definite.
func typicalSetOf(rows [][]float64) (typicalSet, error) {
	d := len(rows[0])
	t := typicalSet{Spreads: make([]spread, d)}
	for j := range d {
		column := make([]float64, len(rows))
		for i, row := range rows {
			column[i] = row[j]
		}
		t.Spreads[j] = spreadOf(column)
	}
	r, n := mat.NewSymDense(d, nil), float64(len(rows))
	for _, row := range rows {
		z := t.standardise(row)
		for j := range z {
			z[j] = min(max(z[j], -clip), clip)
		}
		r.SymRankOne(r, 1/n, mat.NewVecDense(d, z))
	}
	shrunk := float64(d) / (float64(d) + n)
	for i := range d {
		for j := range i {
			r.SetSym(i, j, (1-shrunk)*r.At(i, j))
		}
		r.SetSym(i, i, (1-shrunk)*r.At(i, i)+shrunk)
	}
	var root mat.Cholesky
	if !root.Factorize(r) {
		return t, errors.New("the statistics of the calibration images have no covariance: the model is of no use, train it again")
	}
	var l mat.TriDense
	root.LTo(&l)
	for i := range d {
		for j := range d {
			t.Root = append(t.Root, l.At(i, j))
		}
	}
	return t, nil
}

// check is an error if this is no typical set of so many statistics, but what a file says.
func (t typicalSet) check(d int) error {
	if len(t.Spreads) != d || len(t.Root) != d*d {
		return fmt.Errorf("a typical set of %d statistics and %d correlations: want %d and %d", len(t.Spreads), len(t.Root), d, d*d)
	}
	return nil
}

// standardise is statistics in units of their spread from their centres.
func (t typicalSet) standardise(statistics []float64) []float64 {
	z := make([]float64, len(statistics))
	for j, v := range statistics {
		z[j] = t.Spreads[j].standardise(v)
	}
	return z
}

// distance is D = ‖L⁻¹z‖, by forward substitution; NaN of other statistics than those that it was learnt with.
func (t typicalSet) distance(statistics []float64) float64 {
	d, squares := len(statistics), 0.0
	if len(t.Spreads) != d || len(t.Root) != d*d {
		return math.NaN()
	}
	y := t.standardise(statistics)
	for i := range y {
		for j := range i {
			y[i] -= t.Root[i*d+j] * y[j]
		}
		y[i] /= t.Root[i*d+i]
		squares += y[i] * y[i]
	}
	return math.Sqrt(squares)
}
