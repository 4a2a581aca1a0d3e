package dataset

// The slant of a written digit, from the moments of its ink I:
//
//	slant = -atan(μ₁₁/μ₀₂)        μ_pq = Σ (x - x̄)^p (y - ȳ)^q I(x, y),     x to the right, y downwards
//
// is the angle that a shear takes away to straighten the digit, which is an old step before reading it (LeCun et al., "Gradient-based
// learning applied to document recognition", 1998).

import "math"

// Slants are the names of slants: below 0 degrees, to 10, and above. Of MNIST's digits they are about a third each.
var Slants = []string{"left", "upright", "right"}

// Slant is that of an image of light ink on black, H,W,1, in degrees: above 0 it leans to the right, as / does. Ink without height has none, 0.
func Slant(pixels []uint8, width int) float64 {
	var ink, x, y, xy, yy int // Σ I, Σ xI, Σ yI, Σ xyI, Σ y²I
	for row := 0; (row+1)*width <= len(pixels); row++ {
		sum, moment := 0, 0
		for column, v := range pixels[row*width:][:width] {
			sum, moment = sum+int(v), moment+column*int(v)
		}
		ink, x, y, xy, yy = ink+sum, x+moment, y+row*sum, xy+row*moment, yy+row*row*sum
	}
	// Times the ink, the central moments are whole numbers.
	if vertical := ink*yy - y*y; vertical > 0 {
		return -math.Atan(float64(ink*xy-x*y)/float64(vertical)) * 180 / math.Pi
	}
	return 0
}

// SlantNamed is the index of the name of a slant in [Slants].
func SlantNamed(degrees float64) int {
	switch {
	case degrees < 0:
		return 0
	case degrees <= 10:
		return 1
	}
	return 2
}

// describeDigits adds what is known of digits: attributes digit, the labels, and slant, and the number slant.
func describeDigits(set *Set) {
	slant := Attribute{Name: "slant", Values: Slants, Labels: make([]int32, set.Len())}
	degrees := Number{Name: "degrees", Values: make([]float64, set.Len())}
	for i := range set.Len() {
		v := Slant(set.Image(i), set.Width)
		slant.Labels[i], degrees.Values[i] = int32(SlantNamed(v)), v
		degrees.Min, degrees.Max = min(degrees.Min, v), max(degrees.Max, v)
	}
	set.Attributes = []Attribute{{Name: "digit", Values: set.Classes, Labels: set.Labels}, slant}
	set.Numbers = []Number{degrees}
}
