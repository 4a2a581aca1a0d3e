package paint

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/joule-ebm/joule/engine/rng"
)

// Colour is an amount of red, green and blue light, or the share of it that a surface reflects. Amounts add up as light does; a screen
// shows an amount a as the byte 255·√a, a gamma of 2, which a square root gives alike on every machine.
type Colour [3]float64

// Shown is the colour that a screen shows for red, green and blue in [0, 1].
func Shown(r, g, b float64) Colour { return Colour{Mul(r, r), Mul(g, g), Mul(b, b)} }

// Times is c with all its light multiplied by k.
func (c Colour) Times(k float64) Colour { return Colour{Mul(c[0], k), Mul(c[1], k), Mul(c[2], k)} }

// On is light c after a surface of colour s.
func (c Colour) On(s Colour) Colour { return Colour{Mul(c[0], s[0]), Mul(c[1], s[1]), Mul(c[2], s[2])} }

// Plus is the sum of two lights.
func (c Colour) Plus(d Colour) Colour { return Colour{c[0] + d[0], c[1] + d[1], c[2] + d[2]} }

// To is the mixture of 1-t parts c and t parts d.
func (c Colour) To(d Colour, t float64) Colour {
	return Colour{Lerp(c[0], d[0], t), Lerp(c[1], d[1], t), Lerp(c[2], d[2], t)}
}

// Levels are the bytes that a screen shows for c.
func (c Colour) Levels() (levels [3]uint8) {
	for k, light := range c {
		levels[k] = uint8(math.Floor(Mul(255, math.Sqrt(Clamp(light))) + 0.5))
	}
	return levels
}

// Expose writes colours as a camera does, three bytes each: their levels, and noise with a standard deviation of so many levels.
func Expose(dst []uint8, picture []Colour, deviation float64, s *rng.Stream) {
	noise := make([]float32, len(dst))
	s.FillNormal(noise)
	for i, c := range picture {
		for k, level := range c.Levels() {
			seen := float64(level) + Mul(deviation, float64(noise[3*i+k]))
			dst[3*i+k] = uint8(max(0, min(255, math.Floor(seen+0.5))))
		}
	}
}

// Samples renders a square picture: each pixel is the mean of four rays, one for each quarter of it, where ray gives the light at a
// place of the picture, x to the right and y down, both in [0, 1]. Where plain says so of the middle of a pixel, one ray there does.
func Samples(side int, plain func(x, y float64) bool, ray func(x, y float64) Colour) []Colour {
	picture := make([]Colour, side*side)
	for i := range picture {
		row, column := float64(i/side), float64(i%side)
		at := func(right, down float64) (x, y float64) {
			return (column + right) / float64(side), (row + down) / float64(side)
		}
		if plain(at(0.5, 0.5)) {
			picture[i] = ray(at(0.5, 0.5))
			continue
		}
		sum := ray(at(0.25, 0.25)).Plus(ray(at(0.75, 0.25))).Plus(ray(at(0.25, 0.75))).Plus(ray(at(0.75, 0.75)))
		picture[i] = sum.Times(0.25)
	}
	return picture
}

// Each calls do for 0 to n-1, on all cores, and returns early with ctx's error if ctx ends.
func Each(ctx context.Context, n int, do func(i int)) error {
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		running.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	running.Wait()
	return ctx.Err()
}
