package dataset

import (
	"math"
	"testing"
)

// A stroke through a point dx to the right and 9 up from another leans by the angle of that, to whichever side.
func TestSlant(t *testing.T) {
	for _, dx := range []int{-9, -3, 0, 2, 9} {
		const side = 28
		image := make([]uint8, side*side)
		for step := range 901 {
			x, y := 14+float64(dx)*(float64(step)/900-0.5), 14-9*(float64(step)/900-0.5)
			image[int(math.Round(y))*side+int(math.Round(x))] = 255
		}
		want := math.Atan2(float64(dx), 9) * 180 / math.Pi
		if got := Slant(image, side); math.Abs(got-want) > 3 {
			t.Errorf("%d to the right: %.1f degrees, want %.1f", dx, got, want)
		}
	}
	if got := Slant(make([]uint8, 28*28), 28); got != 0 {
		t.Errorf("no ink: %v", got)
	}
}

// MNIST's digits are known by digit and by slant, about a third each, and can be labelled by either.
func TestDigitsAttributes(t *testing.T) {
	set, err := Open(t.Context(), "mnist:test", Size{}, WithLabel("slant"))
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]int, len(set.Classes))
	for _, l := range set.Labels {
		counts[l]++
	}
	for k, n := range counts {
		if share := float64(n) / float64(set.Len()); share < 0.25 || share > 0.42 {
			t.Errorf("%s: %.2f of the digits", set.Classes[k], share)
		}
	}
	digit, err := set.AttributeNamed("digit")
	if err != nil || len(digit.Values) != 10 || digit.Labels[0] != 7 { // the first test image is a 7
		t.Errorf("digit: %v, %v", digit.Values, err)
	}
}
