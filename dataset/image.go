package dataset

// From a picture file to pixels of the size a network wants: decode (package imagefile), cut the centre to the wanted shape, scale it
// with the Catmull-Rom kernel, turn it upright, put it on white where it is transparent, and convert colours: gray is the luma
// 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), 16 bits become 8.

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"io"
	"sync"

	"golang.org/x/image/draw"

	"github.com/joule-ebm/joule/dataset/internal/files"
	"github.com/joule-ebm/joule/dataset/internal/imagefile"
)

const (
	maxImageFile   = 256 << 20 // bytes in one picture file
	maxMegapixel   = 128       // 2^20 pixels in one picture, checked before it is decoded
	megapixelsOpen = 64        // 2^20 pixels being decoded at once; a larger picture is decoded alone
)

// IsPicture says whether a file has the name of a picture.
func IsPicture(name string) bool { return imagefile.Named(name) }

// Visible says whether a file or a folder of that name may be part of the data: it is neither hidden nor the litter of an operating system.
func Visible(name string) bool { return files.Visible(name) }

// Image is one picture, decoded.
type Image struct {
	Name string
	Size
	Pixels   []uint8 // H,W,C
	Resized  bool    // whether it was scaled or cropped to this size
	Stored   Size    // its own size, upright; one channel if it has no colours, as far as that was looked at
	Warnings []Warning
}

// Grayed says whether its colours were lost.
func (img Image) Grayed() bool { return img.Stored.Channels > img.Channels }

// Doubts are the texts of its warnings.
func (img Image) Doubts() (texts []string) {
	for _, w := range img.Warnings {
		texts = append(texts, w.Text)
	}
	return texts
}

// Warning is something about an image that a person should know.
type Warning struct {
	About string // what such warnings have in common, to count them by
	Text  string
}

// StoredSize is the size of the picture in a file, as stored, by its header: what decoding it takes is known before.
func StoredSize(data []byte) (height, width int, err error) {
	header, err := imagefile.Inspect(data)
	return header.Height, header.Width, err
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
	return decodeImage(context.Background(), data, want, newBudget(megapixelsOpen))
}

// decodeImage decodes data, taking the picture's pixels from a budget of megapixels while it works.
func decodeImage(ctx context.Context, data []byte, want Size, megapixels *budget) (img Image, err error) {
	defer func() { // a fault costs one picture, not the run
		if fault := recover(); fault != nil {
			img, err = Image{}, fmt.Errorf("damaged picture: %v", fault)
		}
	}()
	header, err := imagefile.Inspect(data)
	if err != nil {
		return Image{}, err
	}
	pixels := int64(header.Width) * int64(header.Height)
	if pixels > maxMegapixel<<20 {
		return Image{}, fmt.Errorf("%dx%d pixels are more than the %d million allowed in one picture: scale it down first",
			header.Width, header.Height, maxMegapixel<<20/1_000_000)
	}
	if want.Height == 0 && max(header.Width, header.Height) > maxSide {
		return Image{}, fmt.Errorf("%dx%d pixels: a side is longer than the %d allowed where no size is asked for", header.Width, header.Height, maxSide)
	}
	cost := int(pixels>>20) + 1
	if err := megapixels.take(ctx, cost); err != nil {
		return Image{}, err
	}
	defer megapixels.give(cost)
	p, err := header.Decode()
	if err != nil {
		return Image{}, err
	}
	img = fit(p.Image, p.Orientation, want)
	for _, w := range p.Warnings {
		img.Warnings = append(img.Warnings, Warning(w))
	}
	return img, nil
}

