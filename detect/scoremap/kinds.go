package scoremap

// This file has the kinds of map. Of a tile x they are
//
//	energy          e(p), the energies of places before their mean over the image (energy.Local), of all scales, between places linear
//	gradient-norm   |∂E/∂x(p)|, over the channels; squares are averaged over tiles, and over a Gaussian around p
//	difference      |x'(p) - x(p)|, likewise: x' is where noise-free descent from x ends

import (
	"context"
	"fmt"
	"strings"

	"github.com/joule-ebm/joule/model"
)

// The kinds of map.
const (
	Energy       = "energy"
	GradientNorm = "gradient-norm"
	Difference   = "difference"
)

// Default is the kind to use where none is named: the one that finds the most defects of rendered parts (docs/inspection.md).
const Default = GradientNorm

// kind is one way to score pixels.
type kind struct {
	name, about string
	of          model.Quantities // that the meter reads
	descends    bool
	squares     bool // scores of tiles are squares
	scores      func(ctx context.Context, t *Mapper, g *given) ([]float64, error)
}

// given are tiles, with what the meter read off them.
type given struct {
	pixels     []uint8
	label      int
	conditions []float32
	model.Reading
}

var kinds = []kind{
	{name: Energy, about: "the energies of places, before their mean over the image", of: model.Quantities{Local: true}, scores: energyScores},
	{name: GradientNorm, about: "the length of dE/dx at each pixel", of: model.Quantities{Gradients: true}, squares: true, scores: gradientScores},
	{name: Difference, about: "the distance to what the energy would rather see, after a descent", descends: true, squares: true, scores: differenceScores},
}

// Names are those of the kinds.
func Names() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// Quick are the names of the kinds that take no more than a few passes through the network.
func Quick() (names []string) {
	for _, k := range kinds {
		if !k.descends {
			names = append(names, k.name)
		}
	}
	return names
}

func kindNamed(name string) (*kind, error) {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i], nil
		}
	}
	return nil, fmt.Errorf("no score map %.40q: want one of %s", name, strings.Join(Names(), ", "))
}

func energyScores(_ context.Context, t *Mapper, g *given) ([]float64, error) {
	h, w := t.model.Energy.Image[0], t.model.Energy.Image[1]
	n := len(g.Energies[0])
	scores := make([]float64, n*h*w)
	for k, shape := range t.meter.Local() {
		rows, columns := between(h, shape[0]), between(w, shape[1])
		for i := range n {
			local := g.Local[k][i*shape.Size():][:shape.Size()]
			tile := scores[i*h*w:][:h*w]
			for y, r := range rows {
				for x, c := range columns {
					at := func(row, column int) float64 { return float64(local[row*shape[1]+column]) }
					above := at(r.before, c.before)*(1-c.part) + at(r.before, c.after)*c.part
					below := at(r.after, c.before)*(1-c.part) + at(r.after, c.after)*c.part
					tile[y*w+x] += above*(1-r.part) + below*r.part
				}
			}
		}
	}
	return scores, nil
}

// place is one between two others.
type place struct {
	before, after int
	part          float64 // of the way from the one to the other
}

// between are the places of the middles of n pixels among those of m cells that cover the same length. What lies beyond the middle of the
// first or last cell is there.
func between(n, m int) []place {
	places := make([]place, n)
	for i := range places {
		at := min(max((float64(i)+0.5)*float64(m)/float64(n)-0.5, 0), float64(m-1))
		before := min(int(at), max(m-2, 0))
		places[i] = place{before, min(before+1, m-1), at - float64(before)}
	}
	return places
}

func gradientScores(_ context.Context, t *Mapper, g *given) ([]float64, error) {
	whole := g.Gradients[0]
	for _, scale := range g.Gradients[1:] {
		for p, v := range scale {
			whole[p] += v
		}
	}
	return squares(whole, t.model.Energy.Image[2]), nil
}

func differenceScores(ctx context.Context, t *Mapper, g *given) ([]float64, error) {
	preferred, err := t.descent.Run(ctx, g.pixels, g.label, g.conditions)
	if err != nil {
		return nil, err
	}
	for p, u := range g.pixels {
		preferred[p] -= (float32(u) + 0.5) / 256
	}
	return squares(preferred, t.model.Energy.Image[2]), nil
}

// squares are Σ v² over the channels of each pixel.
func squares(values []float32, channels int) []float64 {
	sums := make([]float64, len(values)/channels)
	for p, v := range values {
		sums[p/channels] += float64(v) * float64(v)
	}
	return sums
}
