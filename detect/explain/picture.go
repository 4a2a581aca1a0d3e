package explain

// This file draws explanations.

import (
	"image"
	"math"

	"github.com/joule-ebm/joule/internal/picture"
)

const (
	panelSide = 140 // pixels that a panel's shorter side has at least
	hottest   = 6   // times the typical heat: the end of the colours
)

// Picture shows, from left to right, the image, the heat of the energy, that of each scale where there are several, what the energy would
// rather see, and the change: orange where it would rather have the image darker, blue where lighter. The heat's colours go from black, no
// heat, over red and yellow to white, six times the typical heat and more, so that pictures compare; the heat of a scale is set against
// the same typical heat. Where that is not known it is taken to be the image's own.
func (e *Explanation) Picture() (image.Image, error) {
	h, w, c, typical := e.Size.Height, e.Size.Width, e.Size.Channels, e.Typical
	if typical == 0 {
		for _, v := range e.Heat[0] {
			typical += v * v / float64(len(e.Heat[0]))
		}
		typical = math.Sqrt(typical)
	}
	panels := rgb(e.Pixels, c)
	for _, heat := range e.Heat {
		for _, v := range heat {
			colour := heatColour(v / (hottest * typical))
			panels = append(panels, colour[:]...)
		}
	}
	panels = append(panels, rgb(e.Preferred, c)...)
	for p := range h * w {
		change := 0
		for ch := range c {
			change += int(e.Preferred[p*c+ch]) - int(e.Pixels[p*c+ch])
		}
		colour := changeColour(float64(change) / float64(c) / 255)
		panels = append(panels, colour[:]...)
	}
	n := 3 + len(e.Heat)
	scale := max(1, (panelSide+min(h, w)-1)/min(h, w))
	return picture.Grid(panels, n, h, w, 3, n, scale)
}

// rgb gives pixels of c channels three.
func rgb(pixels []uint8, c int) []uint8 {
	if c == 3 {
		return append([]uint8{}, pixels...)
	}
	coloured := make([]uint8, 0, 3*len(pixels))
	for _, u := range pixels {
		coloured = append(coloured, u, u, u)
	}
	return coloured
}

// heatColours are six colours of the map "inferno" of matplotlib (CC0): lightness rises evenly, also for people with the common kinds
// of colour blindness.
var heatColours = [...][3]uint8{{0, 0, 4}, {66, 10, 104}, {147, 38, 103}, {221, 81, 58}, {252, 165, 10}, {252, 255, 164}}

// heatColour is the colour of a heat between 0 and 1; what is hotter has that of 1.
func heatColour(heat float64) [3]uint8 {
	if !(heat > 0) {
		return heatColours[0]
	}
	at, part := math.Modf(min(heat, 1) * float64(len(heatColours)-1))
	return mix(heatColours[int(at)], heatColours[min(int(at)+1, len(heatColours)-1)], part)
}

// Orange and blue of Okabe and Ito (2008), which people with the common kinds of colour blindness can tell apart.
var darker, lighter = [3]uint8{230, 159, 0}, [3]uint8{86, 180, 233}

// changeColour is the colour of a change of intensity between -1 and 1: full at half of that.
func changeColour(change float64) [3]uint8 {
	if change < 0 {
		return mix([3]uint8{}, darker, min(-2*change, 1))
	}
	return mix([3]uint8{}, lighter, min(2*change, 1))
}

// mix is a colour on the way from one to another.
func mix(from, to [3]uint8, part float64) (colour [3]uint8) {
	for i := range colour {
		colour[i] = uint8(math.Round((1-part)*float64(from[i]) + part*float64(to[i])))
	}
	return colour
}
