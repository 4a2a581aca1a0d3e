package objects

import (
	"math"

	"github.com/joule-ebm/joule/dataset/internal/paint"
)

// vector is a point or direction of space: x to the right, y up, z towards the camera's side.
type vector struct{ x, y, z float64 }

func (a vector) plus(b vector) vector { return vector{a.x + b.x, a.y + b.y, a.z + b.z} }

func (a vector) times(k float64) vector {
	return vector{paint.Mul(a.x, k), paint.Mul(a.y, k), paint.Mul(a.z, k)}
}

func (a vector) dot(b vector) float64 {
	return paint.Mul(a.x, b.x) + paint.Mul(a.y, b.y) + paint.Mul(a.z, b.z)
}

func (a vector) length() float64 { return math.Sqrt(a.dot(a)) }

func (a vector) unit() vector { return a.times(1 / a.length()) }

// length of a vector of the plane.
func length(x, y float64) float64 { return math.Sqrt(paint.Mul(x, x) + paint.Mul(y, y)) }
