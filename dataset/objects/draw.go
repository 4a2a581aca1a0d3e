package objects

// Drawing a scene: rays from the camera meet the object or the floor, and light comes from one direction and from the sky.
//
// The camera looks down at an angle from far away, along parallel lines. So a place on the picture is
//
//	(x, y) = (½ + right·p, ½ - up·p)
//
// of a point p, wherever on the floor it is, and an object's size on the picture is its size. Lengths below are in radii of the object,
// and the origin is its centre.

import (
	"math"

	"github.com/joule-ebm/joule/dataset/internal/paint"
	"github.com/joule-ebm/joule/engine/rng"
)

// The camera looks down by the angle of the triangle with sides 3, 4 and 5: 36.9 degrees.
var (
	right   = vector{1, 0, 0}
	up      = vector{0, 0.8, -0.6}
	forward = vector{0, -0.6, -0.8}
)

const (
	markWidth   = 0.17 // half of it
	markAlbedo  = 0.03
	near        = 0.004 // of a ray to the surface: it is there
	maxSteps    = 48    // along a ray
	shadowReach = 8.0   // radii; longer shadows leave the picture
)

// Draw draws the scene into dst, a picture of side·side·3 bytes: H,W,C. The side is at least 1; 32 and more make pictures that show all.
func (s Scene) Draw(dst []uint8, side int) {
	v := s.view()
	v.pixel = 1 / (float64(side) * s.Numbers[Radius])
	noise := rng.New(s.texture, uint64(side))
	paint.Expose(dst, paint.Samples(side, v.plain, v.light), s.graininess, &noise)
}

// view is a scene as its rays see it: space turned with the object, so that the shape stands as it is defined.
type view struct {
	*Scene
	shape              shape
	right, up, forward vector
	sun                vector  // towards it
	half               vector  // halfway between the sun and the camera
	across, along      float64 // the sun's direction on the floor, to the right and to the front
	pixel              float64 // the width of one
}

func (s *Scene) view() view {
	sin, cos := paint.Sincos(s.Numbers[Rotation])
	turn := func(p vector) vector { // into the object's frame: by -Rotation about y
		return vector{paint.Mul(cos, p.x) - paint.Mul(sin, p.z), p.y, paint.Mul(sin, p.x) + paint.Mul(cos, p.z)}
	}
	across, along := paint.Sincos(s.Numbers[Light])
	high, flat := paint.Sincos(s.elevation)
	sun := vector{paint.Mul(flat, across), high, paint.Mul(flat, along)}
	return view{Scene: s, shape: shapes[s.Labels[Shape]], right: turn(right), up: turn(up), forward: turn(forward),
		sun: turn(sun), half: turn(sun.plus(forward.times(-1)).unit()), across: across, along: along}
}

// light is what reaches the camera at (x, y) of the picture.
func (v *view) light(x, y float64) paint.Colour {
	o := v.place(x, y)
	if p, ok := v.meet(o); ok {
		return v.objectAt(p)
	}
	return v.floorAt(v.below(o), x, y)
}

// place is the point of the ray through (x, y) that is nearest the object's centre.
func (v *view) place(x, y float64) vector {
	return v.right.times((x - v.Numbers[X]) / v.Numbers[Radius]).plus(v.up.times((v.Numbers[Y] - y) / v.Numbers[Radius]))
}

// below is where the ray through o meets the floor.
func (v *view) below(o vector) vector {
	return o.plus(v.forward.times((-v.shape.height - o.y) / v.forward.y))
}

// plain says whether a pixel shows nothing but floor in full light, which needs no antialiasing.
func (v *view) plain(x, y float64) bool {
	o := v.place(x, y)
	margin := v.shape.radius + v.pixel
	if o.dot(o) < paint.Mul(margin, margin) {
		return false
	}
	p := v.below(o)
	along, beside, reach := v.shadow(p)
	reach += 2 * v.pixel
	return along > reach || beside > paint.Mul(reach, reach)
}

