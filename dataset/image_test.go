package dataset

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
)

// A 1x1 lossless WebP, written by hand: Go has no encoder.
const tinyWebP = "RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"

func encodedBy(t testing.TB, img image.Image, encode func(*bytes.Buffer, image.Image) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadImageFormats(t *testing.T) {
	img := image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.RGBA{200, 100, 50, 255}})
	for name, data := range map[string][]byte{
		"png":  encodePNG(img),
		"gif":  encodedBy(t, img, func(b *bytes.Buffer, m image.Image) error { return gif.Encode(b, m, nil) }),
		"bmp":  encodedBy(t, img, func(b *bytes.Buffer, m image.Image) error { return bmp.Encode(b, m) }),
		"jpeg": encodedBy(t, img, func(b *bytes.Buffer, m image.Image) error { return jpeg.Encode(b, m, &jpeg.Options{Quality: 100}) }),
	} {
		got, err := ReadImage(bytes.NewReader(data), Size{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Size != (Size{4, 4, 3}) || got.Resized {
			t.Errorf("%s: size %v, resized %v", name, got.Size, got.Resized)
		}
		for i, want := range []int{200, 100, 50} {
			if d := int(got.Pixels[i]) - want; d < -2 || d > 2 { // JPEG rounds
				t.Errorf("%s: channel %d is %d, want %d", name, i, got.Pixels[i], want)
			}
		}
	}
	if got, err := ReadImage(strings.NewReader(tinyWebP), Size{}); err != nil || got.Height != 1 || got.Width != 1 {
		t.Errorf("webp: %v, %v", got, err)
	}
}

func TestReadImageColours(t *testing.T) {
	gray16 := image.NewGray16(image.Rect(0, 0, 1, 1))
	gray16.SetGray16(0, 0, color.Gray16{0x80ff})
	for _, c := range []struct {
		name string
		data []byte
		want Size
		pix  []uint8
	}{
		{"colour as it is", pngBytes(1, 1, color.NRGBA{10, 20, 30, 255}), Size{}, []uint8{10, 20, 30}},
		{"gray stays gray", pngBytes(1, 1, color.NRGBA{77, 77, 77, 255}), Size{}, []uint8{77}},
		{"gray to colour", pngBytes(1, 1, color.NRGBA{77, 77, 77, 255}), Size{Channels: 3}, []uint8{77, 77, 77}},
		{"luma of red", pngBytes(1, 1, color.NRGBA{255, 0, 0, 255}), Size{Channels: 1}, []uint8{76}},
		{"luma of green", pngBytes(1, 1, color.NRGBA{0, 255, 0, 255}), Size{Channels: 1}, []uint8{150}},
		{"luma of blue", pngBytes(1, 1, color.NRGBA{0, 0, 255, 255}), Size{Channels: 1}, []uint8{29}},
		{"16 bits", encodePNG(gray16), Size{}, []uint8{0x80}},
		{"transparent is white", pngBytes(1, 1, color.NRGBA{0, 0, 0, 0}), Size{}, []uint8{255}},
		{"half transparent black", pngBytes(1, 1, color.NRGBA{0, 0, 0, 51}), Size{}, []uint8{204}},
		{"transparent, scaled", pngBytes(4, 4, color.NRGBA{0, 0, 0, 0}), Size{2, 2, 1}, []uint8{255, 255, 255, 255}},
	} {
		got, err := ReadImage(bytes.NewReader(c.data), c.want)
		if err != nil || !slices.Equal(got.Pixels, c.pix) {
			t.Errorf("%s: %v, %v, want %v", c.name, got.Pixels, err, c.pix)
		}
	}
}

// A picture three times as wide as high, red, green and blue from left to right: the centre is the green third.
func TestReadImageCropsTheCentre(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 96, 32))
	for x := range 96 {
		for y := range 32 {
			c := color.RGBA{A: 255}
			*[]*uint8{&c.R, &c.G, &c.B}[x/32] = 255
			img.SetRGBA(x, y, c)
		}
	}
	turned := image.NewRGBA(image.Rect(0, 0, 32, 96))
	for x := range 96 {
		for y := range 32 {
			turned.Set(y, x, img.At(x, y))
		}
	}
	for name, m := range map[string]image.Image{"wide": img, "high": turned} {
		for _, side := range []int{8, 32, 50} {
			got, err := ReadImage(bytes.NewReader(encodePNG(m)), Size{side, side, 3})
			if err != nil {
				t.Fatal(err)
			}
			if want := bytes.Repeat([]byte{0, 255, 0}, side*side); !bytes.Equal(got.Pixels, want) || !got.Resized {
				t.Errorf("%s to %d: not the green third", name, side)
			}
		}
	}
	// A wanted shape that is not square keeps proportions: the middle 96x16, scaled by a half.
	got, err := ReadImage(bytes.NewReader(encodePNG(img)), Size{8, 48, 3})
	if err != nil {
		t.Fatal(err)
	}
	for x, channel := range map[int]int{4: 0, 24: 1, 44: 2} {
		if got.Pixels[3*x+channel] != 255 {
			t.Errorf("column %d should be full in channel %d", x, channel)
		}
	}
}

// bigPNG is the beginning of a PNG that declares a size.
func bigPNG(w, h uint32) []byte {
	chunk := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)...)
	chunk = append(chunk, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(chunk))
}

func TestReadImageRefuses(t *testing.T) {
	good := pngBytes(8, 8, color.NRGBA{1, 2, 3, 255})
	for _, c := range []struct {
		name, message string
		data          []byte
		want          Size
	}{
		{"empty", "empty", nil, Size{}},
		{"text", "not a picture", []byte("hello, this is no picture"), Size{}},
		{"truncated", "ends too early", good[:len(good)-20], Size{}},
		{"bomb", "more than the 134 million", bigPNG(60000, 60000), Size{32, 32, 3}},
		{"half a size", "both sides", good, Size{Height: 8}},
		{"channels", "channels", good, Size{8, 8, 2}},
		{"negative", "both sides", good, Size{-1, -1, 1}},
	} {
		_, err := ReadImage(bytes.NewReader(c.data), c.want)
		if err == nil || !strings.Contains(err.Error(), c.message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", c.name, err, c.message)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add(pngBytes(3, 2, color.NRGBA{1, 2, 3, 100}))
	f.Add([]byte(tinyWebP))
	img := image.NewPaletted(image.Rect(0, 0, 4, 3), color.Palette{color.Black, color.White})
	f.Add(encodedBy(f, img, func(b *bytes.Buffer, m image.Image) error { return gif.Encode(b, m, nil) }))
	f.Add(encodedBy(f, img, func(b *bytes.Buffer, m image.Image) error { return bmp.Encode(b, m) }))
	f.Add(encodedBy(f, img, func(b *bytes.Buffer, m image.Image) error { return jpeg.Encode(b, m, nil) }))
	f.Add(bigPNG(60000, 60000))
	f.Fuzz(func(t *testing.T, data []byte) {
		if config, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil && config.Width*config.Height > 1<<20 {
			t.Skip("valid but slow")
		}
		for _, want := range []Size{{}, {5, 7, 3}} {
			img, err := ReadImage(bytes.NewReader(data), want)
			if err == nil && (len(img.Pixels) != img.Len() || want.Height != 0 && img.Size != want) {
				t.Errorf("size %v with %d values", img.Size, len(img.Pixels))
			}
		}
	})
}
