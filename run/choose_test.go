package run

import (
	"path/filepath"
	"testing"

	"github.com/joule-ebm/joule/dataset"
)

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		images, height, width int
		coloured              bool
		preset                string
		image                 dataset.Size
	}{
		{60_000, 28, 28, false, "mnist", dataset.Size{Height: 28, Width: 28, Channels: 1}},
		{12, 16, 16, false, "mnist", dataset.Size{Height: 28, Width: 28, Channels: 1}},
		{50_000, 32, 32, true, "cifar10-small", dataset.Size{Height: 32, Width: 32, Channels: 3}},
		{12, 36, 48, true, "cifar10-small", dataset.Size{Height: 32, Width: 32, Channels: 3}},
		{5000, 96, 96, true, "photos64", dataset.Size{Height: 64, Width: 64, Channels: 3}},
		{200, 3000, 4000, true, "photos64", dataset.Size{Height: 64, Width: 64, Channels: 3}},
		{200_000, 218, 178, true, "photos128", dataset.Size{Height: 128, Width: 128, Channels: 3}},
		{300, 900, 900, false, "photos64", dataset.Size{Height: 64, Width: 64, Channels: 1}},
	} {
		choice := choose(dataset.Preview{Images: c.images, Height: c.height, Width: c.width, Coloured: c.coloured})
		config, err := choice.Config()
		if err == nil {
			err = config.Validate()
		}
		if err != nil || choice.Preset != c.preset || config.ImageSize() != c.image {
			t.Errorf("%+v: %s with %v, %v", c, choice.Preset, config.ImageSize(), err)
		}
	}
	for ref, preset := range map[string]string{
		"mnist": "mnist", "objects": "cifar10-small", "parts": "photos64",
		filepath.Join("..", "dataset", "testdata", "cases", "colour-to-grey", "lamps"): "cifar10-small",
	} {
		if choice, err := Choose(t.Context(), ref); err != nil || choice.Preset != preset {
			t.Errorf("%s: %+v, %v; want %s", ref, choice, err, preset)
		}
	}
}
