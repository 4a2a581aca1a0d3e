package picture

// This file writes images: PNG (RFC 2083) for still ones, animated GIF (GIF89a) for chains.

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"time"
)

// EncodePNG writes img as PNG, compressed as well as the encoder can: sample pictures are kept by the hundred.
func EncodePNG(w io.Writer, img image.Image) error {
	if img == nil {
		return errors.New("picture: no image to write as PNG")
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(w, img); err != nil {
		return fmt.Errorf("picture: writing PNG: %w", err)
	}
	return nil
}

// EncodeGIF writes frames of one size as an animation that repeats for ever, each shown for delay (rounded to hundredths of a
// second; many viewers slow down what is under 2).
//
// If every frame is an *image.Gray the 256 palette entries are the 256 greys and no pixel changes. Otherwise all frames share one
// palette: their own colours where there are at most 256, else 256 fitted to them. Colours are then replaced by the nearest
// without dithering: dither moves from frame to frame and would look like the sampler's noise.
func EncodeGIF(w io.Writer, frames []image.Image, delay time.Duration) error {
	if len(frames) == 0 {
		return errors.New("picture: no frames to write as GIF")
	}
	hundredths := delay.Round(10*time.Millisecond) / (10 * time.Millisecond)
	if hundredths < 0 || hundredths > 0xffff {
		return fmt.Errorf("picture: a GIF frame shown for %v: want between 0 and 655.35 seconds", delay)
	}
	grey := true
	for i, frame := range frames {
		if frame == nil {
			return fmt.Errorf("picture: GIF frame %d is missing", i)
		}
		size, first := frame.Bounds().Size(), frames[0].Bounds().Size()
		if size != first {
			return fmt.Errorf("picture: GIF frame %d has size %v, the first has %v: all must be alike", i, size, first)
		}
		if size.X < 1 || size.Y < 1 || size.X > 0xffff || size.Y > 0xffff {
			return fmt.Errorf("picture: GIF frames of size %v: want 1 to 65535 each way", size)
		}
		if _, ok := frame.(*image.Gray); !ok {
			grey = false
		}
	}

	var palette color.Palette
	var index func(color.RGBA) uint8
	if grey {
		for v := range 256 {
			palette = append(palette, color.RGBA{uint8(v), uint8(v), uint8(v), 255})
		}
		index = func(c color.RGBA) uint8 { return c.R }
	} else {
		palette, index = fitPalette(frames)
	}

	size := frames[0].Bounds().Size()
	animation := gif.GIF{Config: image.Config{ColorModel: palette, Width: size.X, Height: size.Y}}
	for _, frame := range frames {
		indexed := image.NewPaletted(image.Rectangle{Max: size}, palette)
		i := 0
		for c := range colours(frame) {
			indexed.Pix[i] = index(c)
			i++
		}
		animation.Image = append(animation.Image, indexed)
		animation.Delay = append(animation.Delay, int(hundredths))
	}
	if err := gif.EncodeAll(w, &animation); err != nil {
		return fmt.Errorf("picture: writing GIF: %w", err)
	}
	return nil
}
