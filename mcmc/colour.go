package mcmc

// This file is colour jitter and grayscale, with the definitions of torchvision for tensors. Brightness, contrast and saturation by a
// factor f mix the image with another:
//
//	x ← clamp(f·x + (1-f)·y, 0, 1)
//
// where y is black for brightness, the mean luma of the image for contrast, and each pixel's own luma for saturation. Hue turns the
// colour circle of the hue-saturation-value model.

import (
	"math"

	"github.com/joule-ebm/joule/engine/rng"
)

// jitter is one change of colours.
type jitter struct {
	order                            [4]adjustment
	brightness, contrast, saturation float32 // factors; 1 changes nothing
	hue                              float32 // in full turns, within ±1/2
}

type adjustment int

const (
	brightness adjustment = iota
	contrast
	saturation
	hue
)

// randomJitter draws a jitter of the given strength.
func randomJitter(strength float32, s *rng.Stream) jitter {
	low, high := max(0, 1-0.8*strength), 1+0.8*strength
	j := jitter{
		order:      [4]adjustment{brightness, contrast, saturation, hue},
		brightness: between(low, high, s),
		contrast:   between(low, high, s),
		saturation: between(low, high, s),
		hue:        between(-0.4*strength, 0.4*strength, s),
	}
	for i := len(j.order) - 1; i > 0; i-- {
		k := s.IntN(i + 1)
		j.order[i], j.order[k] = j.order[k], j.order[i]
	}
	return j
}

// apply changes the colours of an image of one or three channels in place.
func (j *jitter) apply(image []float32, channels int) {
	for _, a := range j.order {
		switch {
		case a == brightness:
			blend(image, j.brightness, 0)
		case a == contrast:
			blend(image, j.contrast, meanLuma(image, channels))
		case channels == 1: // no colour to change
		case a == saturation:
			saturate(image, j.saturation)
		case a == hue:
			turnHue(image, j.hue)
		}
	}
}

// luma is the brightness of a colour, by the weights of ITU-R BT.601.
func luma(r, g, b float32) float32 { return 0.2989*r + 0.587*g + 0.114*b }

func meanLuma(image []float32, channels int) float32 {
	var sum float64 // so that a large image loses no precision
	if channels == 1 {
		for _, v := range image {
			sum += float64(v)
		}
		return float32(sum / float64(len(image)))
	}
	for i := 0; i+2 < len(image); i += 3 {
		sum += float64(luma(image[i], image[i+1], image[i+2]))
	}
	return float32(sum / float64(len(image)/3))
}

// clamp returns x, or the end of [0,1] it lies beyond.
func clamp(x float32) float32 { return min(max(x, 0), 1) }

// blend mixes an image with the constant y.
func blend(image []float32, f, y float32) {
	y *= 1 - f
	for i, v := range image {
		image[i] = clamp(f*v + y)
	}
}

// saturate mixes each pixel with its luma.
func saturate(image []float32, f float32) {
	for i := 0; i+2 < len(image); i += 3 {
		p := image[i : i+3 : i+3]
		y := (1 - f) * luma(p[0], p[1], p[2])
		p[0], p[1], p[2] = clamp(f*p[0]+y), clamp(f*p[1]+y), clamp(f*p[2]+y)
	}
}

// grayscale replaces each pixel by its luma.
func grayscale(image []float32) {
	for i := 0; i+2 < len(image); i += 3 {
		p := image[i : i+3 : i+3]
		y := clamp(luma(p[0], p[1], p[2]))
		p[0], p[1], p[2] = y, y, y
	}
}

// turnHue turns the hue of each pixel by the given part of a full turn.
func turnHue(image []float32, turn float32) {
	for i := 0; i+2 < len(image); i += 3 {
		p := image[i : i+3 : i+3]
		r, g, b := p[0], p[1], p[2]
		value := max(r, g, b)
		chroma := value - min(r, g, b)
		if chroma == 0 {
			continue // a gray has no hue
		}
		// The hue in sixths of a turn, from red.
		var h float32
		switch value {
		case r:
			h = (g - b) / chroma
		case g:
			h = 2 + (b-r)/chroma
		default:
			h = 4 + (r-g)/chroma
		}
		h += 6 * turn
		h -= 6 * float32(math.Floor(float64(h)/6))
		// Back: one channel at value, one at value - chroma, one between.
		sixth := int(h)
		f := h - float32(sixth)
		low, fall, rise := value-chroma, value-chroma*f, value-chroma*(1-f)
		switch sixth {
		case 1:
			r, g, b = fall, value, low
		case 2:
			r, g, b = low, value, rise
		case 3:
			r, g, b = low, fall, value
		case 4:
			r, g, b = rise, low, value
		case 5:
			r, g, b = value, low, fall
		default: // 0, and 6 by rounding
			r, g, b = value, rise, low
		}
		p[0], p[1], p[2] = clamp(r), clamp(g), clamp(b)
	}
}
