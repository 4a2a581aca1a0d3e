package parts

// The kinds of parts. Lengths are in sides of the picture.

import (
	"math"

	"github.com/joule-ebm/joule/dataset/internal/paint"
)

// plate is of brushed metal, with a bore in the middle and a hole near each corner, all bevelled.
func plate(m *maker) surface {
	ground, p := conveyor(m), m.pose(0.015, 3)
	fine, coarse := m.Uint64(), m.Uint64()
	level, sheen := m.between(0.60, 0.66), m.between(-0.15, 0.15)
	const (
		half, corner = 0.43, 0.06
		bevel        = 0.014
	)
	hole := func(u, v float64) (edge, du, dv float64) { // how far outside the nearest hole, and its direction
		u, v, far := math.Abs(u), math.Abs(v), 0.28
		small, large := length(u-far, v-far), length(u, v)
		if small-0.05 < large-0.13 {
			return small - 0.05, (u - far) / max(small, 1e-9), (v - far) / max(small, 1e-9)
		}
		return large - 0.13, u / max(large, 1e-9), v / max(large, 1e-9)
	}
	outline := func(u, v float64) float64 { // a square with round corners
		u, v = max(math.Abs(u)-half+corner, 0), max(math.Abs(v)-half+corner, 0)
		return corner - length(u, v)
	}
	return lying(ground, p,
		func(u, v float64) float64 {
			edge, _, _ := hole(u, v)
			return min(outline(u, v), edge)
		},
		func(u, v float64) paint.Colour {
			brushed := paint.Mul(0.10, paint.Noise(fine, 5*u, 230*v)) + paint.Mul(0.07, paint.Noise(coarse, 2*u, 60*v))
			light := 1 + paint.Mul(0.8, sheen-paint.Mul(v, 0.4)-paint.Mul(paint.Mul(u, u), 1.2)) + brushed
			edge, du, dv := hole(u, v)
			if edge < bevel {
				light += paint.Mul(0.45, p.slope(math.Copysign(du, -u), math.Copysign(dv, -v)))
			} else if out := outline(u, v); out < bevel {
				light += 0.3
			}
			return paint.Shown(level, level+0.005, level+0.02).Times(light)
		})
}

// fabric is a plain weave of a beige warp and a blue weft.
func fabric(m *maker) surface {
	p := m.pose(0.1, 3)
	warps, wefts, fibres := m.Uint64(), m.Uint64(), m.Uint64()
	threads, light := m.between(15.5, 16.5), m.between(0.92, 1.04)
	warp, weft := paint.Shown(0.80, 0.72, 0.58), paint.Shown(0.30, 0.40, 0.58)
	return endless(p, func(u, v float64) paint.Colour {
		u, v = paint.Mul(threads, u), paint.Mul(threads, v)
		column, row := math.Floor(u), math.Floor(v)
		across, along, c, number := u-column-0.5, v-row-0.5, warp, paint.Lattice(warps, int64(column), 0)
		grain := paint.Noise(fibres, 6*u, 1.2*v)
		if int64(column+row)&1 == 0 { // the weft is on top
			across, along, c, number = along, across, weft, paint.Lattice(wefts, int64(row), 0)
			grain = paint.Noise(fibres+1, 1.2*u, 6*v)
		}
		round := 1 - paint.Mul(2.9, paint.Mul(across, across)) - paint.Mul(1.3, paint.Mul(along, along))
		if math.Abs(across) > 0.44 { // between the threads
			round = paint.Mul(round, 0.35)
		}
		return c.Times(paint.Mul(paint.Mul(light, round), 1+paint.Mul(0.07, number)+paint.Mul(0.12, grain)))
	})
}

// wood is a plank sawn beside the heart: rings of early and late wood, and pores.
func wood(m *maker) surface {
	p := m.pose(0.1, 4)
	waves, pores, tint := m.Uint64(), m.Uint64(), m.Uint64()
	heart, rings, light := m.between(0.7, 1.1), m.between(8, 11), m.between(0.94, 1.04)
	early, late := paint.Shown(0.80, 0.60, 0.39), paint.Shown(0.53, 0.33, 0.18)
	return endless(p, func(u, v float64) paint.Colour {
		depth := length(u+heart, paint.Mul(0.25, v)) + paint.Mul(0.09, paint.Fractal(waves, 2.5*u, 0.9*v, 3))
		year := paint.Fraction(paint.Mul(rings, depth))
		ripe := paint.Mul(paint.Step(0.25, 0.92, year), 1-paint.Step(0.94, 1, year))
		c := early.To(late, paint.Mul(0.6, ripe))
		if pore := paint.Noise(pores, 130*u, 7*v); pore > 0.35 {
			c = c.Times(1 - paint.Mul(0.5, pore-0.35))
		}
		return c.Times(light + paint.Mul(0.08, paint.Fractal(tint, 3*u, 1.5*v, 2)))
	})
}

