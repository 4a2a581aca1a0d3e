package fourier_test

import (
	"math"
	"math/cmplx"
	"testing"

	"github.com/joule-ebm/joule/internal/fourier"
)

// The transform is its definition, and its inverse brings the plane back.
func TestTransform(t *testing.T) {
	const h, w = 3, 4
	x, f := make([]complex128, h*w), make([]complex128, h*w)
	for p := range x {
		x[p] = complex(math.Sin(float64(p*p)), 0)
	}
	copy(f, x)
	transform := fourier.New(h, w)
	transform.Forward(f)
	for k := range f {
		var want complex128
		for p, v := range x {
			want += v * cmplx.Rect(1/math.Sqrt(h*w), -2*math.Pi*(float64(k/w*(p/w))/h+float64(k%w*(p%w))/w))
		}
		if cmplx.Abs(f[k]-want) > 1e-12 {
			t.Errorf("frequency %d: %v, want %v", k, f[k], want)
		}
	}
	transform.Inverse(f)
	for p := range x {
		if cmplx.Abs(f[p]-x[p]) > 1e-12 {
			t.Errorf("element %d: %v, was %v", p, f[p], x[p])
		}
	}
	for p, want := range []int{0, 1, 2, 1, 1, 1, 2, 1, 1, 1, 2, 1} {
		if got := fourier.Frequency(p, h, w); got != want {
			t.Errorf("element %d has frequency %d, want %d", p, got, want)
		}
	}
}
