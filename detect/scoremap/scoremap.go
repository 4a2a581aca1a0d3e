// Package scoremap says for each pixel of a picture how odd the energy finds what is there: anomaly localisation.
//
//	mapper, err := scoremap.New(&cpu.Engine{}, m, scoremap.Energy)
//	scores, err := mapper.Map(ctx, picture, model.AnyLabel)
//	most, at := scores.Max()
//
// The model may be one of tiles ([model.Config.Tiled]), and the picture of any size that holds one: tiles overlap, and what they say of a
// pixel is averaged with weights that fall from the middle of a tile to its border. Under a model of whole images the picture is the only
// tile.
package scoremap

// This file puts maps of tiles together. With T the tiles that have a pixel p, and W a pyramid over a tile,
//
//	s(p) = Σ_T W(p - T) s_T(p) / Σ_T W(p - T).

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/model"
)

// Map is a score for each pixel of a picture, row by row, high where it is odd.
type Map struct {
	Height, Width int
	Values        []float32
	Energy        float64 // the highest of all tiles
}

// Max is the highest score, and the index of the first pixel that has it.
func (m *Map) Max() (score float64, at int) {
	score = math.Inf(-1)
	for i, v := range m.Values {
		if float64(v) > score {
			score, at = float64(v), i
		}
	}
	return score, at
}

// Range is from the median of the scores to the highest.
func (m *Map) Range() (low, high float64) {
	sorted := slices.Sorted(slices.Values(m.Values))
	return float64(sorted[len(sorted)/2]), float64(sorted[len(sorted)-1])
}

// A Mapper makes maps of one kind. It is for one goroutine at a time.
type Mapper struct {
	kind    *kind
	model   *model.Model
	meter   *model.Meter
	descent *model.Descent // nil if the kind needs none
	tiling  dataset.Tiling
	weights []float64 // of a tile, H,W
	where   bool      // the energy is conditional on where a tile is
}

// New compiles what a kind of map (see [Usage]) needs of a model.
func New(e engine.Engine, m *model.Model, name string) (*Mapper, error) {
	k, err := kindNamed(name)
	if err != nil {
		return nil, err
	}
	image := m.Energy.Image
	t := &Mapper{kind: k, model: m, weights: pyramid(image[0], image[1]), where: len(m.Numbers) > 0}
	if m.Config.Tiled() {
		t.tiling = m.Config.Tiling()
	}
	for _, n := range m.Numbers {
		t.where = t.where && m.Config.Tiled() && (n.Name == dataset.TileX || n.Name == dataset.TileY)
	}
	t.meter, err = m.NewMeterOf(e, k.of)
	switch {
	case errors.Is(err, energy.ErrNoPlaces):
		return nil, fmt.Errorf("score map %s: %w: take another, such as %s", name, err, Default)
	case err != nil:
		return nil, err
	}
	if k.descends {
		t.descent, err = m.NewDescent(e)
	}
	return t, err
}

// Name is that of the kind of map.
func (t *Mapper) Name() string { return t.kind.name }

// pyramid is 1 at the border of a tile, and one more for each pixel from it.
func pyramid(h, w int) []float64 {
	along := func(i, n int) float64 { return float64(min(i, n-1-i) + 1) }
	var weights []float64
	for y := range h {
		for x := range w {
			weights = append(weights, along(y, h)*along(x, w))
		}
	}
	return weights
}

// tiles are those of a picture.
func (t *Mapper) tiles(size dataset.Size) ([]dataset.Tile, error) {
	image := t.model.Energy.Image
	if size.Channels != image[2] {
		return nil, fmt.Errorf("the picture has %d channels, the model wants %d", size.Channels, image[2])
	}
	if t.model.Config.Tiled() {
		return t.tiling.Of(size)
	}
	if size.Height != image[0] || size.Width != image[1] {
		return nil, fmt.Errorf("the picture is %dx%d, the model wants %dx%d", size.Height, size.Width, image[0], image[1])
	}
	return []dataset.Tile{{}}, nil
}

// Check is an error if pictures of that size have no map.
func (t *Mapper) Check(size dataset.Size) error {
	_, err := t.tiles(size)
	return err
}

