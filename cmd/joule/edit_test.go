package main

import (
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/picture"
)

// writeGray writes a picture of which each pixel is given.
func writeGray(t *testing.T, side int, at func(x, y int) uint8) string {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, side, side))
	for p := range side * side {
		img.Set(p%side, p/side, color.Gray{at(p%side, p/side)})
	}
	path := filepath.Join(t.TempDir(), "picture.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := picture.EncodePNG(f, img); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEdit(t *testing.T) {
	run, dir := newModel(t, expr.Shape{12, 12, 1}), t.TempDir()
	large, small := writeGray(t, 12, func(x, y int) uint8 { return uint8(20 * x) }), writeGray(t, 6, func(x, y int) uint8 { return uint8(40 * y) })
	mask, white := writeGray(t, 12, func(x, y int) uint8 { return uint8(255 * (x / 6)) }), writeGray(t, 12, func(x, y int) uint8 { return 255 })
	out := filepath.Join(dir, "edited.png")
	edit := func(args ...string) string {
		return mustJoule(t, append([]string{"edit", run, "--steps", "3", "-o", out}, args...)...)
	}
	if got := edit(large, "--mask", mask, "-n", "3"); !strings.Contains(got, "3 edits of 1 picture: "+out) {
		t.Error(got)
	}
	if size := decodePNG(t, out).Bounds().Size(); size.X < 4*12*8 {
		t.Errorf("a picture of %v, for one beside three", size)
	}
	edit(small, "--upscale", "2", "-n", "1")
	if _, _, stderr := joule("edit", run, "--steps", "3", "-o", out, large, small, "--upscale", "2"); !strings.Contains(stderr, "of 2 images 1 were scaled or cropped to 6x6") {
		t.Errorf("a picture that is too large: %q", stderr)
	}
	edit(large, large, "--denoise", "0.2")
	folder := filepath.Join(dir, "edits") + "/"
	mustJoule(t, "edit", run, large, "--mask", mask, "-n", "2", "--steps", "2", "-o", folder, "--json")
	if files := names(t, folder); len(files) != 2 {
		t.Errorf("files %q", files)
	}
	edited := decodePNG(t, filepath.Join(folder, "0001.png"))
	for p := range 144 {
		x, y := p%12, p/12
		if v := color.GrayModel.Convert(edited.At(x, y)).(color.Gray).Y; x < 6 && v != uint8(20*x) {
			t.Fatalf("known pixel %d,%d is %d", x, y, v)
		}
	}
	conditional := newModel(t, expr.Shape{12, 12, 1}, "off", "on")
	mustJoule(t, "edit", conditional, large, "--from", "off", "--to", "on", "--steps", "2", "-o", out)
	for _, r := range []refused{
		{[]string{"edit", run, large}, 2, "what is to be done?"},
		{[]string{"edit", run, large, "--upscale", "3"}, 2, "--upscale is 3"},
		{[]string{"edit", run, large, "--denoise", "2"}, 2, "--denoise is 2"},
		{[]string{"edit", run, large, "--mask", white, "-o", out}, 1, "all white"},
		{[]string{"edit", run, large, "--mask", writeGray(t, 12, func(x, y int) uint8 { return 90 }), "-o", out}, 1, "nothing to fill in"},
		{[]string{"edit", run, large, "--mask", writeGray(t, 9, func(x, y int) uint8 { return uint8(200 * (x / 5)) }), "-o", out}, 1, "is 9x9, and "},
		{[]string{"edit", run, "--measure", "3", "--mask", small, "-o", out}, 1, "is 6x6: want 12x12"},
		{[]string{"edit", conditional, large, "--from", "on", "--to", "on", "-o", out}, 2, "are the same"},
		{[]string{"edit", run, large, "--mask", filepath.Join(dir, "none.png")}, 1, "--mask"},
		{[]string{"edit", run, large, "--denoise", "0.1", "-o", large}, 2, "itself: name a new file"},
		{[]string{"edit", run, filepath.Dir(large), "--denoise", "0.1", "-o", large}, 2, "itself: name a new file"},
		{[]string{"edit", run, large, "--mask", white, "-o", white}, 2, "itself: name a new file"},
		{[]string{"edit", run, large, "--denoise", "0.1", "--away", "2"}, 2, "--away is the weight of the energy of --from"},
		{[]string{"edit", run, large, "--upscale", "2", "--temperature", "2"}, 2, "--temperature is for --denoise"},
		{[]string{"edit", conditional, large, "--to", ""}, 2, "--to is empty"},
		{[]string{"edit", run, "--measure", "2", "--denoise", "0.1", "-o", dir}, 2, "--measure draws one picture"},
		{[]string{"edit", run, "--denoise", "0.1"}, 2, "give pictures to edit"},
		{[]string{"edit", run, large, "--to", "on"}, 2, "unconditional"},
		{[]string{"edit", conditional, large, "--denoise", "0.1"}, 2, "say what the pictures show (label)"},
		{[]string{"edit", conditional, large, "--to", "up"}, 2, `no class "up"`},
		{[]string{"edit", conditional, large, "--to", "on", "--label", "off"}, 2, "give one of them"},
	} {
		r.check(t)
	}
}

// What a measurement degrades it restores, and tells how well.
func TestEditMeasure(t *testing.T) {
	run, out := newModelOf(t, "mnist"), filepath.Join(t.TempDir(), "edited.png")
	_, got, _ := joule("edit", run, "--denoise", "0.2", "--measure", "5", "--steps", "3", "-n", "2", "-o", out)
	if !strings.Contains(got, "PSNR of 5 images of mnist:test: degraded ") || !strings.Contains(got, "the mean of 2 edits") {
		t.Error(got)
	}
	decodePNG(t, out)
}

// The images that a class is measured on are of that class.
func TestEditMeasureClass(t *testing.T) {
	run, out := newModelOf(t, "mnist", strings.Split("0123456789", "")...), filepath.Join(t.TempDir(), "edited.png")
	_, got, _ := joule("edit", run, "--denoise", "0.2", "--label", "3", "--measure", "1011", "--steps", "1", "-n", "1", "-o", out)
	if !strings.Contains(got, "PSNR of 1010 images of mnist:test of class 3: ") { // as many as there are
		t.Error(got)
	}
}
