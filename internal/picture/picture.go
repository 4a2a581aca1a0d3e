// Package picture makes pictures for people to look at: grids of samples as PNG and chains as animated GIF.
//
// Pixels come in as uint8 in N,H,W,C order (image, row, column, channel), with 1 channel for grey or 3 for red, green, blue. The
// same pixels give the same picture; its file's bytes are fixed too, for one version of Go's image encoders.
package picture

// This file turns pixels into images: one image, and a grid of many.

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
)

const (
	// background is the grey between images: apart from both the black and the white that images often have at their edges.
	background = 0x70

	// maxPixels bounds a grid, so that a mistyped scale is an error and not a machine out of memory.
	maxPixels = 1 << 28
)

// Image returns one image of shape h,w,c without changing its size: an *image.Gray for c = 1, an opaque *image.RGBA for c = 3.
// The result has its own copy of the pixels.
func Image(pixels []uint8, h, w, c int) (image.Image, error) {
	if err := check(len(pixels), 1, h, w, c); err != nil {
		return nil, err
	}
	canvas := blank(w, h, c)
	place(canvas, pixels, 0, 0, h, w, c, 1)
	return canvas, nil
}

// Grid lays out n images of shape h,w,c row by row, columns to a row, each pixel drawn as a square of scale by scale. A grey
// line, 1 pixel wide at scale 1 and 2 pixels otherwise, runs between the images and around them; places left over in the
// last row are grey too. With fewer images than columns the grid is n images wide. The result is an *image.Gray for c = 1 and an
// opaque *image.RGBA for c = 3.
func Grid(pixels []uint8, n, h, w, c, columns, scale int) (image.Image, error) {
	if err := check(len(pixels), n, h, w, c); err != nil {
		return nil, err
	}
	if columns < 1 {
		return nil, fmt.Errorf("picture: a grid of %d columns: want at least 1", columns)
	}
	if scale < 1 || scale > maxPixels {
		return nil, fmt.Errorf("picture: scale %d: want at least 1, and a picture of at most %d pixels", scale, maxPixels)
	}
	columns = min(columns, n)
	rows := (n + columns - 1) / columns
	gap := min(scale, 2)
	// check has bounded n, h and w by 2²⁸, and scale is bounded too, so that neither side can overflow.
	stepX, stepY := w*scale+gap, h*scale+gap
	if stepX > maxPixels || stepY > maxPixels ||
		columns*stepX+gap > maxPixels || rows*stepY+gap > maxPixels/(columns*stepX+gap) {
		return nil, fmt.Errorf("picture: a grid of %d by %d images of %dx%d at scale %d has more than %d pixels: show fewer images or a smaller scale",
			columns, rows, w, h, scale, maxPixels)
	}
	canvas := blank(columns*stepX+gap, rows*stepY+gap, c)
	draw.Draw(canvas, canvas.Bounds(), image.NewUniform(color.Gray{Y: background}), image.Point{}, draw.Src)
	size := h * w * c
	for i := range n {
		x, y := gap+i%columns*stepX, gap+i/columns*stepY
		place(canvas, pixels[i*size:(i+1)*size], x, y, h, w, c, scale)
	}
	return canvas, nil
}

// Quantise turns intensities in [0,1] into bytes: floor(256 x) clipped to 0..255, the inverse of dequantising by
// x = (u + U(0,1))/256. What is outside [0,1] is clipped, and NaN becomes 0.
func Quantise(x []float32) []uint8 {
	u := make([]uint8, len(x))
	for i, v := range x {
		// 256 v is exact in float32, so that no byte is lost to rounding.
		switch v *= 256; {
		case v >= 255:
			u[i] = 255
		case v > 0:
			u[i] = uint8(v)
		}
	}
	return u
}

// check says whether size pixels are n images of shape h,w,c, and that none of the four numbers is out of bounds.
func check(size, n, h, w, c int) error {
	if c != 1 && c != 3 {
		return fmt.Errorf("picture: images of %d channels: want 1 (grey) or 3 (red, green, blue)", c)
	}
	if n < 1 || h < 1 || w < 1 {
		return fmt.Errorf("picture: %d images of %d rows and %d columns: want at least 1 of each", n, h, w)
	}
	if n > maxPixels || h > maxPixels/n || w > maxPixels/n/h {
		return fmt.Errorf("picture: %d images of %dx%d have more than %d pixels", n, w, h, maxPixels)
	}
	if size != n*h*w*c {
		return fmt.Errorf("picture: %d bytes of pixels: %d images of %d rows, %d columns and %d channels have %d",
			size, n, h, w, c, n*h*w*c)
	}
	return nil
}

// blank returns an image to draw on.
func blank(width, height, c int) draw.Image {
	bounds := image.Rect(0, 0, width, height)
	if c == 1 {
		return image.NewGray(bounds)
	}
	return image.NewRGBA(bounds)
}

// place draws one image with its top left corner at x0,y0, each pixel as a square of scale by scale.
func place(canvas draw.Image, pixels []uint8, x0, y0, h, w, c, scale int) {
	for y := range h {
		for x := range w {
			p := pixels[(y*w+x)*c:]
			for dy := range scale {
				for dx := range scale {
					px, py := x0+x*scale+dx, y0+y*scale+dy
					switch canvas := canvas.(type) {
					case *image.Gray:
						canvas.Pix[canvas.PixOffset(px, py)] = p[0]
					case *image.RGBA:
						copy(canvas.Pix[canvas.PixOffset(px, py):], []uint8{p[0], p[1], p[2], 255})
					}
				}
			}
		}
	}
}
