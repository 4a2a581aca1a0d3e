package parts

import (
	"math"

	"github.com/joule-ebm/joule/dataset/internal/paint"
	"github.com/joule-ebm/joule/engine/rng"
)

// surface is what a part looks like: x to the right and y down, both in [0, 1].
type surface struct {
	at     func(x, y float64) (c paint.Colour, on bool) // the light from there, and whether the part is there
	ground func(x, y float64) paint.Colour              // the light from there if there were no part
}

func (s surface) samples(side int) []paint.Colour {
	return paint.Samples(side, func(float64, float64) bool { return false }, func(x, y float64) paint.Colour {
		c, _ := s.at(x, y)
		return c
	})
}

// maker makes the choices in which parts differ.
type maker struct{ rng.Stream }

func (m *maker) between(min, max float64) float64 { return paint.Lerp(min, max, float64(m.Float32())) }

// pose is where a part lies: its middle, and how it is turned.
type pose struct{ x, y, sin, cos float64 }

// pose puts a part within shift of the middle, turned by up to so many degrees.
func (m *maker) pose(shift, degrees float64) pose {
	p := pose{x: 0.5 + m.between(-shift, shift), y: 0.5 + m.between(-shift, shift)}
	p.sin, p.cos = paint.Sincos(m.between(-degrees, degrees))
	return p
}

// local are the coordinates of a place as the part has them, with its middle at 0.
func (p pose) local(x, y float64) (u, v float64) {
	x, y = x-p.x, y-p.y
	return paint.Mul(p.cos, x) + paint.Mul(p.sin, y), paint.Mul(p.cos, y) - paint.Mul(p.sin, x)
}

// slope is how much more light a slope gets than the flat: the light comes from the top left of the picture. (u, v) is the direction in
// which the surface falls, as the part has it.
func (p pose) slope(u, v float64) float64 {
	x, y := paint.Mul(p.cos, u)-paint.Mul(p.sin, v), paint.Mul(p.sin, u)+paint.Mul(p.cos, v)
	return -paint.Mul(0.6, x) - paint.Mul(0.8, y)
}

func length(u, v float64) float64 { return math.Sqrt(paint.Mul(u, u) + paint.Mul(v, v)) }

func grey(level float64) paint.Colour { return paint.Shown(level, level, level) }

// conveyor is the ground on which workpieces lie: a matt belt.
func conveyor(m *maker) func(x, y float64) paint.Colour {
	seed, level := m.Uint64(), m.between(0.30, 0.34)
	return func(x, y float64) paint.Colour {
		c := paint.Shown(level, level+0.02, level+0.05)
		return c.Times(1 + paint.Mul(0.12, paint.Fractal(seed, 40*x, 40*y, 2)))
	}
}

// lying is a workpiece on the ground: inside says how deep within its outline a place is, below 0 outside, and look what the part looks
// like there. It throws a shadow to the bottom right.
func lying(ground func(x, y float64) paint.Colour, p pose, inside func(u, v float64) float64, look func(u, v float64) paint.Colour) surface {
	const height = 0.02
	shaded := func(x, y float64) paint.Colour {
		u, v := p.local(x-0.6*height, y-0.8*height)
		return ground(x, y).Times(1 - paint.Mul(0.6, paint.Step(-height, height/2, inside(u, v))))
	}
	return surface{func(x, y float64) (paint.Colour, bool) {
		u, v := p.local(x, y)
		if inside(u, v) < 0 {
			return shaded(x, y), false
		}
		return look(u, v), true
	}, ground}
}

// endless is a part that fills the picture, over a dark ground.
func endless(p pose, look func(u, v float64) paint.Colour) surface {
	return surface{func(x, y float64) (paint.Colour, bool) { return look(p.local(x, y)), true },
		func(x, y float64) paint.Colour { return grey(0.08) }}
}
