package model

// This file has models of tiles: what is learnt are squares of large pictures at full resolution, and pictures are judged by their tiles.

import (
	"fmt"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/internal/settings"
)

// Tiled says whether the images of the model are tiles of pictures.
func (c *Config) Tiled() bool { return c.Tiles.Side > 0 }

// Tiling is how pictures are divided, if they are.
func (c *Config) Tiling() dataset.Tiling {
	return dataset.Tiling{Side: c.Tiles.Side, Stride: c.Tiles.Stride}
}

// PictureSize is the size to read pictures with: that of the model's images, or, of a model of tiles, the one that the configuration names
// or else the picture's own, which is 0 here.
func (c *Config) PictureSize() dataset.Size {
	size := c.ImageSize()
	if !c.Tiled() {
		return size
	}
	size.Height, size.Width = 0, 0
	if p := c.Tiles.Picture; len(p) == 2 {
		size.Height, size.Width = p[0], p[1]
	}
	return size
}

// TilesOf are the tiles of a picture of that size. It is an error if the picture is smaller than one, and nothing for a model that is none
// of tiles.
func (c *Config) TilesOf(picture dataset.Size) ([]dataset.Tile, error) {
	if !c.Tiled() {
		return nil, nil
	}
	return c.Tiling().Of(picture)
}

// Divide makes tiles of pictures for training and of those held out, of the latter as many as the configuration says are held out at
// most; all sets stay what they are if the model is none of tiles.
func (c *Config) Divide(training, heldOut *dataset.Set) (tiles, heldOutTiles *dataset.Set, err error) {
	if !c.Tiled() {
		return training, heldOut, nil
	}
	if tiles, err = training.Tiles(c.Tiling()); err != nil {
		return nil, nil, err
	}
	if heldOutTiles, err = heldOut.Tiles(c.Tiling()); err != nil {
		return nil, nil, err
	}
	return tiles, heldOutTiles.AtMost(c.HeldOut, c.Seed).InMemory(), nil
}

// drawnTiles is how many tiles a side of a picture has, without overlap, where pictures can be drawn at any size.
const drawnTiles = 4

// completeTiles completes the tiling, and makes the network's images tiles.
func (c *Config) completeTiles() error {
	t := &c.Tiles
	if t.Side == 0 {
		if t.Stride != 0 || len(t.Picture) != 0 {
			return fmt.Errorf("settings tiles.stride and tiles.picture are of tiles: give tiles.side as well")
		}
		return nil
	}
	if t.Stride == 0 {
		t.Stride = (t.Side + 1) / 2
	}
	if err := settings.CheckRange("tiles.side", float64(t.Side), 4, 4096); err != nil {
		return err
	}
	if err := settings.CheckRange("tiles.stride", float64(t.Stride), 1, float64(t.Side)); err != nil {
		return err
	}
	if len(t.Picture) == 0 && dataset.Drawn(c.Data) {
		t.Picture = []int{drawnTiles * t.Side, drawnTiles * t.Side}
	}
	if p := t.Picture; len(p) != 0 && (len(p) != 2 || p[0] < t.Side || p[1] < t.Side) {
		return fmt.Errorf("setting tiles.picture is %v: want height and width, %d or more, such as 256,256", p, t.Side)
	}
	image := &c.Network.Image
	if len(*image) == 0 && c.Composition == nil { // whose parts know theirs
		*image = []int{t.Side, t.Side, 3}
	}
	if i := *image; len(i) == 3 && (i[0] != t.Side || i[1] != t.Side) {
		return fmt.Errorf("setting network.image is %v, but tiles are %d×%d: leave it out, or give %d,%d,%d", i, t.Side, t.Side, t.Side, t.Side, i[2])
	}
	return nil
}
