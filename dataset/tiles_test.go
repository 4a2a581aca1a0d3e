package dataset_test

import (
	"slices"
	"testing"

	"github.com/joule-ebm/joule/dataset"
)

// numbered is a set of n pictures whose bytes say where they are: picture, row, column.
func numbered(n, h, w int) *dataset.Set {
	s := &dataset.Set{Name: "numbered", Height: h, Width: w, Channels: 3, Classes: []string{"a", "b"}}
	for i := range n {
		for y := range h {
			for x := range w {
				s.Pixels = append(s.Pixels, uint8(i), uint8(y), uint8(x))
			}
		}
		s.Labels = append(s.Labels, int32(i%2))
	}
	return s
}

func TestTiles(t *testing.T) {
	for _, c := range []struct {
		h, w, side, stride int
		top, left          []int
	}{
		{8, 8, 8, 4, []int{0}, []int{0}},
		{8, 12, 4, 4, []int{0, 4}, []int{0, 4, 8}},
		{9, 7, 4, 2, []int{0, 2, 4, 5}, []int{0, 2, 3}}, // the last ones end where the picture ends
	} {
		pictures := numbered(3, c.h, c.w)
		tiles, err := pictures.Tiles(dataset.Tiling{Side: c.side, Stride: c.stride})
		if err != nil {
			t.Fatal(err)
		}
		each := len(c.top) * len(c.left)
		if tiles.Len() != 3*each || tiles.Size() != (dataset.Size{Height: c.side, Width: c.side, Channels: 3}) {
			t.Fatalf("%+v: %d tiles of %v, want %d", c, tiles.Len(), tiles.Size(), 3*each)
		}
		memory := tiles.InMemory()
		covered := map[[3]uint8]bool{}
		x, y := tiles.Numbers[0], tiles.Numbers[1]
		for i := range tiles.Len() {
			tile, top, left := tiles.Image(i), c.top[i%each/len(c.left)], c.left[i%len(c.left)]
			for p := 0; p < len(tile); p += 3 {
				want := [3]uint8{uint8(i / each), uint8(top + p/3/c.side), uint8(left + p/3%c.side)}
				if got := [3]uint8(tile[p:]); got != want {
					t.Fatalf("%+v: tile %d has %v, want %v", c, i, got, want)
				}
				covered[want] = true
			}
			if !slices.Equal(memory.Image(i), tile) || tiles.Labels[i] != int32(i/each%2) || memory.Labels[i] != tiles.Labels[i] {
				t.Errorf("%+v: tile %d in memory is another, or has label %d", c, i, tiles.Labels[i])
			}
			if wantX := float64(left) / float64(max(c.w-c.side, 1)); x.Name != dataset.TileX || x.Values[i] != wantX {
				t.Errorf("%+v: tile %d is at %v, want %v", c, i, x.Values[i], wantX)
			}
			if wantY := float64(top) / float64(max(c.h-c.side, 1)); y.Name != dataset.TileY || y.Values[i] != wantY {
				t.Errorf("%+v: tile %d is at %v, want %v", c, i, y.Values[i], wantY)
			}
		}
		if len(covered) != 3*c.h*c.w {
			t.Errorf("%+v: %d pixels are in tiles, want %d", c, len(covered), 3*c.h*c.w)
		}
		if images, labels := tiles.Batch(1, 0, 5); len(images) != 5*tiles.Size().Len() || len(labels) != 5 {
			t.Errorf("a batch of %d values, %d labels", len(images), len(labels))
		}
		if tiles.Fingerprint() != memory.Fingerprint() {
			t.Error("tiles in memory are other tiles")
		}
	}
}

func TestTilesAreRefused(t *testing.T) {
	for _, tiling := range []dataset.Tiling{{Side: 9, Stride: 1}, {Side: 4, Stride: 5}, {Side: 4}, {Stride: 1}} {
		if _, err := numbered(1, 8, 12).Tiles(tiling); err == nil {
			t.Errorf("%+v: no error", tiling)
		}
	}
	tiles, err := numbered(4, 8, 8).Tiles(dataset.Tiling{Side: 4, Stride: 2})
	if err != nil {
		t.Fatal(err)
	}
	// Tiles of one picture on both sides would be the same pixels twice.
	if _, _, err := tiles.Split(3, 1); err == nil {
		t.Error("tiles were held out")
	}
}
