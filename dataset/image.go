package dataset

// From a picture file to pixels of the size a network wants: decode (PNG, JPEG, GIF, BMP, WebP; the first frame of an
// animation), cut the centre to the wanted shape, scale it with the Catmull-Rom kernel, put it on white where it is
// transparent, and convert colours: gray is the luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), 16 bits become 8.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"path"
	"strings"
	"sync"

	_ "golang.org/x/image/bmp"
	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

const (
	maxImageFile = 64 << 20 // bytes in one picture file
	maxMegapixel = 64       // 2^20 pixels in one picture, checked before it is decoded
)

// imageSuffixes are the names a walk over files takes for pictures.
var imageSuffixes = map[string]bool{
	".png": true, ".jpg": true, ".jpeg": true, ".gif": true, ".bmp": true, ".webp": true,
}

// IsPicture says whether a file has the name of a picture.
func IsPicture(name string) bool { return isImageName(name) }

func isImageName(name string) bool { return imageSuffixes[strings.ToLower(path.Ext(name))] }

// Image is one picture, decoded.
type Image struct {
	Name string
	Size
	Pixels  []uint8 // H,W,C
	Resized bool    // whether it was scaled or cropped to this size
}

// ReadImage decodes one picture to the wanted size. A zero size keeps the picture's own; zero channels make it gray
// only if no pixel has a colour.
func ReadImage(r io.Reader, want Size) (Image, error) {
	if err := want.check(); err != nil {
		return Image{}, err
	}
	data, err := readFile(r, maxImageFile)
	if err != nil {
		return Image{}, err
	}
	return decodeImage(context.Background(), data, want, newBudget(maxMegapixel))
}

// decodeImage decodes data, taking the picture's pixels from a budget of megapixels while it works.
func decodeImage(ctx context.Context, data []byte, want Size, megapixels *budget) (img Image, err error) {
	// A fault in a decoder costs one picture, not the run.
	defer func() {
		if fault := recover(); fault != nil {
			img, err = Image{}, fmt.Errorf("damaged picture: %v", fault)
		}
	}()
	if len(data) == 0 {
		return Image{}, errors.New("the file is empty")
	}
	config, format, err := image.DecodeConfig(bytes.NewReader(data))
	if errors.Is(err, image.ErrFormat) {
		return Image{}, errors.New("not a PNG, JPEG, GIF, BMP or WebP picture")
	}
	if err != nil {
		return Image{}, fmt.Errorf("damaged picture: %w", err)
	}
	if config.Width <= 0 || config.Height <= 0 {
		return Image{}, fmt.Errorf("damaged picture: its size is %dx%d", config.Width, config.Height)
	}
	pixels := int64(config.Width) * int64(config.Height)
	if pixels > maxMegapixel<<20 || want.Height == 0 && max(config.Width, config.Height) > maxSide {
		return Image{}, fmt.Errorf("%dx%d pixels are too many: scale the picture down first", config.Width, config.Height)
	}
	cost := int(pixels>>20) + 1
	if err := megapixels.take(ctx, cost); err != nil {
		return Image{}, err
	}
	defer megapixels.give(cost)
	src, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return Image{}, fmt.Errorf("damaged %s picture: %w", strings.ToUpper(format), err)
	}
	return fit(src, want), nil
}

// fit crops, scales and converts a picture to the wanted size.
func fit(src image.Image, want Size) Image {
	b := src.Bounds()
	size := want.orNative(Size{b.Dy(), b.Dx(), 0})
	canvas := image.NewRGBA(image.Rect(0, 0, size.Width, size.Height))
	op := draw.Src
	if o, ok := src.(interface{ Opaque() bool }); !ok || !o.Opaque() {
		draw.Draw(canvas, canvas.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
		op = draw.Over
	}
	resized := b.Size() != canvas.Rect.Size()
	if resized {
		draw.CatmullRom.Scale(canvas, canvas.Rect, src, centre(b, size), op, nil)
	} else {
		draw.Draw(canvas, canvas.Rect, src, b.Min, op)
	}
	if size.Channels == 0 {
		size.Channels = 3
		if colourless(canvas.Pix) {
			size.Channels = 1
		}
	}
	img := Image{Size: size, Pixels: make([]uint8, size.Len()), Resized: resized}
	for i, p := 0, canvas.Pix; len(p) > 0; p = p[4:] {
		if size.Channels == 3 {
			copy(img.Pixels[i:i+3], p)
			i += 3
		} else {
			// The weights of color.GrayModel; they sum to 1, so gray stays what it was.
			img.Pixels[i] = uint8((19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2]) + 1<<15) >> 16)
			i++
		}
	}
	return img
}

// centre is the largest rectangle of the wanted shape in the middle of b. Scaling it is scaling the shorter side to fit
// and then cropping, without computing what would be cut away.
func centre(b image.Rectangle, size Size) image.Rectangle {
	w, h := b.Dx(), b.Dy()
	if w*size.Height > h*size.Width {
		w = max(1, (h*size.Width+size.Height/2)/size.Height)
	} else {
		h = max(1, (w*size.Height+size.Width/2)/size.Width)
	}
	corner := b.Min.Add(image.Pt((b.Dx()-w)/2, (b.Dy()-h)/2))
	return image.Rectangle{corner, corner.Add(image.Pt(w, h))}
}

// colourless reports whether no RGBA pixel has a colour.
func colourless(rgba []uint8) bool {
	for ; len(rgba) > 0; rgba = rgba[4:] {
		if rgba[0] != rgba[1] || rgba[1] != rgba[2] {
			return false
		}
	}
	return true
}

// budget bounds what several goroutines hold at once: a semaphore with weights.
type budget struct {
	turn   sync.Mutex // whoever holds it collects; so two half-served takers cannot block each other
	tokens chan struct{}
}

func newBudget(n int) *budget { return &budget{tokens: make(chan struct{}, n)} }

// take waits for n tokens, or for all there are if n is more.
func (b *budget) take(ctx context.Context, n int) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	for i := range min(n, cap(b.tokens)) {
		select {
		case b.tokens <- struct{}{}:
		case <-ctx.Done():
			b.give(i)
			return ctx.Err()
		}
	}
	return nil
}

func (b *budget) give(n int) {
	for range min(n, cap(b.tokens)) {
		<-b.tokens
	}
}
