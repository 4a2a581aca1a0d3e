// Package restoration says how well a model restores pictures: clean images are degraded as an edit says that its pictures are, edited,
// and compared with what they were, by the peak signal-to-noise ratio
//
//	PSNR = -10 log₁₀ mean (x - x̂)²        in dB, of intensities in [0, 1].
package restoration

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/model"
)

// Report is what a measurement has found, in dB, means over the images.
type Report struct {
	Images   int     `json:"images"`
	Each     int     `json:"edits_of_each"`
	Degraded float64 `json:"psnr_degraded"` // of the pictures: what is missing black, what is small enlarged by repeated pixels
	Edited   float64 `json:"psnr_edited"`   // of an edit
	Mean     float64 `json:"psnr_mean"`     // of the mean of the edits of a picture
	// Of the first images, for a person to see: as they were, degraded, and their first edits, N,H,W,C.
	Shown, ShownDegraded, ShownEdited []uint8 `json:"-"`
}

// shown is how many images a report keeps.
const shown = 16

// streamNoise names the noise of degraded pictures.
const streamNoise = 7001

// Measure degrades images (N,H,W,C), edits each n times and compares.
func Measure(ctx context.Context, e engine.Engine, m *model.Model, images *dataset.Set, n int, edit model.Edit) (Report, error) {
	image := m.Energy.Image
	count := images.Len()
	if images.Size() != m.Config.ImageSize() || count == 0 {
		return Report{}, fmt.Errorf("restoration: %d images of %v for a model of %v", count, images.Size(), image)
	}
	pictures, err := Degrade(ctx, e, images.Pixels, image, edit)
	if err != nil {
		return Report{}, err
	}
	edited, err := m.Edit(ctx, e, pictures, n, edit)
	if err != nil {
		return Report{}, err
	}
	r, small := Report{Images: count, Each: n}, edit.PictureSize(images.Size())
	size, seen := image.Size(), len(pictures)/count
	for i := range count {
		clean := images.Image(i)
		degraded := picture.Enlarge(pictures[i*seen:][:seen], small.Height, small.Width, small.Channels, image[0], image[1])
		r.Degraded += PSNR(clean, degraded) / float64(count)
		mean := make([]float64, size)
		for k := range n {
			one := edited[(i*n+k)*size:][:size]
			r.Edited += PSNR(clean, one) / float64(count*n)
			for p, v := range one {
				mean[p] += float64(v) / float64(n)
			}
		}
		rounded := make([]uint8, size)
		for p, v := range mean {
			rounded[p] = uint8(math.Round(v))
		}
		r.Mean += PSNR(clean, rounded) / float64(count)
		if i < shown {
			r.Shown, r.ShownDegraded = append(r.Shown, clean...), append(r.ShownDegraded, degraded...)
			r.ShownEdited = append(r.ShownEdited, edited[i*n*size:][:size]...)
		}
	}
	return r, nil
}

// PSNR is that of two images; at most 99, which is more than bytes can tell.
func PSNR(a, b []uint8) float64 {
	var squares float64
	for i, v := range a {
		d := (float64(v) - float64(b[i])) / 256
		squares += d * d
	}
	return min(99, -10*math.Log10(squares/float64(len(a))))
}

// Degrade makes of clean images (N,H,W,C) the pictures that an edit restores: halved, noisy, and black where they are not known.
func Degrade(ctx context.Context, e engine.Engine, clean []uint8, image expr.Shape, edit model.Edit) ([]uint8, error) {
	if len(clean)%image.Size() != 0 {
		return nil, errors.New("restoration: not whole images")
	}
	seen := energy.Halved(expr.Input("x", image), edit.Halvings)
	program, err := e.Compile(seen)
	if err != nil {
		return nil, err
	}
	if err := program.Bind(nil); err != nil {
		return nil, err
	}
	count, size, channels := len(clean)/image.Size(), seen.Shape().Size(), image[2]
	y := make([]float32, count*size)
	err = program.Run(ctx, engine.Call{Batch: count, Inputs: map[string][]float32{"x": dataset.Intensities(clean)}, Outputs: [][]float32{y}})
	if err != nil {
		return nil, err
	}
	if edit.Noise > 0 {
		s := rng.New(edit.Seed, streamNoise)
		noise := make([]float32, len(y))
		s.FillNormal(noise)
		for i := range y {
			y[i] += float32(edit.Noise) * noise[i]
		}
	}
	pictures := picture.Quantise(y)
	for i := range pictures {
		if edit.Missing != nil && edit.Missing[i%size/channels] != 0 {
			pictures[i] = 0
		}
	}
	return pictures, nil
}