// fit crops, scales and converts a picture, stored in an orientation of EXIF's, to the wanted size.
func fit(src image.Image, orientation int, want Size) Image {
	b := src.Bounds()
	stored := Size{b.Dy(), b.Dx(), 3}
	if sideways(orientation) {
		stored.Height, stored.Width = stored.Width, stored.Height
	}
	size := want.orNative(Size{stored.Height, stored.Width, 0})
	lying := size // the wanted shape, as the picture is stored
	if sideways(orientation) {
		lying.Height, lying.Width = size.Width, size.Height
	}
	canvas := image.NewRGBA(image.Rect(0, 0, lying.Width, lying.Height))
	op := draw.Src
	if o, ok := src.(interface{ Opaque() bool }); !ok || !o.Opaque() {
		draw.Draw(canvas, canvas.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
		op = draw.Over
	}
	resized := b.Size() != canvas.Rect.Size()
	if resized {
		draw.CatmullRom.Scale(canvas, canvas.Rect, src, centre(b, lying, orientation), op, nil)
	} else {
		draw.Draw(canvas, canvas.Rect, src, b.Min, op)
	}
	canvas = upright(canvas, orientation)
	if size.Channels != 3 && colourless(canvas.Pix) {
		stored.Channels = 1
	}
	if size.Channels == 0 {
		size.Channels = stored.Channels
	}
	img := Image{Size: size, Pixels: make([]uint8, size.Len()), Resized: resized, Stored: stored}
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
	if op == draw.Over && uniform(canvas.Pix, 4) && !plain(src) {
		img.Warnings = append(img.Warnings, Warning{"pictures that vanish on white",
			"transparent parts become white, and on white nothing of it is to be seen: put it on another ground first"})
	}
	return img
}

// centre is the largest rectangle of the wanted shape in the middle of b. Scaling it is scaling the shorter side to fit
// and then cropping, without computing what would be cut away. Where the middle falls between two pixels, it is the upper or left one
// of the picture turned upright.
func centre(b image.Rectangle, size Size, orientation int) image.Rectangle {
	w, h := b.Dx(), b.Dy()
	if w*size.Height > h*size.Width {
		w = max(1, (h*size.Width+size.Height/2)/size.Height)
	} else {
		h = max(1, (w*size.Height+size.Width/2)/size.Width)
	}
	left, top := (b.Dx()-w)/2, (b.Dy()-h)/2
	if m := mirrors[orientation]; m.x {
		left = b.Dx() - w - left
	}
	if m := mirrors[orientation]; m.y {
		top = b.Dy() - h - top
	}
	corner := b.Min.Add(image.Pt(left, top))
	return image.Rectangle{corner, corner.Add(image.Pt(w, h))}
}

// mirrors says by which of its axes, as stored, a picture of an orientation is mirrored; those from 5 on are transposed as well.
var mirrors = map[int]struct{ x, y bool }{2: {true, false}, 3: {true, true}, 4: {false, true}, 6: {false, true}, 7: {true, true}, 8: {true, false}}

func sideways(orientation int) bool { return orientation >= 5 }

// upright turns a picture.
func upright(p *image.RGBA, orientation int) *image.RGBA {
	m := mirrors[orientation]
	if !m.x && !m.y && !sideways(orientation) {
		return p
	}
	w, h := p.Rect.Dx(), p.Rect.Dy()
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	if sideways(orientation) {
		to = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			u, v := x, y
			if m.x {
				u = w - 1 - x
			}
			if m.y {
				v = h - 1 - y
			}
			if sideways(orientation) {
				u, v = v, u
			}
			copy(to.Pix[v*to.Stride+4*u:][:4], p.Pix[y*p.Stride+4*x:])
		}
	}
	return to
}

// uniform reports whether all pixels, of so many bytes, are alike.
func uniform(pix []uint8, width int) bool {
	for i := width; i < len(pix); i++ {
		if pix[i] != pix[i-width] {
			return false
		}
	}
	return true
}

// plain reports whether all of a picture is alike, and so cannot be expected to show anything.
func plain(src image.Image) bool {
	b := src.Bounds()
	first := color.NRGBA64Model.Convert(src.At(b.Min.X, b.Min.Y))
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if color.NRGBA64Model.Convert(src.At(x, y)) != first {
				return false
			}
		}
	}
	return true
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
