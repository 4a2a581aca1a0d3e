package report

// This file draws chains from noise for the page.

import (
	"bytes"
	"context"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/model"
)

const (
	stepsOfEnergies = 120 // at which they are taken, about
	picturesOfChain = 9
)

// drawChains lets chains run from noise and keeps their energies and some of their images.
func drawChains(ctx context.Context, e engine.Engine, m *model.Model, o Options) (*Chains, error) {
	meter, err := m.NewMeter(e, false)
	if err != nil {
		return nil, err
	}
	s := model.Sampling{Images: o.Chains, Seed: o.Benchmark.Seed, Threads: o.Threads, Together: o.Chains}
	steps := m.ChainSteps(s)
	s.Every = max(1, steps/stepsOfEnergies)
	if o.Progress != nil {
		s.Progress = func(done, total int64) { o.Progress("drawing chains", "steps", done, total) }
	}
	c, next := &Chains{}, 0
	var images [][]uint8 // at each of the steps
	s.Look = func(_, step int, x []float32) error {
		if step < next && step != steps {
			return nil
		}
		next = step + s.Every
		pixels := picture.Quantise(x)
		energies, err := meter.Energies(ctx, pixels, model.AnyLabel)
		c.Steps, c.Energy, images = append(c.Steps, step), append(c.Energy, energies), append(images, pixels)
		return err
	}
	if _, err := m.Sample(ctx, e, s); err != nil {
		return nil, err
	}
	c.Picture, c.PictureSteps, err = pictureChains(images, c.Steps, m.Energy.Image)
	return c, err
}

// pictureChains draws a row for each chain, images from left to right. Most happens at the beginning: the steps of the columns, some of
// those given, are spaced by the square root of time.
func pictureChains(images [][]uint8, steps []int, shape expr.Shape) (p Picture, shown []int, err error) {
	const squares = (picturesOfChain - 1) * (picturesOfChain - 1)
	var columns []int // indices of steps
	for k := range picturesOfChain {
		at := ((len(images)-1)*k*k + squares - 1) / squares
		if len(columns) == 0 || at > columns[len(columns)-1] {
			columns, shown = append(columns, at), append(shown, steps[at])
		}
	}
	size := shape.Size()
	chains := len(images[0]) / size
	var pixels []uint8
	for i := range chains {
		for _, at := range columns {
			pixels = append(pixels, images[at][i*size:][:size]...)
		}
	}
	grid, err := picture.Grid(pixels, chains*len(columns), shape[0], shape[1], shape[2], len(columns), max(1, 64/max(shape[0], shape[1])))
	if err != nil {
		return p, nil, err
	}
	var png bytes.Buffer
	if err := picture.EncodePNG(&png, grid); err != nil {
		return p, nil, err
	}
	bounds := grid.Bounds().Size()
	return Picture{Caption: "Chains from noise to their end, one a row", PNG: png.Bytes(), Width: bounds.X, Height: bounds.Y}, shown, nil
}
