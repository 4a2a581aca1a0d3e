package picture_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joule-ebm/joule/internal/picture"
)

// pixels returns bytes without a pattern that a mixed-up axis would leave unchanged.
func pixels(n int) []uint8 {
	p := make([]uint8, n)
	state := uint32(1)
	for i := range p {
		state = state*1664525 + 1013904223
		p[i] = uint8(state >> 24)
	}
	return p
}

func grey(c color.Color) uint8 { return color.GrayModel.Convert(c).(color.Gray).Y }

// throughPNG writes an image, twice to see that the bytes are the same, and reads it again.
func throughPNG(t *testing.T, img image.Image) image.Image {
	t.Helper()
	var first, second bytes.Buffer
	if err := errors.Join(picture.EncodePNG(&first, img), picture.EncodePNG(&second, img)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("one image, two files")
	}
	decoded, err := png.Decode(&first)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestImage(t *testing.T) {
	const h, w = 3, 5
	for _, c := range []int{1, 3} {
		p := pixels(h * w * c)
		img, err := picture.Image(p, h, w, c)
		if err != nil {
			t.Fatal(err)
		}
		decoded := throughPNG(t, img)
		if size := decoded.Bounds().Size(); size != image.Pt(w, h) {
			t.Fatalf("%d channels: size %v, want %dx%d", c, size, w, h)
		}
		for y := range h {
			for x := range w {
				at := p[(y*w+x)*c:]
				want := color.RGBA{at[0], at[0], at[0], 255}
				if c == 3 {
					want = color.RGBA{at[0], at[1], at[2], 255}
				}
				if got := color.RGBAModel.Convert(decoded.At(x, y)); got != want {
					t.Errorf("%d channels: pixel %d,%d is %v, want %v", c, x, y, got, want)
				}
			}
		}
	}
}

// Every pixel of a decoded grid is either the image pixel its place says or background.
func TestGrid(t *testing.T) {
	for _, test := range []struct {
		n, h, w, c, columns, scale int
		width, height, gap         int
	}{
		{n: 1, h: 2, w: 3, c: 1, columns: 1, scale: 1, width: 5, height: 4, gap: 1},
		{n: 5, h: 2, w: 3, c: 1, columns: 3, scale: 1, width: 13, height: 7, gap: 1},
		{n: 5, h: 2, w: 3, c: 3, columns: 3, scale: 4, width: 44, height: 22, gap: 2},
		{n: 4, h: 3, w: 2, c: 3, columns: 2, scale: 2, width: 14, height: 18, gap: 2},
		{n: 2, h: 2, w: 2, c: 1, columns: 9, scale: 1, width: 7, height: 4, gap: 1},
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			p := pixels(test.n * test.h * test.w * test.c)
			img, err := picture.Grid(p, test.n, test.h, test.w, test.c, test.columns, test.scale)
			if err != nil {
				t.Fatal(err)
			}
			decoded := throughPNG(t, img)
			if got, want := decoded.Bounds().Size(), image.Pt(test.width, test.height); got != want {
				t.Fatalf("size %v, want %v", got, want)
			}
			background := color.RGBAModel.Convert(decoded.At(0, 0))
			columns := min(test.columns, test.n)
			for y := range test.height {
				for x := range test.width {
					want := background
					cellX, inX := (x-test.gap)/(test.w*test.scale+test.gap), (x-test.gap)%(test.w*test.scale+test.gap)
					cellY, inY := (y-test.gap)/(test.h*test.scale+test.gap), (y-test.gap)%(test.h*test.scale+test.gap)
					i := cellY*columns + cellX
					if x >= test.gap && y >= test.gap && inX < test.w*test.scale && inY < test.h*test.scale && i < test.n {
						at := p[((i*test.h+inY/test.scale)*test.w+inX/test.scale)*test.c:]
						want = color.RGBA{at[0], at[0], at[0], 255}
						if test.c == 3 {
							want = color.RGBA{at[0], at[1], at[2], 255}
						}
					}
					if got := color.RGBAModel.Convert(decoded.At(x, y)); got != want {
						t.Fatalf("pixel %d,%d is %v, want %v", x, y, got, want)
					}
				}
			}
		})
	}
}

