package parts

// The defects. Each takes a surface and gives it back spoilt in one place that is on the part. Their edges are steep, so that where a
// defect ends is no matter of taste.

import (
	"math"

	"github.com/joule-ebm/joule/dataset/internal/paint"
)

// somewhere is a place on the part with some of it all around; near says that it is near the part's edge, if the part has one in the
// picture.
func (m *maker) somewhere(s surface, radius float64, near bool) (x, y float64) {
	for try := range 400 {
		x, y = m.between(0.15, 0.85), m.between(0.15, 0.85)
		if _, on := s.at(x, y); !on {
			continue
		}
		around := 0
		for k := range 8 {
			sin, cos := paint.Sincos(45 * float64(k))
			if _, on := s.at(x+paint.Mul(radius, cos), y+paint.Mul(radius, sin)); on {
				around++
			}
		}
		if near && around < 7 && around > 2 || !near && around == 8 || try > 200 {
			break
		}
	}
	return x, y
}

// blob is below 1 within an uneven patch about (x, y), and 0 in its middle.
func (m *maker) blob(x, y, radius, unevenness float64) func(px, py float64) float64 {
	seed, long, turned := m.Uint64(), m.between(0.75, 1.3), m.pose(0, 180)
	turned.x, turned.y = x, y
	return func(px, py float64) float64 {
		if math.Abs(px-x) > 2*radius || math.Abs(py-y) > 2*radius {
			return 2
		}
		u, v := turned.local(px, py)
		d := length(paint.Mul(u, long), v/long) / radius
		return d + paint.Mul(paint.Mul(unevenness, min(1, 2*d)), paint.Fractal(seed, u*1.6/radius, v*1.6/radius, 2))
	}
}

// over is the surface with what is on the part changed.
func (s surface) over(change func(x, y float64, c paint.Colour) paint.Colour) surface {
	return surface{func(x, y float64) (paint.Colour, bool) {
		c, on := s.at(x, y)
		if on {
			c = change(x, y, c)
		}
		return c, on
	}, s.ground}
}

// scratch is a groove along a bent line, dark, with one edge that catches the light.
func scratch(m *maker, s surface) surface {
	x, y := m.somewhere(s, 0.03, false)
	sin, cos := paint.Sincos(m.between(0, 360))
	reach, bow, width := m.between(0.09, 0.2), m.between(-0.06, 0.06), m.between(0.006, 0.011)
	const points = 17
	var line [points][2]float64
	for i := range line {
		t := float64(i-8) / 8
		u, v := paint.Mul(reach, t), paint.Mul(bow, paint.Mul(t, t)-0.3)
		line[i] = [2]float64{x + paint.Mul(cos, u) - paint.Mul(sin, v), y + paint.Mul(sin, u) + paint.Mul(cos, v)}
	}
	return s.over(func(px, py float64, c paint.Colour) paint.Colour {
		if length(px-x, py-y) > reach+0.1 {
			return c
		}
		nearest, side := 1.0, 0.0
		for i := range points - 1 {
			a, b := line[i], line[i+1]
			du, dv := b[0]-a[0], b[1]-a[1]
			along := paint.Clamp((paint.Mul(px-a[0], du) + paint.Mul(py-a[1], dv)) / (paint.Mul(du, du) + paint.Mul(dv, dv)))
			if d := length(px-a[0]-paint.Mul(along, du), py-a[1]-paint.Mul(along, dv)); d < nearest {
				nearest, side = d, paint.Mul(px-a[0], dv)-paint.Mul(py-a[1], du)
			}
		}
		switch {
		case nearest < width:
			return c.Times(0.25)
		case nearest < 1.7*width && side > 0:
			return c.Times(1.35).Plus(grey(0.2))
		}
		return c
	})
}

// stain is a dried drop of something oily: dark, darkest at its border.
func stain(m *maker, s surface) surface {
	radius := m.between(0.06, 0.13)
	x, y := m.somewhere(s, 0.6*radius, false)
	blob := m.blob(x, y, radius, 0.5)
	tint, strength := paint.Shown(0.62, 0.50, 0.36), m.between(0.7, 1)
	return s.over(func(px, py float64, c paint.Colour) paint.Colour {
		d := blob(px, py)
		if d >= 1 {
			return c
		}
		dense := paint.Mul(strength, 0.75+paint.Mul(0.25, paint.Step(0.75, 0.9, d)))
		return c.To(c.On(tint), dense)
	})
}

// missing is a piece broken out: of a workpiece at its edge, of a texture anywhere. The break is bright on the side that faces the light.
func missing(m *maker, s surface) surface {
	radius := m.between(0.05, 0.09)
	x, y := m.somewhere(s, radius, true)
	blob := m.blob(x, y, radius, 0.7)
	return surface{func(px, py float64) (paint.Colour, bool) {
		c, on := s.at(px, py)
		d := blob(px, py)
		switch {
		case !on || d >= 1:
			return c, on
		case d > 0.82 && paint.Mul(0.6, px-x)+paint.Mul(0.8, py-y) > 0:
			return grey(0.8), true
		case d > 0.82:
			return c.Times(0.4), true
		}
		return s.ground(px, py).Times(0.7), false
	}, s.ground}
}

// bend is material pushed aside: what lies within a disc is moved, its middle farthest, and the light falls on it as on a slope.
func bend(m *maker, s surface) surface {
	radius := m.between(0.11, 0.18)
	x, y := m.somewhere(s, 0.5*radius, true)
	sin, cos := paint.Sincos(m.between(0, 360))
	push := paint.Mul(radius, m.between(0.3, 0.42))
	return surface{func(px, py float64) (paint.Colour, bool) {
		d := length(px-x, py-y) / radius
		if d >= 1 {
			return s.at(px, py)
		}
		rise := 1 - paint.Mul(d, d)
		move := paint.Mul(push, paint.Mul(rise, rise))
		c, on := s.at(px-paint.Mul(cos, move), py-paint.Mul(sin, move))
		if !on {
			if was, on := s.at(px, py); !on { // the ground is not bent
				return was, false
			}
		} else {
			facing := paint.Mul(0.6, px-x) + paint.Mul(0.8, py-y)
			c = c.Times(1 - paint.Mul(0.9, paint.Mul(facing/radius, paint.Step(0, 0.3, rise))))
		}
		return c, on
	}, s.ground}
}

// colour is a patch of another colour, weak or strong, as bright as the part is there.
func colour(m *maker, s surface) surface {
	radius := m.between(0.08, 0.16)
	x, y := m.somewhere(s, 0.5*radius, false)
	blob := m.blob(x, y, radius, 0.35)
	tints := []paint.Colour{{1.5, 0.55, 0.6}, {0.5, 1.3, 0.55}, {0.55, 0.8, 2.2}, {1.4, 1.05, 0.25}}
	tint, strength := tints[m.IntN(len(tints))], m.between(0.35, 1)
	return s.over(func(px, py float64, c paint.Colour) paint.Colour {
		if blob(px, py) >= 1 {
			return c
		}
		bright := paint.Mul(0.3, c[0]) + paint.Mul(0.6, c[1]) + paint.Mul(0.1, c[2])
		return c.To(tint.Times(bright), strength)
	})
}
