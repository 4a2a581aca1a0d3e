package run

// This file chooses a preset by the data, where none is named: pictures are learnt in colour if they have any, and at a size that two cores
// learn in an hour.

import (
	"cmp"
	"context"
	"fmt"

	"github.com/joule-ebm/joule/dataset"
)

// Choice is a preset for some data.
type Choice struct {
	Preset string
	Why    string // what of the data has decided
	gray   bool   // though the preset's images are in colour
}

// looked is how many pictures are looked at.
const looked = 32

// manyPictures is how many there have to be to learn an image of 128x128 from: of fewer, smaller ones are learnt better in the same time.
const manyPictures = 2000

// Choose chooses a preset for the data that a reference leads to.
func Choose(ctx context.Context, ref string) (Choice, error) {
	src, err := dataset.Locate(ctx, ref)
	if err != nil {
		return Choice{}, fmt.Errorf("data set %w", err)
	}
	defer src.Close()
	p, err := src.Preview(ctx, looked)
	if err != nil {
		return Choice{}, fmt.Errorf("data set %w", err)
	}
	return choose(p), nil
}

func choose(p dataset.Preview) (c Choice) {
	side := min(p.Height, p.Width)
	const (
		mostDigits = 40 // pixels of a gray image that 28 do justice to
		most32     = 47
		most64     = 111
	)
	switch {
	case !p.Coloured && side <= mostDigits:
		c.Preset = DefaultPreset
	case side <= most32:
		c.Preset = "cifar10-small"
	case side <= most64 || p.Images < manyPictures:
		c.Preset = "photos64"
	default:
		c.Preset = "photos128"
	}
	c.gray = !p.Coloured && c.Preset != DefaultPreset
	colours := "in colour"
	if !p.Coloured {
		colours = "gray"
	}
	c.Why = fmt.Sprintf("%d images, %s, of %dx%d", p.Images, colours, p.Height, p.Width)
	return c
}

// Config is the configuration of the preset, for these data.
func (c Choice) Config() (Config, error) {
	config, err := PresetConfig(cmp.Or(c.Preset, DefaultPreset))
	if err == nil && c.gray {
		image := config.ImageSize()
		config.Network.Image = []int{image.Height, image.Width, 1}
	}
	return config, err
}