func TestWrongSizes(t *testing.T) {
	const huge = math.MaxInt
	for _, test := range []struct {
		name                             string
		size, n, h, w, c, columns, scale int
		want                             string
	}{
		{"too few pixels", 7, 2, 2, 2, 1, 1, 1, "have 8"},
		{"too many pixels", 9, 2, 2, 2, 1, 1, 1, "have 8"},
		{"two channels", 16, 2, 2, 2, 2, 1, 1, "2 channels"},
		{"no images", 0, 0, 2, 2, 1, 1, 1, "0 images"},
		{"negative height", 8, 2, -2, -2, 1, 1, 1, "-2 rows"},
		{"no columns", 8, 2, 2, 2, 1, 0, 1, "0 columns"},
		{"no scale", 8, 2, 2, 2, 1, 1, 0, "scale 0"},
		{"large scale", 8, 2, 2, 2, 1, 1, 1 << 20, "more than"},
		{"huge scale", 8, 2, 2, 2, 1, 1, huge, "scale"},
		{"huge image", 8, 2, huge, huge, 3, 1, 1, "more than"},
		{"huge columns", 8, 2, 2, 2, 1, huge, 1, ""},
	} {
		_, err := picture.Grid(make([]uint8, test.size), test.n, test.h, test.w, test.c, test.columns, test.scale)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error %v, want one about %q", test.name, err, test.want)
		}
	}
	if _, err := picture.Image(make([]uint8, 5), 2, 2, 1); err == nil {
		t.Error("5 pixels for a 2x2 image: no error")
	}
}

func TestQuantise(t *testing.T) {
	below := func(x float32) float32 { return math.Nextafter32(x, 0) }
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	x := []float32{0, below(1. / 256), 1. / 256, 0.5, below(255. / 256), 255. / 256, 1, -0.1, 1.5, inf, -inf, nan}
	want := []uint8{0, 0, 1, 128, 254, 255, 255, 0, 255, 255, 0, 0}
	if got := picture.Quantise(x); !slices.Equal(got, want) {
		t.Errorf("Quantise(%v) = %v, want %v", x, got, want)
	}
	// What dequantising spreads over [u/256, (u+1)/256) comes back as u.
	for u := range 256 {
		for _, part := range []float32{0, 0.25, 0.99} {
			if got := picture.Quantise([]float32{(float32(u) + part) / 256}); int(got[0]) != u {
				t.Errorf("Quantise((%d + %g)/256) = %d", u, part, got[0])
			}
		}
	}
}

// throughGIF writes frames, twice to see that the bytes are the same, and reads them again.
func throughGIF(t *testing.T, frames []image.Image, delay time.Duration) *gif.GIF {
	t.Helper()
	var first, second bytes.Buffer
	if err := errors.Join(picture.EncodeGIF(&first, frames, delay), picture.EncodeGIF(&second, frames, delay)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("one chain, two files")
	}
	decoded, err := gif.DecodeAll(&first)
	if err != nil {
		t.Fatal(err)
	}
	if len(decoded.Image) != len(frames) {
		t.Fatalf("%d frames, want %d", len(decoded.Image), len(frames))
	}
	return decoded
}

// farthest is the largest difference in a channel between two pictures of one size.
func farthest(a, b image.Image) int {
	size, far := a.Bounds().Size(), 0
	for y := range size.Y {
		for x := range size.X {
			p := color.RGBAModel.Convert(a.At(a.Bounds().Min.X+x, a.Bounds().Min.Y+y)).(color.RGBA)
			q := color.RGBAModel.Convert(b.At(b.Bounds().Min.X+x, b.Bounds().Min.Y+y)).(color.RGBA)
			for _, d := range []int{int(p.R) - int(q.R), int(p.G) - int(q.G), int(p.B) - int(q.B), int(p.A) - int(q.A)} {
				far = max(far, d, -d)
			}
		}
	}
	return far
}

