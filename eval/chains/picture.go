package chains

// This file draws images beside their nearest neighbours, with the distances underneath.

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/joule-ebm/joule/internal/picture"
)

// Column is a kind of images with their neighbours, under a title.
type Column struct {
	Title      string
	Pixels     []uint8 // N,H,W,C
	Neighbours [][]Neighbour
}

const (
	textHeight = 15
	leastWidth = 42 // of an image: room for a distance
	gapWidth   = 6
	titleRoom  = 20
)

// Picture draws the first rows of each column side by side: an image, then its neighbours among the set's, nearest first.
func Picture(columns []Column, set []uint8, h, w, c, rows int) (image.Image, error) {
	size := h * w * c
	scale := max(1, (leastWidth+w-1)/w)
	cellWidth, cellHeight := w*scale+gapWidth, h*scale+textHeight
	width, shown := gapWidth, 0
	for _, col := range columns {
		if len(col.Neighbours) == 0 || len(col.Pixels) < len(col.Neighbours)*size {
			return nil, fmt.Errorf("chains: %s: no images to draw", col.Title)
		}
		width += (len(col.Neighbours[0])+1)*cellWidth + 3*gapWidth
		shown = max(shown, min(rows, len(col.Neighbours)))
	}
	canvas := image.NewRGBA(image.Rect(0, 0, width, titleRoom+shown*cellHeight+gapWidth))
	draw.Draw(canvas, canvas.Bounds(), image.White, image.Point{}, draw.Src)
	text := func(x, y int, s string) {
		d := font.Drawer{Dst: canvas, Src: image.NewUniform(color.Gray{Y: 0x20}), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
		d.DrawString(s)
	}
	left := gapWidth
	for _, col := range columns {
		text(left, titleRoom-6, col.Title)
		for row := range min(rows, len(col.Neighbours)) {
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
			if err := put(0, col.Pixels[row*size:][:size]); err != nil {
				return nil, err
			}
			for i, n := range col.Neighbours[row] {
				if err := put(i+1, set[n.Index*size:][:size]); err != nil {
					return nil, err
				}
				text(left+(i+1)*cellWidth, top+h*scale+12, fmt.Sprintf("%.3f", n.Distance))
			}
		}
		left += (len(col.Neighbours[0])+1)*cellWidth + 3*gapWidth
	}
	return canvas, nil
}
