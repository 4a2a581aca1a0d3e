package run

// This file chooses a preset by the data, where none is named: pictures are learnt in colour if they have any, and at a size that two cores
// learn in an hour. Tiles of pictures are chosen for as pictures of their size are.

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
	tile   int    // the side of the tiles that are learnt instead of whole pictures; 0: none
}

// looked is how many pictures are looked at.
const looked = 32

// manyPictures is how many there have to be to learn an image of 128x128 from: of fewer, smaller ones are learnt better in the same time.
const manyPictures = 2000

// Choose chooses a preset for the data that a reference leads to, or for tiles of them with sides of so many pixels, if tile is not 0.
func Choose(ctx context.Context, ref string, tile int) (Choice, error) {
	src, err := dataset.Locate(ctx, ref)
	if err != nil {
		return Choice{}, fmt.Errorf("data set %w", err)
	}
	defer src.Close()
	p, err := src.Preview(ctx, looked)
	if err != nil {
		return Choice{}, fmt.Errorf("data set %w", err)
	}
	return choose(p, tile), nil
}

func choose(p dataset.Preview, tile int) (c Choice) {
	colours := "in colour"
	if !p.Coloured {
		colours = "gray"
	}
	c = Choice{tile: tile, Why: fmt.Sprintf("%d images, %s, of %dx%d", p.Images, colours, p.Height, p.Width)}
	if tile > 0 {
		c.Why = fmt.Sprintf("%d images, %s, in tiles of %dx%d", p.Images, colours, tile, tile)
		p.Images *= max(1, p.Height/tile*(p.Width/tile))
		p.Height, p.Width = tile, tile
	}
	side := min(p.Height, p.Width)
	const (
		mostDigits = 40 // pixels of a gray image that 28 do justice to
		most32     = 47
		most64     = 111
	)
	switch {
	case !p.Coloured && side <= mostDigits:
		c.Preset = DefaultPreset
	case side <= most32 && tile > 0:
		c.Preset = "tiles32"
	case side <= most32:
		c.Preset = "photos32"
	case side <= most64 || p.Images < manyPictures:
		c.Preset = "photos64"
	default:
		c.Preset = "photos128"
	}
	c.gray = !p.Coloured
	return c
}

// Config is the configuration of the preset, for these data.
func (c Choice) Config() (Config, error) {
	config, err := PresetConfig(cmp.Or(c.Preset, DefaultPreset))
	if err != nil || c.tile == 0 && (!c.gray || c.Preset == DefaultPreset) {
		return config, err
	}
	whole := config
	if err := whole.Validate(); err != nil { // which completes it
		return config, err
	}
	size := whole.ImageSize()
	if c.tile > 0 {
		size.Height, size.Width = c.tile, c.tile
	}
	if config.Network.Image = []int{size.Height, size.Width, 3}; c.gray {
		config.Network.Image[2] = 1
	}
	return config, nil
}