func TestGIFExact(t *testing.T) {
	for _, test := range []struct {
		name string
		c    int
		edit func([]uint8)
	}{
		{"all greys", 1, func([]uint8) {}},
		{"few colours", 3, func(p []uint8) {
			for i := range p {
				p[i] &= 0xc1 // 8 values a channel, at most 512 colours ...
				if i%3 == 2 {
					p[i] &= 0xc0 // ... and so at most 256
				}
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var frames []image.Image
			p := pixels(4 * 20 * 30 * test.c)
			test.edit(p)
			for i := range 4 {
				img, err := picture.Image(p[i*600*test.c:(i+1)*600*test.c], 20, 30, test.c)
				if err != nil {
					t.Fatal(err)
				}
				frames = append(frames, img)
			}
			// Frames are aligned by their corners, wherever these are.
			moved := image.NewRGBA(image.Rect(-3, 7, 27, 27))
			for y := range 20 {
				for x := range 30 {
					moved.Set(x-3, y+7, frames[1].At(x, y))
				}
			}
			if test.c == 3 {
				frames[1] = moved
			}
			film := throughGIF(t, frames, 83*time.Millisecond)
			for i := range frames {
				if far := farthest(frames[i], film.Image[i]); far != 0 {
					t.Errorf("frame %d: a channel is off by %d", i, far)
				}
				if film.Delay[i] != 8 {
					t.Errorf("frame %d: delay %d/100 s, want 8", i, film.Delay[i])
				}
			}
			if film.LoopCount != 0 {
				t.Errorf("loop count %d, want 0 (for ever)", film.LoopCount)
			}
		})
	}
}

// More colours than a palette holds: a smooth picture with every hue must stay within a few grey levels on average, and
// everywhere well within what a fixed 6x6x6 cube of colours can do (25).
func TestGIFFittedPalette(t *testing.T) {
	const side = 128
	smooth := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			smooth.SetRGBA(x, y, color.RGBA{uint8(60 + x), uint8(60 + y), uint8(120 + x/2 - y/2), 255})
		}
	}
	film := throughGIF(t, []image.Image{smooth, smooth}, time.Second)
	for i, frame := range film.Image {
		sum := 0
		for y := range side {
			for x := range side {
				got, want := color.RGBAModel.Convert(frame.At(x, y)).(color.RGBA), smooth.RGBAAt(x, y)
				for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B)} {
					sum += max(d, -d)
				}
			}
		}
		mean, far := float64(sum)/(3*side*side), farthest(smooth, frame)
		if mean > 4 || far > 16 {
			t.Errorf("frame %d: channels off by %.2f on average and %d at most, want at most 4 and 16", i, mean, far)
		}
	}
}

func TestGIFErrors(t *testing.T) {
	small, large := image.NewGray(image.Rect(0, 0, 2, 2)), image.NewGray(image.Rect(0, 0, 3, 2))
	for _, test := range []struct {
		name   string
		frames []image.Image
		delay  time.Duration
		want   string
	}{
		{"none", nil, 0, "no frames"},
		{"sizes differ", []image.Image{small, large}, 0, "frame 1 has size (3,2)"},
		{"missing", []image.Image{small, nil}, 0, "frame 1 is missing"},
		{"negative delay", []image.Image{small}, -time.Second, "-1s"},
		{"long delay", []image.Image{small}, time.Hour, "1h"},
		{"empty", []image.Image{image.NewGray(image.Rectangle{})}, 0, "size (0,0)"},
		{"wide", []image.Image{image.NewGray(image.Rect(0, 0, 1<<16, 1))}, 0, "65535"},
	} {
		err := picture.EncodeGIF(io.Discard, test.frames, test.delay)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one about %q", test.name, err, test.want)
		}
	}
	if err := picture.EncodePNG(io.Discard, nil); err == nil {
		t.Error("PNG of no image: no error")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteErrorsAreKept(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 2, 2))
	for _, err := range []error{picture.EncodePNG(full{}, img), picture.EncodeGIF(full{}, []image.Image{img}, 0)} {
		if err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("error %v, want the writer's", err)
		}
	}
}

// Six samples of 2x2 grey pixels, three to a row, each pixel drawn 8 by 8.
func ExampleGrid() {
	samples := picture.Quantise([]float32{
		0, 1, 1, 0, 0.5, 0, 0, 0.5, 1, 1, 1, 1,
		0, 0, 0, 0, 1, 0, 1, 0, 0.2, 0.4, 0.6, 0.8,
	})
	img, err := picture.Grid(samples, 6, 2, 2, 1, 3, 8)
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	if err := picture.EncodePNG(&file, img); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(img.Bounds().Size(), grey(img.At(2, 2)), grey(img.At(10, 2)))
	// Output: (56,38) 0 255
}

// A chain of three states becomes an animation with a tenth of a second a state.
func ExampleEncodeGIF() {
	chain := [][]uint8{{0, 0, 0, 0}, {0, 128, 128, 0}, {0, 255, 255, 0}}
	var frames []image.Image
	for _, state := range chain {
		frame, err := picture.Grid(state, 1, 2, 2, 1, 1, 16)
		if err != nil {
			fmt.Println(err)
			return
		}
		frames = append(frames, frame)
	}
	var file bytes.Buffer
	if err := picture.EncodeGIF(&file, frames, 100*time.Millisecond); err != nil {
		fmt.Println(err)
		return
	}
	film, err := gif.DecodeAll(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(film.Image), film.Delay)
	// Output: 3 [10 10 10]
}
