// Package fourier is the Fourier transform of planes, images of one channel:
//
//	F(f) = Σ x(p) exp(-2πi f·p) / √(h·w)
//
// It is unitary: white noise of variance 1 has a mean |F|² of 1 at every frequency.
package fourier

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// A Transform is for planes of one shape, and for one goroutine at a time.
type Transform struct {
	h, w          int
	rows, columns *fourier.CmplxFFT
	column        []complex128
}

// New prepares the transform of planes of h by w.
func New(h, w int) *Transform {
	return &Transform{h, w, fourier.NewCmplxFFT(w), fourier.NewCmplxFFT(h), make([]complex128, h)}
}

// Forward replaces a plane, row after row, by F of it.
func (t *Transform) Forward(plane []complex128) {
	t.each(plane, (*fourier.CmplxFFT).Coefficients)
}

// Inverse is the inverse of Forward.
func (t *Transform) Inverse(plane []complex128) {
	t.each(plane, (*fourier.CmplxFFT).Sequence)
}

// each applies once to all rows and then to all columns.
func (t *Transform) each(plane []complex128, once func(f *fourier.CmplxFFT, dst, src []complex128) []complex128) {
	unit := complex(1/math.Sqrt(float64(t.h*t.w)), 0)
	for y := range t.h {
		row := plane[y*t.w:][:t.w]
		once(t.rows, row, row)
	}
	for x := range t.w {
		for y := range t.h {
			t.column[y] = plane[y*t.w+x] * unit
		}
		once(t.columns, t.column, t.column)
		for y, v := range t.column {
			plane[y*t.w+x] = v
		}
	}
}

// Frequency is |f| of element p of a transformed plane of h by w, in cycles per shorter side, rounded.
func Frequency(p, h, w int) int {
	y, x := p/w, p%w
	fy, fx := float64(min(y, h-y))/float64(h), float64(min(x, w-x))/float64(w)
	return int(math.Round(math.Hypot(fy, fx) * float64(min(h, w))))
}
