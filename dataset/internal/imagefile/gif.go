package imagefile

// GIF: the first frame, where it stands on the canvas.

import (
	"bytes"
	"image"
	"image/draw"
	"image/gif"
)

func decodeGIF(data []byte) (Picture, error) {
	c, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return Picture{}, err
	}
	frame, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return Picture{}, err
	}
	return Picture{Image: onCanvas(frame, frame.Bounds().Min, image.Rect(0, 0, c.Width, c.Height))}, nil
}

// onCanvas is a frame at a place of the transparent canvas it is a part of.
func onCanvas(frame image.Image, corner image.Point, canvas image.Rectangle) image.Image {
	b := frame.Bounds()
	if b == canvas {
		return frame
	}
	whole := image.NewNRGBA(canvas)
	draw.Draw(whole, b.Sub(b.Min).Add(corner), frame, b.Min, draw.Src)
	return whole
}