// tile is a floor of glazed tiles, speckled, in grout.
func tile(m *maker) surface {
	p := m.pose(0.12, 3)
	glaze, specks, grout := m.Uint64(), m.Uint64(), m.Uint64()
	light := m.between(0.94, 1.04)
	const size, gap, bevel = 0.25, 0.009, 0.012
	return endless(p, func(u, v float64) paint.Colour {
		column, row := math.Floor(u/size), math.Floor(v/size)
		x, y := u-paint.Mul(size, column+0.5), v-paint.Mul(size, row+0.5)
		out := size/2 - max(math.Abs(x), math.Abs(y)) // from the border of the cell
		if out < gap {
			return grey(0.42).Times(paint.Mul(light, 1+paint.Mul(0.15, paint.Noise(grout, 90*u, 90*v))))
		}
		shade := 1 + paint.Mul(0.06, paint.Lattice(glaze, int64(column), int64(row))) + paint.Mul(0.04, paint.Fractal(glaze, 9*u, 9*v, 2))
		c := paint.Shown(0.74, 0.76, 0.70)
		if s := paint.Fractal(specks, 34*u, 34*v, 2); s > 0.3 {
			c = paint.Shown(0.44, 0.50, 0.50)
		} else if s < -0.38 {
			c = paint.Shown(0.84, 0.82, 0.72)
		}
		if out < gap+bevel { // rounded: towards the light or away from it
			du, dv := 0.0, math.Copysign(1, y)
			if math.Abs(x) > math.Abs(y) {
				du, dv = math.Copysign(1, x), 0
			}
			shade += paint.Mul(0.3, p.slope(du, dv))
		}
		return c.Times(paint.Mul(light, shade))
	})
}

// nut is hexagonal, turned on a lathe: a flat ring, chamfered corners, a threaded hole.
func nut(m *maker) surface {
	ground, p := conveyor(m), m.pose(0.03, 180)
	lathe, light := m.Uint64(), m.between(0.92, 1.05)
	const flats, chamfer, bore, thread = 0.32, 0.315, 0.165, 0.025
	hexagon := func(u, v float64) float64 { // √3/2 and 1/2 are the sine and cosine of 60°
		u, v = math.Abs(u), math.Abs(v)
		return flats - max(v, paint.Mul(0.8660254037844386, u)+paint.Mul(0.5, v))
	}
	return lying(ground, p,
		func(u, v float64) float64 { return min(hexagon(u, v), length(u, v)-bore+thread) },
		func(u, v float64) paint.Colour {
			r := length(u, v)
			du, dv := u/r, v/r
			shade := 1 + paint.Mul(0.10, paint.Noise(lathe, 260*r, 0)) + paint.Mul(0.12, p.slope(du, dv))
			switch {
			case r < bore: // the thread, seen from above
				turn := paint.Fraction(r / (thread / 2))
				shade = 0.35 + paint.Mul(0.4, turn) - paint.Mul(0.25, p.slope(du, dv))
			case r < bore+0.012:
				shade -= paint.Mul(0.4, p.slope(du, dv))
			case r > chamfer:
				shade = 0.75 + paint.Mul(0.5, p.slope(du, dv))
			case hexagon(u, v) < 0.008:
				shade += 0.15
			}
			return paint.Shown(0.66, 0.65, 0.60).Times(paint.Mul(light, shade))
		})
}

// screw lies on its side: a flat head, a threaded shank, a tip.
func screw(m *maker) surface {
	ground, p := conveyor(m), m.pose(0.03, 12)
	start, light, rust := m.between(0, 1), m.between(0.92, 1.05), m.Uint64()
	const (
		headEnd, neck, tip = -0.38, -0.26, 0.40
		head, shank, tooth = 0.15, 0.068, 0.016
		pitch              = 0.052
	)
	turn := func(u, v float64) float64 { return paint.Fraction(start + (u+paint.Mul(0.25, v))/pitch) }
	ridge := func(u, v float64) float64 { return 1 - math.Abs(2*turn(u, v)-1) } // 0 in the groove, 1 on the ridge
	radius := func(u, v float64) float64 {
		switch {
		case u < neck: // the head, its edge rounded
			return paint.Mul(head, 1-paint.Mul(0.35, paint.Step(0.06, 0, u-headEnd)))
		case u > tip-0.09:
			return paint.Mul(shank, max(0, tip-u)/0.09)
		}
		return shank + paint.Mul(tooth, ridge(u, v))
	}
	return lying(ground, p,
		func(u, v float64) float64 { return min(u-headEnd, tip-u, radius(u, v)-math.Abs(v)) },
		func(u, v float64) paint.Colour {
			across := v / max(radius(u, v), 1e-3) // -1 to 1: a cylinder, lit from above
			shade := 0.45 + paint.Mul(0.8, math.Sqrt(max(0, 1-paint.Mul(across, across)))) - paint.Mul(0.35, across)
			if u > neck {
				shade = paint.Mul(shade, 0.62+paint.Mul(0.55, turn(u, v)))
			} else if u > neck-0.012 {
				shade = paint.Mul(shade, 0.6)
			}
			return paint.Shown(0.62, 0.60, 0.52).Times(paint.Mul(light, shade+paint.Mul(0.06, paint.Noise(rust, 60*u, 60*v))))
		})
}
