// Package paint is what pictures are computed with so that a picture is the same bytes on every machine: arithmetic that is rounded
// operation by operation, angles, smooth noise, colours, and the camera's bytes.
package paint

// This file: arithmetic. Go lets a compiler fuse x*y + z into one operation with one rounding, and compilers for arm64, s390x and amd64
// from level v3 on do; an explicit conversion forbids it (Go specification, "Floating-point operators"). So a product here is Mul(x, y),
// and of package math only Sqrt, Floor and Abs are used, which are exact: its sines and powers differ in the last bit.

import "math"

// Mul is x·y, rounded before anything is added to it.
func Mul(x, y float64) float64 { return float64(x * y) }

// Lerp is a where t is 0, b where t is 1, and on the line between them elsewhere.
func Lerp(a, b, t float64) float64 { return a + Mul(b-a, t) }

// Clamp is x limited to [0, 1].
func Clamp(x float64) float64 { return max(0, min(1, x)) }

// Step goes smoothly from 0 where x ≤ from to 1 where x ≥ to.
func Step(from, to, x float64) float64 { return smooth(Clamp((x - from) / (to - from))) }

// smooth goes from 0 to 1 as t does, level at both ends: 3t² - 2t³.
func smooth(t float64) float64 { return Mul(Mul(t, t), 3-t-t) }

// Fraction is x - ⌊x⌋.
func Fraction(x float64) float64 { return x - math.Floor(x) }

// Sincos is the sine and cosine of an angle in degrees: Taylor's series on the eighth of a turn about the nearest right angle.
func Sincos(degrees float64) (sin, cos float64) {
	quarter := math.Floor(degrees/90 + 0.5)
	x := Mul(degrees-Mul(90, quarter), math.Pi/180)
	xx := Mul(x, x)
	sin, cos = 1, 1
	for k := 14.0; k > 0; k -= 2 { // 1 - x²/(k(k-1)) · (1 - ...), from within
		cos = 1 - Mul(xx, cos)/(k*(k-1))
		sin = 1 - Mul(xx, sin)/(k*(k+1))
	}
	sin = Mul(x, sin)
	switch int64(quarter) & 3 {
	case 1:
		return cos, -sin
	case 2:
		return -sin, -cos
	case 3:
		return -cos, sin
	}
	return sin, cos
}