// meet follows the ray through o, which is the ray's point nearest the origin, to the object.
func (v *view) meet(o vector) (p vector, ok bool) {
	depth := paint.Mul(v.shape.radius, v.shape.radius) - o.dot(o)
	if depth < 0 {
		return vector{}, false
	}
	t, end := -math.Sqrt(depth), math.Sqrt(depth)
	for range maxSteps {
		p = o.plus(v.forward.times(t))
		d := v.shape.distance(p)
		if d < near {
			return p, true
		}
		if t += d; t > end {
			break
		}
	}
	return vector{}, false
}

// objectAt is the light from a point of the object: Lambert's law for its paint, and a highlight after Blinn.
func (v *view) objectAt(p vector) paint.Colour {
	n := v.normal(p)
	body := paints[v.Labels[Colour]].colour.On(v.shade)
	if p.z > 0 && math.Abs(p.x) < markWidth {
		body = paint.Colour{markAlbedo, markAlbedo, markAlbedo}
	}
	sunlit, highlight := 0.0, 0.0
	if facing := n.dot(v.sun); facing > 0 {
		open := v.sunAt(p.plus(n.times(0.03)))
		sunlit = paint.Mul(facing, open)
		shine := max(0, n.dot(v.half))
		for range 5 { // to the power of 32
			shine = paint.Mul(shine, shine)
		}
		highlight = paint.Mul(paint.Mul(v.gloss, open), shine)
	}
	received := v.Scene.sun.Times(sunlit).Plus(v.sky.Times(0.6 + paint.Mul(0.4, n.y)))
	return received.On(body).Plus(v.Scene.sun.Times(highlight))
}

// normal is the direction in which the distance grows fastest: differences along the corners of a tetrahedron.
func (v *view) normal(p vector) (n vector) {
	const h = 0.01
	for _, e := range [4]vector{{1, -1, -1}, {-1, -1, 1}, {-1, 1, -1}, {1, 1, 1}} {
		n = n.plus(e.times(v.shape.distance(p.plus(e.times(h)))))
	}
	return n.unit()
}

// floorAt is the light from the point p of the floor, which is at (x, y) of the picture.
func (v *view) floorAt(p vector, x, y float64) paint.Colour {
	tone := paint.Mul(v.Numbers[Tone], v.Numbers[Tone])
	pattern := 1 + paint.Mul(v.pattern[0], paint.Fractal(v.texture, paint.Mul(x, v.pattern[1]), paint.Mul(y, v.pattern[1]), 2))
	fade := 1 + paint.Mul(v.fade, paint.Mul(v.across, x-0.5)+paint.Mul(v.along, y-0.5))
	body := v.floor.Times(paint.Mul(tone, paint.Mul(pattern, fade)))

	open := 1.0 // how much of the sky is: the object hides what is near it
	if d := v.shape.distance(p); d < 0.8 {
		open = 0.4 + paint.Mul(0.75, max(0, d))
	}
	// The floor is as bright as its tone where all light falls upon it.
	received := v.Scene.sun.Times(paint.Mul(v.sun.y, v.sunAt(p))).Plus(v.sky.Times(open))
	return received.On(body).Times(1 / (v.sun.y + 0.375))
}

// sunAt is the share of the sun that a point sees: the nearest that its ray comes to the object, measured by the distance gone, says how
// much of the sun's disc is hidden.
func (v *view) sunAt(p vector) float64 {
	along, beside, reach := v.shadow(p)
	if along > v.shape.radius || beside > paint.Mul(reach, reach) {
		return 1
	}
	open, t := 1.0, max(0.02, -along-reach)
	for range maxSteps {
		d := v.shape.distance(p.plus(v.sun.times(t)))
		if d < near {
			return 0
		}
		open = min(open, d/paint.Mul(v.softness, t))
		t += max(d, 0.02)
		if t > shadowReach || t > reach-along {
			break
		}
	}
	return paint.Step(0, 1, open)
}

// shadow says how far p is from the object's centre towards the sun, the square of how far it is from the line there, and how near that
// line it must be for the object to hide some of the sun.
func (v *view) shadow(p vector) (along, beside, reach float64) {
	along = p.dot(v.sun)
	return along, p.dot(p) - paint.Mul(along, along), v.shape.radius + paint.Mul(v.softness, max(0, -along))
}
