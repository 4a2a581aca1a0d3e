// Package objects draws pictures of single objects on a floor, any number of them and each a function of a seed and an index: a shape of
// a colour, at a size, a place and an angle, under a light from a side. All of these are chosen independently of each other and evenly,
// and all are known: four attributes that have names, and six numbers. What else varies - the floor's colour and pattern, how strong and
// warm the light is, how glossy the object, the camera's noise - is there so that the pictures are no toy.
//
// They stand for the rendered scenes of Du, Li, Mordatch, "Compositional Visual Generation with Energy Based Models", NeurIPS 2020, and
// need no download. docs/rendered.md shows some.
package objects

import (
	"context"

	"github.com/joule-ebm/joule/dataset/internal/paint"
	"github.com/joule-ebm/joule/engine/rng"
)

// The attributes: indices of [Attributes] and of Scene.Labels.
const (
	Shape = iota
	Colour
	Size
	Position
	attributes
)

// Attribute is something about a scene that has one of a few names.
type Attribute struct {
	Name   string
	Values []string
}

// Attributes are what has names, in the order of Scene.Labels.
var Attributes = [attributes]Attribute{
	Shape:    {"shape", shapeNames()},
	Colour:   {"colour", colourNames()},
	Size:     {"size", []string{"small", "medium", "large"}},
	Position: {"position", []string{"top-left", "top", "top-right", "left", "centre", "right", "bottom-left", "bottom", "bottom-right"}},
}

// The numbers: indices of [Numbers] and of Scene.Numbers.
const (
	X        = iota // of the object's centre, from the left, in sides of the picture
	Y               // of the object's centre, from the top
	Radius          // of a disc as large as the object looks, in sides of the picture
	Rotation        // of the object about the vertical, degrees: 0 turns the mark to the camera, 60 to the right
	Light           // where the light comes from, degrees: 0 from the camera's side, 75 from the right
	Tone            // how bright the floor is, from black, 0, to white, 1
	numbers
)

// The data set's own scenes are those of seed 0: Train of them from scene 0 on to train on, and Test from scene FirstTest on to test with.
const (
	Train     = 50_000
	Test      = 10_000
	FirstTest = 1 << 32
)

// Number is something about a scene that is measured.
type Number struct {
	Name     string
	Min, Max float64
}

// Numbers are what is measured, in the order of Scene.Numbers.
var Numbers = [numbers]Number{
	X:        {"x", 0.3, 0.7},
	Y:        {"y", 0.3, 0.7},
	Radius:   {"radius", 0.12, 0.235},
	Rotation: {"rotation", -60, 60},
	Light:    {"light", -75, 75},
	Tone:     {"tone", 0.3, 0.7},
}

// Numbers belong to the names of sizes and positions by these ranges. Between them are gaps, so that no picture is on a border.
var (
	sizes  = [3][2]float64{{0.12, 0.135}, {0.16, 0.18}, {0.21, 0.235}}
	thirds = [3][2]float64{{0.3, 0.4}, {0.45, 0.55}, {0.6, 0.7}}
)

// paints are the colours of objects, as a screen shows them.
var paints = []struct {
	name   string
	colour paint.Colour
}{
	{"red", paint.Shown(0.86, 0.13, 0.12)},
	{"orange", paint.Shown(0.96, 0.52, 0.06)},
	{"yellow", paint.Shown(0.94, 0.86, 0.12)},
	{"green", paint.Shown(0.16, 0.66, 0.20)},
	{"cyan", paint.Shown(0.12, 0.78, 0.82)},
	{"blue", paint.Shown(0.13, 0.27, 0.88)},
	{"purple", paint.Shown(0.60, 0.18, 0.78)},
	{"white", paint.Shown(0.95, 0.95, 0.95)},
}

func shapeNames() (names []string) {
	for _, s := range shapes {
		names = append(names, s.name)
	}
	return names
}

func colourNames() (names []string) {
	for _, p := range paints {
		names = append(names, p.name)
	}
	return names
}

// Scene is one picture before it is drawn. Change a label or a number and draw it again: all else stays as it is. Drawing looks at the
// labels of shape and colour and at the numbers; sizes and positions have names only to be asked for.
type Scene struct {
	Labels  [attributes]int  // indices into the Values of each of Attributes
	Numbers [numbers]float64 // as Numbers lists them
	looks                    // what is neither asked for nor told
}

// looks are what makes two pictures of the same object differ.
type looks struct {
	texture    uint64       // seed of the floor's pattern and the camera's noise
	floor      paint.Colour // its tint, about 1
	pattern    [2]float64   // strength and frequency
	fade       float64      // how much darker the floor becomes away from the light
	shade      paint.Colour // what the object's paint is multiplied by, about 1
	gloss      float64      // strength of the highlight
	sun, sky   paint.Colour // light from the one direction, and from above all around
	elevation  float64      // of the sun, degrees
	softness   float64      // of shadows: the sun's apparent radius
	graininess float64      // of the camera: standard deviation of a pixel in levels of 255
}

// At is scene i of the endless sequence that a seed stands for.
func At(seed, i uint64) Scene {
	var s Scene
	stream := rng.New(seed, 0x6f626a65637473, i) // "objects"
	between := func(min, max float64) float64 { return paint.Lerp(min, max, float64(stream.Float32())) }

	s.Labels[Shape], s.Labels[Colour] = stream.IntN(len(shapes)), stream.IntN(len(paints))
	s.Labels[Size], s.Labels[Position] = stream.IntN(len(sizes)), stream.IntN(len(thirds)*len(thirds))
	size, column, row := sizes[s.Labels[Size]], thirds[s.Labels[Position]%3], thirds[s.Labels[Position]/3]
	s.Numbers[X], s.Numbers[Y] = between(column[0], column[1]), between(row[0], row[1])
	s.Numbers[Radius] = between(size[0], size[1])
	for _, k := range []int{Rotation, Light, Tone} {
		s.Numbers[k] = between(Numbers[k].Min, Numbers[k].Max)
	}

	s.texture = stream.Uint64()
	s.floor = paint.Colour{between(0.8, 1.2), between(0.8, 1.2), between(0.8, 1.2)}
	s.pattern = [2]float64{between(0, 0.35), between(3, 12)}
	s.fade = between(0, 0.5)
	s.shade = paint.Colour{between(0.92, 1.08), between(0.92, 1.08), between(0.92, 1.08)}.Times(between(0.9, 1.05))
	s.gloss = between(0, 0.6)
	warmth, strength, ambient := between(-0.06, 0.06), between(0.75, 1), between(0.3, 0.45)
	s.sun = paint.Colour{1 + warmth, 1, 1 - warmth}.Times(strength)
	s.sky = paint.Colour{1 - warmth, 1, 1 + warmth}.Times(ambient)
	s.elevation, s.softness = between(35, 60), between(0.05, 0.2)
	s.graininess = between(1, 5)
	return s
}

// Draw draws n scenes, from scene first of a seed on, in pictures of the given side, on all cores: N,H,W,3. It ends early with ctx.
func Draw(ctx context.Context, seed, first uint64, n, side int) (pixels []uint8, scenes []Scene, err error) {
	size := side * side * 3
	pixels, scenes = make([]uint8, n*size), make([]Scene, n)
	err = paint.Each(ctx, n, func(i int) {
		scenes[i] = At(seed, first+uint64(i))
		scenes[i].Draw(pixels[i*size:][:size], side)
	})
	return pixels, scenes, err
}
