package run

import (
	"path/filepath"
	"testing"

	"github.com/joule-ebm/joule/dataset"
)

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		images, height, width int
		tile                  int
		coloured              bool
		preset                string
		image                 dataset.Size
	}{
		{60_000, 28, 28, 0, false, "mnist", dataset.Size{Height: 28, Width: 28, Channels: 1}},
		{12, 16, 16, 0, false, "mnist", dataset.Size{Height: 28, Width: 28, Channels: 1}},
		{50_000, 32, 32, 0, true, "photos32", dataset.Size{Height: 32, Width: 32, Channels: 3}},
		{12, 36, 48, 0, true, "photos32", dataset.Size{Height: 32, Width: 32, Channels: 3}},
		{5000, 96, 96, 0, true, "photos64", dataset.Size{Height: 64, Width: 64, Channels: 3}},
		{200, 3000, 4000, 0, true, "photos64", dataset.Size{Height: 64, Width: 64, Channels: 3}},
		{200_000, 218, 178, 0, true, "photos128", dataset.Size{Height: 128, Width: 128, Channels: 3}},
		{300, 900, 900, 0, false, "photos64", dataset.Size{Height: 64, Width: 64, Channels: 1}},
		{300, 45, 45, 0, false, "photos32", dataset.Size{Height: 32, Width: 32, Channels: 1}},
		{300, 900, 900, 32, true, "tiles32", dataset.Size{Height: 32, Width: 32, Channels: 3}},
		{300, 900, 900, 24, false, "mnist", dataset.Size{Height: 24, Width: 24, Channels: 1}},
		{300, 900, 900, 45, false, "tiles32", dataset.Size{Height: 45, Width: 45, Channels: 1}},
		{300, 900, 900, 64, true, "photos64", dataset.Size{Height: 64, Width: 64, Channels: 3}},
		{300, 900, 900, 48, false, "photos64", dataset.Size{Height: 48, Width: 48, Channels: 1}},
		{300, 900, 900, 128, true, "photos128", dataset.Size{Height: 128, Width: 128, Channels: 3}},
		{300, 200, 200, 128, true, "photos64", dataset.Size{Height: 128, Width: 128, Channels: 3}},
	} {
		choice := choose(dataset.Preview{Images: c.images, Height: c.height, Width: c.width, Coloured: c.coloured}, c.tile)
		config, err := choice.Config()
		config.Tiles.Side = c.tile
		if err == nil {
			err = config.Validate()
		}
		if err == nil {
			_, err = config.NewEnergy(0)
		}
		if err != nil || choice.Preset != c.preset || config.ImageSize() != c.image {
			t.Errorf("%+v: %s with %v, %v", c, choice.Preset, config.ImageSize(), err)
		}
	}
	for ref, preset := range map[string]string{
		"mnist": "mnist", "objects": "photos32", "parts": "photos64",
		filepath.Join("..", "dataset", "testdata", "cases", "colour-to-grey", "lamps"): "photos32",
	} {
		if choice, err := Choose(t.Context(), ref, 0); err != nil || choice.Preset != preset {
			t.Errorf("%s: %+v, %v; want %s", ref, choice, err, preset)
		}
	}
}