// Map is the map of a picture (H,W,C), given the label: a class, or [model.AnyLabel].
func (t *Mapper) Map(ctx context.Context, picture []uint8, size dataset.Size, label int) (*Map, error) {
	m := &Map{Height: size.Height, Width: size.Width, Energy: math.Inf(-1)}
	means, err := t.blend(ctx, picture, size, 1, func(g *given) ([]float64, error) {
		var err error
		if g.Reading, err = t.meter.Read(ctx, g.pixels, label, g.conditions); err != nil {
			return nil, err
		}
		for _, e := range g.Energies[0] {
			m.Energy = max(m.Energy, e)
		}
		g.label = label
		return t.kind.scores(ctx, t, g)
	})
	if err != nil {
		return nil, err
	}
	if t.kind.squares {
		Smooth(means, size.Height, size.Width, float64(min(t.model.Energy.Image[0], t.model.Energy.Image[1]))/16)
		for p, v := range means {
			means[p] = math.Sqrt(v)
		}
	}
	m.Values = make([]float32, len(means))
	for p, v := range means {
		m.Values[p] = float32(v)
	}
	return m, nil
}

// Preferred is what the energy would rather see in the place of a picture, as intensities (H,W,C): each tile goes down the energy by itself.
func (t *Mapper) Preferred(ctx context.Context, d *model.Descent, picture []uint8, size dataset.Size, label int) ([]float32, error) {
	means, err := t.blend(ctx, picture, size, size.Channels, func(g *given) ([]float64, error) {
		x, err := d.Run(ctx, g.pixels, label, g.conditions)
		values := make([]float64, len(x))
		for i, v := range x {
			values[i] = float64(v)
		}
		return values, err
	})
	preferred := make([]float32, len(means))
	for p, v := range means {
		preferred[p] = float32(v)
	}
	return preferred, err
}

// blend makes one field of a picture, so many values a pixel, of those of its tiles, which measure gives, N,H,W,values.
func (t *Mapper) blend(ctx context.Context, picture []uint8, size dataset.Size, values int, measure func(*given) ([]float64, error)) ([]float64, error) {
	tiles, err := t.tiles(size)
	if err != nil {
		return nil, err
	}
	means, weights := make([]float64, size.Height*size.Width*values), make([]float64, size.Height*size.Width)
	h, w := t.model.Energy.Image[0], t.model.Energy.Image[1]
	for batch := t.meter.Batch(); len(tiles) > 0; {
		part := tiles[:min(batch, len(tiles))]
		tiles = tiles[len(part):]
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		fields, err := measure(t.cut(picture, size, part))
		if err != nil {
			return nil, err
		}
		for i, tile := range part {
			for y := range h {
				for x := range w {
					at, from, weight := (tile.Top+y)*size.Width+tile.Left+x, (i*h+y)*w+x, t.weights[y*w+x]
					weights[at] += weight
					for v := range values {
						means[at*values+v] += weight * fields[from*values+v]
					}
				}
			}
		}
	}
	for i := range means {
		means[i] /= weights[i/values]
	}
	return means, nil
}

// cut cuts tiles out of a picture, with where they are if the energy is conditional on that.
func (t *Mapper) cut(picture []uint8, size dataset.Size, tiles []dataset.Tile) *given {
	g := &given{}
	for _, tile := range tiles {
		if t.model.Config.Tiled() {
			g.pixels = t.tiling.Cut(g.pixels, tile, picture, size)
		} else {
			g.pixels = append(g.pixels, picture...)
		}
		for _, n := range t.model.Numbers {
			if t.where {
				at := map[string]float64{dataset.TileX: tile.X, dataset.TileY: tile.Y}[n.Name]
				g.conditions = append(g.conditions, float32(n.Scaled(at)))
			}
		}
	}
	return g
}

// Smooth convolves values (H,W, in place) with a Gaussian of standard deviation sigma, along rows and along columns. Near the border
// the weights that lie within are scaled to add up to 1.
func Smooth(values []float64, h, w int, sigma float64) {
	radius := int(math.Ceil(3 * sigma))
	kernel := make([]float64, 2*radius+1)
	for k := range kernel {
		d := float64(k-radius) / sigma
		kernel[k] = math.Exp(-d * d / 2)
	}
	line := func(first, n, stride int) {
		smoothed := make([]float64, n)
		for i := range smoothed {
			var sum, weights float64
			for k, weight := range kernel {
				if at := i + k - radius; at >= 0 && at < n {
					sum += weight * values[first+at*stride]
					weights += weight
				}
			}
			smoothed[i] = sum / weights
		}
		for i, v := range smoothed {
			values[first+i*stride] = v
		}
	}
	for y := range h {
		line(y*w, w, 1)
	}
	for column := range w {
		line(column, h, w)
	}
}

// Usage explains the kinds of map, a line each, for a program's help.
func Usage() string {
	var lines strings.Builder
	for _, k := range kinds {
		fmt.Fprintf(&lines, "  %-14s %s\n", k.name, k.about)
	}
	return lines.String()
}
