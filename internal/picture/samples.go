package picture

// This file writes down generated images: as one picture, as a file each, and as an animation of the chains that made them.

import (
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/joule-ebm/joule/internal/durable"
)

// Sheet lays images of shape h,w,c out in a square, or in so many columns unless that is 0. The picture is about width pixels wide: images
// are enlarged by a whole number, up to 8.
func Sheet(pixels []uint8, h, w, c, columns, width int) (image.Image, error) {
	n := len(pixels) / max(h*w*c, 1)
	if columns == 0 {
		columns = int(math.Ceil(math.Sqrt(float64(n))))
	}
	return Grid(pixels, n, h, w, c, columns, min(max(width/max(columns*w, 1), 1), 8))
}

// WriteFolder writes images of shape h,w,c as dir/0000.png and so on, the first of them as number first of so many in all; dir is made
// if it is not there.
func WriteFolder(dir string, pixels []uint8, h, w, c, first, all int) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	digits, size := max(4, len(fmt.Sprint(all-1))), h*w*c
	for i := range len(pixels) / size {
		img, err := Image(pixels[i*size:][:size], h, w, c)
		if err != nil {
			return err
		}
		name := filepath.Join(dir, fmt.Sprintf("%0*d.png", digits, first+i))
		if err := durable.WriteFile(name, func(w io.Writer) error { return EncodePNG(w, img) }); err != nil {
			return err
		}
	}
	return nil
}

// EncodeChains writes pictures of chains as they move as a GIF that stays at the end for a moment.
func EncodeChains(w io.Writer, frames []image.Image) error {
	const frame, hold = 80 * time.Millisecond, 10
	for range min(hold, hold*len(frames)) {
		frames = append(frames, frames[len(frames)-1])
	}
	return EncodeGIF(w, frames, frame)
}
