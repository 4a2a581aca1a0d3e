package dataset_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
)

// Pictures come in the order of an endless list, twice if named twice; bad ones with their name; and nothing after the context ends.
func TestPictures(t *testing.T) {
	dir := t.TempDir()
	var list []string
	for i := range 40 {
		img := image.NewGray(image.Rect(0, 0, 6, 4))
		img.SetGray(0, 0, color.Gray{Y: uint8(i)})
		var file bytes.Buffer
		if err := png.Encode(&file, img); err != nil {
			t.Fatal(err)
		}
		list = append(list, filepath.Join(dir, fmt.Sprintf("%d.png", i)))
		if err := os.WriteFile(list[i], file.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	slices.Reverse(list)
	list[5], list[7] = filepath.Join(dir, "missing.png"), dir
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	endless := func(yield func(string) bool) {
		for i := 0; ctx.Err() == nil && yield(list[i%len(list)]); i++ {
		}
	}
	n := 0
	for img, err := range dataset.Pictures(ctx, endless, dataset.Size{Height: 4, Width: 6, Channels: 1}) {
		if img.Name == "" {
			if !errors.Is(err, context.Canceled) || n < 100 {
				t.Fatalf("after %d pictures: %v", n, err)
			}
			break
		}
		at := n % len(list)
		switch bad := at == 5 || at == 7; {
		case img.Name != list[at]:
			t.Fatalf("picture %d is %s, want %s", n, img.Name, list[at])
		case bad && (err == nil || strings.Count(err.Error(), img.Name) != 1):
			t.Errorf("picture %d: error %v", n, err)
		case !bad && (err != nil || int(img.Pixels[0]) != len(list)-1-at):
			t.Errorf("picture %d: first pixel %d, %v", n, img.Pixels[0], err)
		}
		if n++; n == 100 {
			cancel()
		}
	}
	if n < 100 || n > 300 {
		t.Errorf("%d pictures", n)
	}
}
