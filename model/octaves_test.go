package model

import (
	"math"
	"testing"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// The octaves of a field add up to its mean square, and each pattern is in its own.
func TestOctaves(t *testing.T) {
	image, s := expr.Shape{16, 32, 3}, rng.New(1)
	noise := make([]float32, image.Size())
	squares := 0.0
	for i := range noise {
		noise[i] = float32(s.Normal())
		squares += float64(noise[i]) * float64(noise[i])
	}
	sum := 0.0
	for _, v := range octaves(noise, image) {
		sum += math.Exp(2 * v)
	}
	if want := squares / float64(len(noise)); math.Abs(sum-want) > 1e-9 {
		t.Errorf("the octaves of noise add up to %v, its mean square is %v", sum, want)
	}
	for octave, side := range []int{1, 2, 4, 16} { // a checkerboard with squares of so many pixels
		board := make([]float32, image.Size())
		for i := range board {
			y, x := i/(32*3), i/3%32
			board[i] = float32(2*((y/side+x/side)%2) - 1)
		}
		for l, v := range octaves(board, image) {
			if power := math.Exp(2 * v); math.Abs(power-map[bool]float64{true: 1}[l == octave]) > 1e-9 {
				t.Errorf("squares of %d pixels have %v of their power in octave %d", side, power, l)
			}
		}
	}
}

// There are as many octaves as [Octaves] says, whatever the sides; a field that is the same everywhere is in the last alone, and one
// that is 0 everywhere in none.
func TestOctavesOfAnySides(t *testing.T) {
	for _, image := range []expr.Shape{{1, 1, 1}, {3, 50, 1}, {4, 4, 3}, {5, 7, 3}, {28, 28, 1}, {33, 31, 3}} {
		flat := make([]float32, image.Size())
		least := math.Log(math.SmallestNonzeroFloat32)
		for _, v := range octaves(flat, image) {
			if v != least {
				t.Errorf("%v: %v where nothing is", image, v)
			}
		}
		for i := range flat {
			flat[i] = 3
		}
		logs := octaves(flat, image)
		if n := Octaves(image); len(logs) != n {
			t.Fatalf("%v: %d octaves, want %d", image, len(logs), n)
		}
		for l, v := range logs {
			if last := l == len(logs)-1; last && math.Abs(v-math.Log(3)) > 1e-9 || !last && v > -30 {
				t.Errorf("%v: octave %d of one value is %v", image, l, v)
			}
		}
	}
}
