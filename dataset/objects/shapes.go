package objects

// The shapes, as signed distances: how far a point is from the surface, or less, and below 0 inside. A ray that goes on by that distance
// never misses the surface (J. C. Hart, "Sphere tracing", The Visual Computer 12, 1996). All stand about the origin, upright, and are so
// large that their silhouette seen from the camera has the area of the unit disc, on the mean over rotations: objects of one size look
// so whatever their shape.

import (
	"math"

	"github.com/joule-ebm/joule/dataset/internal/paint"
)

// shape is a solid.
type shape struct {
	name     string
	distance func(p vector) float64
	height   float64 // of the origin above the floor it stands on
	radius   float64 // of a ball about the origin that holds it
}

var shapes = []shape{
	{"cube", func(p vector) float64 { return box(p, cubeHalf, cubeHalf, cubeHalf) }, cubeHalf, 1.2},
	{"sphere", func(p vector) float64 { return p.length() - 1 }, 1, 1},
	{"cylinder", cylinder, cylinderHeight, 1.15},
	{"cone", cone, coneHeight, 1.51},
	{"torus", func(p vector) float64 { return length(length(p.x, p.z)-torusRing, p.y) - torusTube }, torusTube, torusRing + torusTube},
	{"cross", func(p vector) float64 {
		return min(box(p, crossArm, crossWidth, crossWidth), box(p, crossWidth, crossArm, crossWidth), box(p, crossWidth, crossWidth, crossArm))
	}, crossArm, 1.16},
}

const (
	cubeHalf                       = 0.69
	cylinderRadius, cylinderHeight = 0.75, 0.87
	coneRadius, coneHeight         = 1.11, 1.01
	torusRing, torusTube           = 0.83, 0.37
	crossArm, crossWidth           = 1.06, 0.32
)

// box is the distance from a box with the given half sides.
func box(p vector, x, y, z float64) float64 {
	q := vector{math.Abs(p.x) - x, math.Abs(p.y) - y, math.Abs(p.z) - z}
	outside := vector{max(q.x, 0), max(q.y, 0), max(q.z, 0)}
	return outside.length() + min(max(q.x, q.y, q.z), 0)
}

func cylinder(p vector) float64 {
	side, end := length(p.x, p.z)-cylinderRadius, math.Abs(p.y)-cylinderHeight
	return length(max(side, 0), max(end, 0)) + min(max(side, end), 0)
}

// cone has its tip at the top. Away from its side and its base, beside the tip and the rim, this is less than the distance.
func cone(p vector) float64 {
	slant := length(2*coneHeight, coneRadius)
	side := (paint.Mul(length(p.x, p.z), 2*coneHeight) + paint.Mul(p.y-coneHeight, coneRadius)) / slant
	return max(side, -coneHeight-p.y)
}
