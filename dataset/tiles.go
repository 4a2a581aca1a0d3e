package dataset

// Tiles: a large picture seen as squares of it at full resolution, which overlap. Along a side of n pixels tiles of side t begin at
// 0, s, 2s, ... for a stride s, and the last at n - t, so that no pixel is left out.

import (
	"fmt"
	"slices"
)

// Tiling says how pictures are divided into tiles.
type Tiling struct {
	Side   int // of a tile, in pixels
	Stride int // from one tile to the next, 1 to Side
}

// The [Number] of a set of tiles that say where in its picture a tile is: 0 left or top, 1 right or bottom, 0 where there is but one.
const (
	TileX = "tile_x"
	TileY = "tile_y"
)

// Tile is the place of a tile in its picture: of its upper left corner, in pixels, and as [TileX] and [TileY] have it.
type Tile struct {
	Top, Left int
	X, Y      float64
}

// along are where tiles begin on a side of n pixels.
func (t Tiling) along(n int) (starts []int) {
	for at := 0; at < n-t.Side; at += t.Stride {
		starts = append(starts, at)
	}
	return append(starts, n-t.Side)
}

// Of are the tiles of a picture of that size, row by row. It is an error if the picture is smaller than a tile.
func (t Tiling) Of(size Size) ([]Tile, error) {
	if t.Side < 1 || t.Stride < 1 || t.Stride > t.Side {
		return nil, fmt.Errorf("tiles of %d pixels every %d: want a side of 1 or more, and a stride from 1 to the side", t.Side, t.Stride)
	}
	if size.Height < t.Side || size.Width < t.Side {
		return nil, fmt.Errorf("a picture of %dx%d pixels is smaller than a tile of %d", size.Height, size.Width, t.Side)
	}
	var tiles []Tile
	share := func(at, n int) float64 { return float64(at) / float64(max(n-t.Side, 1)) }
	for _, top := range t.along(size.Height) {
		for _, left := range t.along(size.Width) {
			tiles = append(tiles, Tile{top, left, share(left, size.Width), share(top, size.Height)})
		}
	}
	return tiles, nil
}

// Cut copies a tile out of a picture (H,W,C) to the end of pixels.
func (t Tiling) Cut(pixels []uint8, at Tile, picture []uint8, size Size) []uint8 {
	for y := at.Top; y < at.Top+t.Side; y++ {
		pixels = append(pixels, picture[(y*size.Width+at.Left)*size.Channels:][:t.Side*size.Channels]...)
	}
	return pixels
}

// tiled is where the images of a set of tiles come from.
type tiled struct {
	Tiling
	pictures *Set
	tiles    []Tile // of each picture
}

// Tiles is the set of the tiles of all pictures, which stay where they are: a tile is cut out when it is asked for. Tiles have the labels,
// attributes and numbers of their pictures, and [TileX] and [TileY].
func (s *Set) Tiles(t Tiling) (*Set, error) {
	tiles, err := t.Of(s.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	n := len(tiles)
	set := *s
	set.Height, set.Width, set.Pixels, set.file, set.without, set.names = t.Side, t.Side, nil, nil, nil, nil
	set.tiled = &tiled{t, s, tiles}
	if s.Labels != nil {
		set.Labels = repeated(s.Labels, n)
	}
	set.Attributes, set.Numbers = slices.Clone(s.Attributes), slices.Clone(s.Numbers)
	for k, a := range s.Attributes {
		set.Attributes[k].Labels = repeated(a.Labels, n)
	}
	for k, number := range s.Numbers {
		set.Numbers[k].Values = repeated(number.Values, n)
	}
	x, y := make([]float64, 0, s.Len()*n), make([]float64, 0, s.Len()*n)
	for range s.Len() {
		for _, tile := range tiles {
			x, y = append(x, tile.X), append(y, tile.Y)
		}
	}
	set.Numbers = append(set.Numbers, Number{TileX, 0, 1, x}, Number{TileY, 0, 1, y})
	return &set, nil
}

// repeated has each value n times.
func repeated[T any](values []T, n int) []T {
	all := make([]T, 0, len(values)*n)
	for _, v := range values {
		for range n {
			all = append(all, v)
		}
	}
	return all
}

// image is tile i.
func (t *tiled) image(i int) []uint8 {
	n := len(t.tiles)
	size := t.pictures.Size()
	return t.Cut(make([]uint8, 0, t.Side*t.Side*size.Channels), t.tiles[i%n], t.pictures.Image(i/n), size)
}
