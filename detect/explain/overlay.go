package explain

// This file draws score maps over pictures.

import (
	"image"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/internal/picture"
)

// Overlay shows, from left to right, a picture; its score map over it, from red over yellow to white where scores are above those of good
// pictures (see [detect.Detector.Heat]), with a blue frame around the regions that are called out of distribution; and, if there is a
// mask (H,W, not 0 on the defect), the picture with an orange line around the defect.
func Overlay(p dataset.Image, m *scoremap.Map, d *detect.Detector, regions []detect.Region, mask []uint8) (image.Image, error) {
	low, high, ok := d.Heat()
	if !ok {
		low, high = m.Range()
	}
	plain := rgb(p.Pixels, p.Channels)
	heated := make([]uint8, 0, len(plain))
	for i, v := range m.Values {
		under := [3]uint8(plain[3*i:])
		if heat := min((float64(v)-low)/(high-low), 1); heat > 0 {
			under = mix(under, heatColour(0.3+0.7*heat), 0.35+0.45*heat)
		}
		heated = append(heated, under[:]...)
	}
	if len(regions) > 0 {
		inside := make([]uint8, len(m.Values))
		for _, r := range regions {
			for y := r.Y; y < r.Y+r.Height; y++ {
				for x := r.X; x < r.X+r.Width; x++ {
					inside[y*m.Width+x] = 1
				}
			}
		}
		outline(heated, inside, m.Height, m.Width, lighter)
	}
	panels, n := append(plain, heated...), 2
	if mask != nil {
		marked := rgb(p.Pixels, p.Channels)
		outline(marked, mask, m.Height, m.Width, darker)
		panels, n = append(panels, marked...), 3
	}
	scale := max(1, (panelSide+min(m.Height, m.Width)-1)/min(m.Height, m.Width))
	return picture.Grid(panels, n, m.Height, m.Width, 3, n, scale)
}

// outline draws a line around the pixels of a mask, in the pixels just outside it or at the picture's border.
func outline(pixels, mask []uint8, h, w int, colour [3]uint8) {
	for y := range h {
		for x := range w {
			in := mask[y*w+x] != 0
			edge := in && (x == 0 || y == 0 || x == w-1 || y == h-1)
			for dy := max(y-1, 0); !in && dy <= min(y+1, h-1); dy++ {
				for dx := max(x-1, 0); dx <= min(x+1, w-1); dx++ {
					edge = edge || mask[dy*w+dx] != 0
				}
			}
			if edge {
				copy(pixels[3*(y*w+x):], colour[:])
			}
		}
	}
}
