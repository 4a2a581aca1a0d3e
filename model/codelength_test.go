package model

import (
	"testing"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// The length of an image's code is 0 where one value is all that there is, little where neighbours tell the next, and 8 where nothing does.
func TestCodeLength(t *testing.T) {
	image := expr.Shape{32, 32, 3}
	s := rng.New(1)
	for _, c := range []struct {
		name        string
		value       func(h, w, c int) int
		least, most float64
	}{
		{"one value", func(_, _, _ int) int { return 200 }, 0, 0},
		{"a colour", func(_, _, c int) int { return 80 * c }, 0, 0.05}, // but for the first column or row, which has no neighbours
		{"a ramp", func(h, w, _ int) int { return 3*h + 4*w }, 0, 0.4},
		{"two values", func(h, w, _ int) int { return 255 * s.IntN(2) }, 0.95, 1},
		{"noise", func(_, _, _ int) int { return s.IntN(256) }, 7.8, 8},
	} {
		pixels := make([]uint8, image.Size())
		for i := range pixels {
			pixels[i] = uint8(c.value(i/image[2]/image[1], i/image[2]%image[1], i%image[2]))
		}
		if got := codeLength(pixels, image); got < c.least || got > c.most {
			t.Errorf("%s: %.3f bits a value, want %v to %v", c.name, got, c.least, c.most)
		}
	}
}
