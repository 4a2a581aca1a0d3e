package objects

import (
	"math"
	"testing"
)

// Every shape stands on the floor, lies within its ball, and looks as large as the unit disc on the mean over the angles it is seen at.
func TestShapes(t *testing.T) {
	for k, sh := range shapes {
		s := Scene{Labels: [attributes]int{Shape: k}}
		const n, wide = 120, 3.2
		seen, turns := 0, 0
		lowest, farthest := 0.0, 0.0
		for rotation := -60.0; rotation < 60; rotation += 10 {
			s.Numbers[Rotation] = rotation
			v := s.view()
			turns++
			for i := range n * n {
				a, b := wide*((float64(i%n)+0.5)/n-0.5), wide*((float64(i/n)+0.5)/n-0.5)
				if p, ok := v.meet(v.right.times(a).plus(v.up.times(b))); ok {
					seen++
					lowest, farthest = min(lowest, p.y), max(farthest, p.length())
				}
			}
		}
		if area := float64(seen) / float64(turns) * (wide / n) * (wide / n); math.Abs(area/math.Pi-1) > 0.02 {
			t.Errorf("%s: a silhouette of %.3f discs", sh.name, area/math.Pi)
		}
		if farthest > sh.radius+near || farthest < 0.9*sh.radius {
			t.Errorf("%s: reaches %.3f from its centre, radius %v", sh.name, farthest, sh.radius)
		}
		if sh.distance(vector{0, -sh.height - 0.01, 0}) < 0 {
			t.Errorf("%s: goes into the floor", sh.name)
		}
		stands := false
		for r := 0.0; r < sh.radius; r += 0.01 {
			stands = stands || sh.distance(vector{r, -sh.height + 0.01, 0}) < 0
		}
		if !stands {
			t.Errorf("%s: floats above the floor", sh.name)
		}
	}
}

// Sphere tracing needs distances that are never more than the way to the surface: they change no faster than the place.
func TestDistancesAreSafe(t *testing.T) {
	for _, sh := range shapes {
		for i := range 40 * 40 * 40 {
			p := vector{float64(i%40)/10 - 2, float64(i/40%40)/10 - 2, float64(i/1600)/10 - 2}
			for _, step := range []vector{{0.05, 0, 0}, {0, 0.05, 0}, {0, 0, 0.05}, {0.03, 0.03, 0.03}} {
				if d := math.Abs(sh.distance(p.plus(step)) - sh.distance(p)); d > step.length()+1e-12 {
					t.Fatalf("%s: at %v the distance changes by %v over %v", sh.name, p, d, step.length())
				}
			}
		}
	}
}
