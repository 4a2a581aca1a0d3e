package imagefile

// WebP: a RIFF file of chunks. The decoder, golang.org/x/image/webp, takes still pictures; two things are done here. An animation's first frame
// (chunk ANMF) is repacked as a still picture and put on the canvas. And lossy frames, which are VP8 video, are converted from the
// range of video, where black is 16 and white 235, instead of that of JPEG:
//
//	R = 1.164 (Y-16) + 1.596 (V-128)
//	G = 1.164 (Y-16) - 0.392 (U-128) - 0.813 (V-128)
//	B = 1.164 (Y-16) + 2.017 (U-128)
//
// with U and V, of half the resolution, interpolated between the four nearest of their centres with weights 9, 3, 3 and 1, in whole
// numbers of 14 bits as libwebp computes them. Source: ITU-R BT.601; Google, "WebP Container Specification"; RFC 6386, 9.2.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"io"

	"golang.org/x/image/webp"
)

func isWebP(head []byte) bool {
	return len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP"
}

// chunks walks the chunks of RIFF data until fn returns false or they end.
func chunks(data []byte, fn func(kind string, body []byte) bool) error {
	for len(data) > 0 {
		if len(data) < 8 {
			return io.ErrUnexpectedEOF
		}
		kind, size := string(data[:4]), uint64(binary.LittleEndian.Uint32(data[4:]))
		if size > uint64(len(data)-8) {
			return io.ErrUnexpectedEOF
		}
		if !fn(kind, data[8:8+size]) {
			return nil
		}
		data = data[min(8+size+size%2, uint64(len(data))):]
	}
	return nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// animation finds the canvas and the first frame of an animation. A still picture has no frame.
func animation(data []byte) (canvas image.Rectangle, frame []byte, err error) {
	const animated = 1 << 1
	still := false
	err = chunks(data[12:], func(kind string, body []byte) bool {
		switch {
		case kind == "VP8X" && len(body) >= 10 && body[0]&animated != 0:
			canvas = image.Rect(0, 0, uint24(body[4:])+1, uint24(body[7:])+1)
			return true
		case kind == "ANMF":
			frame = body
		case kind == "VP8 " || kind == "VP8L" || kind == "VP8X":
			still = true
		}
		return frame == nil && !still
	})
	if canvas.Empty() || still {
		return image.Rectangle{}, nil, nil
	}
	if err == nil && len(frame) < 16 {
		err = fmt.Errorf("an animation without frames")
	}
	return canvas, frame, err
}

func configWebP(data []byte) (width, height int, err error) {
	canvas, _, err := animation(data)
	if err != nil || canvas.Empty() {
		if err == nil {
			return configWith(webp.DecodeConfig)(data)
		}
		return 0, 0, err
	}
	return canvas.Dx(), canvas.Dy(), nil
}

func decodeWebP(data []byte) (Picture, error) {
	canvas, frame, err := animation(data)
	if err != nil {
		return Picture{}, err
	}
	if canvas.Empty() {
		img, err := webp.Decode(bytes.NewReader(data))
		return Picture{Image: fromVideo(img)}, err
	}
	corner := image.Pt(2*uint24(frame), 2*uint24(frame[3:]))
	size := image.Pt(uint24(frame[6:])+1, uint24(frame[9:])+1)
	if !(image.Rectangle{corner, corner.Add(size)}).In(canvas) {
		return Picture{}, fmt.Errorf("a frame beyond the canvas")
	}
	img, err := webp.Decode(bytes.NewReader(stillWebP(frame[16:], size)))
	if err != nil {
		return Picture{}, err
	}
	if img.Bounds().Size() != size {
		return Picture{}, fmt.Errorf("a frame that is not of its size")
	}
	return Picture{Image: onCanvas(fromVideo(img), corner, canvas)}, nil
}

// stillWebP makes a file of the chunks of a frame.
func stillWebP(frame []byte, size image.Point) []byte {
	const transparent = 1 << 4
	var alpha, pixels []byte
	_ = chunks(frame, func(kind string, body []byte) bool { // what is cut short the decoder will see
		switch whole := append(binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(body))), body...); kind {
		case "ALPH":
			alpha = padded(whole)
		case "VP8 ", "VP8L":
			pixels = padded(whole)
		}
		return pixels == nil
	})
	still := []byte("RIFF\x00\x00\x00\x00WEBP")
	if alpha != nil {
		w, h := size.X-1, size.Y-1
		still = append(still, "VP8X\x0a\x00\x00\x00"...)
		still = append(still, transparent, 0, 0, 0, byte(w), byte(w>>8), byte(w>>16), byte(h), byte(h>>8), byte(h>>16))
		still = append(still, alpha...)
	}
	still = append(still, pixels...)
	binary.LittleEndian.PutUint32(still[4:], uint32(len(still)-8))
	return still
}

func padded(chunk []byte) []byte { return append(chunk, make([]byte, len(chunk)%2)...) }

// fromVideo converts a lossy frame; others stay what they are.
func fromVideo(img image.Image) image.Image {
	var frame *image.YCbCr
	opacity := func(int, int) uint8 { return 255 }
	switch m := img.(type) {
	case *image.YCbCr:
		frame = m
	case *image.NYCbCrA:
		frame = &m.YCbCr
		opacity = func(x, y int) uint8 { return m.A[m.AOffset(x, y)] }
	}
	if frame == nil || frame.SubsampleRatio != image.YCbCrSubsampleRatio420 || frame.Rect.Min != (image.Point{}) {
		return img
	}
	to := image.NewNRGBA(frame.Rect)
	w, h := frame.Rect.Dx(), frame.Rect.Dy()
	for y := range h {
		near, far := chromaRows(y, h, frame.CStride)
		for x := range w {
			n, f := chromaRows(x, w, 1)
			at := [4]int{near + n, near + f, far + n, far + f}
			l := int(frame.Y[y*frame.YStride+x])
			u, v := interpolated(frame.Cb, at), interpolated(frame.Cr, at)
			luma := l * 19077 >> 8
			copy(to.Pix[y*to.Stride+4*x:], []uint8{
				clamped(luma + v*26149>>8 - 14234),
				clamped(luma - u*6419>>8 - v*13320>>8 + 8708),
				clamped(luma + u*33050>>8 - 17685),
				opacity(x, y),
			})
		}
	}
	return to
}

// chromaRows are the offsets of the two rows (or columns) of chroma next to row y of h.
func chromaRows(y, h, stride int) (near, far int) {
	near = y / 2
	far = near - 1 + 2*(y%2)
	return near * stride, min(max(far, 0), (h-1)/2) * stride
}

// interpolated is chroma from the nearest value, its two neighbours, and the one across.
func interpolated(c []uint8, at [4]int) int {
	n := int(c[at[0]])
	return ((n+3*(int(c[at[1]])+int(c[at[2]]))+int(c[at[3]])+8)>>3 + n) >> 1
}

func clamped(v int) uint8 { return uint8(min(max(v>>6, 0), 255)) }
