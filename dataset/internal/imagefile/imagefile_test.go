package imagefile

import (
	"encoding/hex"
	"encoding/json"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Pictures are what Pillow says they are: upright, at their range, where they stand on the canvas (testdata/make_pictures.py).
func TestAgreesWithPillow(t *testing.T) {
	text, err := os.ReadFile("testdata/pictures.json")
	if err != nil {
		t.Fatal(err)
	}
	var pictures map[string]struct {
		Width, Height int
		RGB           string
	}
	if err := json.Unmarshal(text, &pictures); err != nil {
		t.Fatal(err)
	}
	tolerance := map[string]int{"subsampled.jpg": 70} // Go takes the nearest chroma, libjpeg interpolates
	for name, want := range pictures {
		p, err := decodeFile(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		rgb, _ := hex.DecodeString(want.RGB)
		w, h := p.Bounds().Dx(), p.Bounds().Dy()
		if p.Orientation >= 5 {
			w, h = h, w
		}
		if w != want.Width || h != want.Height {
			t.Errorf("%s: %dx%d, want %dx%d", name, w, h, want.Width, want.Height)
			continue
		}
		allowed := tolerance[name]
		if allowed == 0 && strings.HasSuffix(name, ".jpg") {
			allowed = 4
		}
		worst := 0
		for i := range w * h {
			got := onWhite(upright(p, i%w, i/w))
			for c := range 3 {
				worst = max(worst, abs(int(got[c])-int(rgb[3*i+c])))
			}
		}
		if worst > max(allowed, 1) {
			t.Errorf("%s: differs by up to %d", name, worst)
		}
	}
}

func decodeFile(name string) (Picture, error) {
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		return Picture{}, err
	}
	h, err := Inspect(data)
	if err != nil {
		return Picture{}, err
	}
	return h.Decode()
}

// upright is the colour at a place of the picture as it should be seen.
func upright(p Picture, x, y int) color.Color {
	w, h := p.Bounds().Dx(), p.Bounds().Dy()
	at := map[int]image.Point{
		1: {x, y}, 2: {w - 1 - x, y}, 3: {w - 1 - x, h - 1 - y}, 4: {x, h - 1 - y},
		5: {y, x}, 6: {y, h - 1 - x}, 7: {w - 1 - y, h - 1 - x}, 8: {w - 1 - y, x},
	}[p.Orientation]
	return p.At(p.Bounds().Min.X+at.X, p.Bounds().Min.Y+at.Y)
}

func onWhite(c color.Color) (rgb [3]uint8) {
	r, g, b, a := c.RGBA()
	for i, v := range []uint32{r, g, b} {
		rgb[i] = uint8((v + 65535 - a) >> 8)
	}
	return rgb
}

func abs(v int) int { return max(v, -v) }

func TestWarnings(t *testing.T) {
	for name, message := range map[string]string{
		"twelve.png": "up to 4080 of 65535", "no-end-mark.jpg": "no end mark", "sixteen.png": "", "plain.png": "", "half.jpg": "",
		"unused-alpha.png": "channel nobody filled in", "two-pages.tif": "of its 2 pages only the first", "plain.tif": "",
	} {
		p, err := decodeFile(name)
		if name == "half.jpg" {
			if err == nil || !strings.Contains(err.Error(), "ends too early") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || (message == "") != (len(p.Warnings) == 0) || message != "" && !strings.Contains(p.Warnings[0].Text, message) {
			t.Errorf("%s: %v, warnings %q", name, err, p.Warnings)
		}
	}
}

// What is not read is named, with what to do.
func TestNamesOtherKinds(t *testing.T) {
	for message, data := range map[string]string{
		"HEIC picture":       "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
		"AVIF picture":       "\x00\x00\x00\x1cftypavif",
		"JPEG XL":            "\xff\x0a\x00",
		"git lfs pull":       "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n",
		"web page":           "\n<!DOCTYPE html><html><head>",
		"SVG drawing":        `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">`,
		"Parquet":            "PAR1\x15\x04",
		"HDF5":               "\x89HDF\r\n\x1a\n",
		"DICOM":              strings.Repeat("\x00", 128) + "DICM",
		"the file is empty":  "",
		"not a picture that": "hello, this is no picture",
		"ends too early":     "P5 4 4 255\n123",
		"a value of 300":     "P2 1 1 255\n300\n",
	} {
		h, err := Inspect([]byte(data))
		if err == nil {
			_, err = h.Decode()
		}
		if err == nil || !strings.Contains(err.Error(), message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line with %q", data, err, message)
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		if data, err := os.ReadFile(name); err == nil && Named(name) {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Inspect(data)
		if err != nil || h.Width*h.Height > 1<<20 {
			return
		}
		p, err := h.Decode()
		if err == nil && (p.Bounds().Dx() != h.Width || p.Bounds().Dy() != h.Height || p.Orientation < 1 || p.Orientation > 8) {
			t.Errorf("%s of %dx%d, declared %dx%d, orientation %d", h.Format, p.Bounds().Dx(), p.Bounds().Dy(), h.Width, h.Height, p.Orientation)
		}
	})
}
