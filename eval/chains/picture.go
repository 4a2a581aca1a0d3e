package chains

// This file draws a report: images beside their nearest neighbours with the distances underneath, and autocorrelations.

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/internal/plot"
)

// Picture shows the first samples, and the first images held out, each beside its nearest training images with the distances to them.
func (r *Report) Picture() (image.Image, error) {
	const rows = 12
	size := r.training.Size()
	return drawNeighbours([]column{{"sample | nearest training images", r.samples.Pixels, r.Copying.Neighbours},
		{"held out | nearest training images", r.heldOut.Pixels, r.heldOutNeighbours}},
		r.training.InMemory().Pixels, size.Height, size.Width, size.Channels, rows)
}

// Curves draws the autocorrelations of the traces by steps, as PNG. Those at great lags rest on few pairs and are left out.
func (r *Report) Curves(w io.Writer) error {
	var all []plot.Series
	for _, t := range r.Traces {
		s := plot.Series{Name: t.Name}
		for lag, rho := range t.Autocorrelation[:max(1, len(t.Autocorrelation)/2)] {
			s.X, s.Y = append(s.X, float64(lag*r.Every)), append(s.Y, rho)
		}
		all = append(all, s)
	}
	return plot.Curves(w, "Autocorrelation of the chains", "steps", "correlation", all...)
}

// column is a kind of images with their neighbours, under a title.
type column struct {
	title      string
	pixels     []uint8 // N,H,W,C
	neighbours [][]Neighbour
}

const (
	textHeight = 15
	leastWidth = 42 // of an image: room for a distance
	gapWidth   = 6
	titleRoom  = 20
)

// drawNeighbours draws the first rows of each column side by side: an image, then its neighbours among the set's, nearest first.
func drawNeighbours(columns []column, set []uint8, h, w, c, rows int) (image.Image, error) {
	size := h * w * c
	scale := max(1, (leastWidth+w-1)/w)
	cellWidth, cellHeight := w*scale+gapWidth, h*scale+textHeight
	width, shown := gapWidth, 0
	for _, col := range columns {
		if len(col.neighbours) == 0 || len(col.pixels) < len(col.neighbours)*size {
			return nil, fmt.Errorf("chains: %s: no images to draw", col.title)
		}
		width += (len(col.neighbours[0])+1)*cellWidth + 3*gapWidth
		shown = max(shown, min(rows, len(col.neighbours)))
	}
	canvas := image.NewRGBA(image.Rect(0, 0, width, titleRoom+shown*cellHeight+gapWidth))
	draw.Draw(canvas, canvas.Bounds(), image.White, image.Point{}, draw.Src)
	text := func(x, y int, s string) {
		d := font.Drawer{Dst: canvas, Src: image.NewUniform(color.Gray{Y: 0x20}), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
		d.DrawString(s)
	}
	left := gapWidth
	for _, col := range columns {
		text(left, titleRoom-6, col.title)
		for row := range min(rows, len(col.neighbours)) {
			top := titleRoom + row*cellHeight
			put := func(place int, pixels []uint8) error {
				grid, err := picture.Grid(pixels, 1, h, w, c, 1, scale)
				if err != nil {
					return err
				}
				at := image.Pt(left+place*cellWidth, top)
				line := (grid.Bounds().Dx() - w*scale) / 2 // around the grid's one image
				draw.Draw(canvas, image.Rectangle{at, at.Add(image.Pt(w*scale, h*scale))}, grid, image.Pt(line, line), draw.Src)
				return nil
			}
			if err := put(0, col.pixels[row*size:][:size]); err != nil {
				return nil, err
			}
			for i, n := range col.neighbours[row] {
				if err := put(i+1, set[n.Index*size:][:size]); err != nil {
					return nil, err
				}
				text(left+(i+1)*cellWidth, top+h*scale+12, fmt.Sprintf("%.3f", n.Distance))
			}
		}
		left += (len(col.neighbours[0])+1)*cellWidth + 3*gapWidth
	}
	return canvas, nil
}
