package dataset

// Situations from bug reports of neighbouring projects, each standing for its whole kind. Their inputs are in testdata/cases.

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func caseFile(parts ...string) string {
	return filepath.Join(append([]string{"testdata", "cases"}, parts...)...)
}

// readCase reads a picture of a case.
func readCase(t *testing.T, name string, want Size) (Image, error) {
	t.Helper()
	f, err := os.Open(caseFile(filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return ReadImage(f, want)
}

// meanDifference is between the values of two images.
func meanDifference(a, b []uint8) float64 {
	sum := 0
	for i, v := range a {
		sum += max(int(v)-int(b[i]), int(b[i])-int(v))
	}
	return float64(sum) / float64(len(a))
}

// Pictures that show the same are read alike, however they are stored.
func TestCasesReadAlike(t *testing.T) {
	for reference, c := range map[string]struct {
		files   []string
		allowed float64 // mean difference: of compression
	}{
		"exif-orientation/upright.png": {[]string{"stored-2.jpg", "stored-3.jpg", "stored-5.jpg", "stored-6.jpg", "stored-6.png", "stored-8.jpg"}, 4},
		"webp-lossy-range/halves.png":  {[]string{"halves.webp", "halves-lossless.webp"}, 1},
		"webp-lossy-range/stroke.png":  {[]string{"stroke.webp"}, 2},
		"jpeg-cut-short/whole.jpg":     {[]string{"no-end-mark.jpg"}, 0},
	} {
		for _, want := range []Size{{}, {16, 16, 3}, {16, 16, 1}, {9, 12, 3}} {
			ref, err := readCase(t, reference, want)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range c.files {
				img, err := readCase(t, filepath.Dir(reference)+"/"+name, want)
				if err != nil || img.Size.Height != ref.Height || img.Size.Width != ref.Width {
					t.Errorf("%s: %v of %v, %v", name, img.Size, ref.Size, err)
				} else if img.Channels == ref.Channels && meanDifference(img.Pixels, ref.Pixels) > c.allowed {
					t.Errorf("%s at %v differs from %s by %.1f", name, want, reference, meanDifference(img.Pixels, ref.Pixels))
				}
			}
		}
	}
}

// What a person should know of a picture that is read comes with it.
func TestCasesWarn(t *testing.T) {
	for name, message := range map[string]string{
		"sixteen-bit-of-twelve/twelve-of-16.png": "4080 of 65535", "sixteen-bit-of-twelve/full-16.png": "",
		"white-ink/drawing-0.png": "white", "white-ink/drawing-1.png": "white", "white-ink/drawing-2.png": "white",
		"jpeg-cut-short/no-end-mark.jpg": "no end mark", "jpeg-cut-short/whole.jpg": "",
		"rare-kinds-called-damaged/animated.webp": "",
	} {
		for _, want := range []Size{{}, {8, 8, 1}} {
			img, err := readCase(t, name, want)
			switch {
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case message == "" && len(img.Warnings) > 0, message != "" && (len(img.Warnings) != 1 || !strings.Contains(img.Warnings[0].Text, message)):
				t.Errorf("%s: warnings %q, want %q", name, img.Warnings, message)
			}
		}
	}
}

// What is not read is named for what it is.
func TestCasesRefuse(t *testing.T) {
	for name, message := range map[string]string{
		"jpeg-cut-short/half.jpg":              "ends too early",
		"rare-kinds-called-damaged/rle8.bmp":   "rare kind",
		"rare-kinds-called-damaged/16-bit.bmp": "rare kind",
		"lfs-pointers-and-web-pages/a.png":     "git lfs pull",
		"lfs-pointers-and-web-pages/b.jpg":     "web page",
		"kinds-passed-over/camera/7.heic":      "HEIC",
	} {
		_, err := readCase(t, name, Size{})
		if err == nil || !strings.Contains(err.Error(), message) || strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v, want %q", name, err, message)
		}
	}
	for name, message := range map[string]string{"set-images-idx3-ubyte.gz": "web page", "pics.zip": "web page"} {
		_, err := Open(context.Background(), caseFile("lfs-pointers-and-web-pages", name), Size{})
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v, want %q", name, err, message)
		}
	}
}

// A picture as large as telephones, scanners and cameras make them is read; a larger one is refused with the limit.
func TestPixelLimits(t *testing.T) {
	for _, c := range []struct {
		w, h    uint32
		message string
	}{{12000, 9000, "ends too early"}, {12000, 12000, "134 million"}} {
		_, err := ReadImage(bytes.NewReader(bigPNG(c.w, c.h)), Size{8, 8, 1})
		if err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%dx%d: %v, want %q", c.w, c.h, err, c.message)
		}
	}
}
