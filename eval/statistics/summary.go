// Package statistics compares samples with data by statistics of their pixels.
package statistics

// This file compares samples with data by statistics of their pixels: cheap enough to follow while a model learns, and each with
// a meaning of its own. They do not replace looking at the samples, nor a feature-based distance such as FID: matching them is
// necessary for good samples, not sufficient.
//
// A byte u stands for the intensity (u + ½)/256, the middle of the interval that dequantising spreads it over. The power of an
// image x of h by w is P(f) = |Σ x(p) exp(-2πi f·p)|² / (h·w), which for white noise is its variance at every frequency but 0;
// in natural images it falls roughly as 1/|f|² (Field 1987).

import (
	"errors"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/internal/fourier"
)

// A Summary holds statistics of a set of images. Intensities are in [0,1].
type Summary struct {
	Num  int       `json:"num"`  // images
	Mean []float64 `json:"mean"` // of each channel, over all pixels of all images
	Std  []float64 `json:"std"`  // of each channel, likewise (the population's)

	// Gradient is the mean absolute difference between horizontal neighbours, over all channels; 0 for images one pixel wide.
	Gradient float64 `json:"gradient"`

	// Spectrum[r] is the power of the images' mean over channels, averaged over the frequencies that round to r cycles per
	// shorter side, 0 ≤ r ≤ side/2, and over the images. Spectrum[0] is the power of the images' mean intensities.
	Spectrum []float64 `json:"spectrum"`

	// Spacing is the mean distance from an image to its nearest neighbour in the set, the distance between two images being
	// their root mean square difference. It is taken over the first 1000 images, since its cost grows with the square of their
	// number, and falls with that number: only sets of one size compare.
	Spacing float64 `json:"spacing"`
}

// images are n images of shape h,w,c.
type images struct {
	n, h, w, c int
	pixels     []uint8
}

func (im images) image(i int) []uint8 {
	size := im.h * im.w * im.c
	return im.pixels[i*size : (i+1)*size]
}

// spaced is how many images Spacing is taken over, at most.
const spaced = 1000

// Summarise computes the statistics of n ≥ 2 images of shape h,w,c with values 0..255, N,H,W,C.
func Summarise(pixels []uint8, n, h, w, c int) (Summary, error) {
	if n < 2 || h < 1 || w < 1 || c < 1 {
		return Summary{}, fmt.Errorf("statistics: statistics of %d images of %d rows, %d columns and %d channels: want at least 2 images and 1 of the others", n, h, w, c)
	}
	size := len(pixels) / n
	if len(pixels)%n != 0 || size%c != 0 || size/c%w != 0 || size/c/w != h {
		return Summary{}, fmt.Errorf("statistics: %d bytes of pixels are not %d images of %d rows, %d columns and %d channels", len(pixels), n, h, w, c)
	}
	im := images{n: n, h: h, w: w, c: c, pixels: pixels}
	s := Summary{Num: n, Spectrum: spectrum(im), Spacing: spacing(im)}

	// Sums of bytes and their squares are whole numbers, so that nothing cancels.
	sum, squares := make([]uint64, c), make([]uint64, c)
	var steps uint64
	for i, u := range pixels {
		sum[i%c] += uint64(u)
		squares[i%c] += uint64(u) * uint64(u)
		if i/c%w > 0 {
			steps += uint64(max(u, pixels[i-c]) - min(u, pixels[i-c]))
		}
	}
	count := float64(n * h * w)
	for ch := range c {
		mean := float64(sum[ch]) / count
		s.Mean = append(s.Mean, (mean+0.5)/256)
		s.Std = append(s.Std, math.Sqrt(max(0, float64(squares[ch])/count-mean*mean))/256)
	}
	if w > 1 {
		s.Gradient = float64(steps) / float64(n*h*(w-1)*c) / 256
	}
	return s, nil
}

// spectrum averages the power of images over circles of frequencies.
func spectrum(im images) []float64 {
	side := min(im.h, im.w)
	power := make([]float64, side/2+1)
	frequencies := make([]float64, side/2+1)
	transform, grid := fourier.New(im.h, im.w), make([]complex128, im.h*im.w)
	for i := range im.n {
		image := im.image(i)
		for p := range grid {
			sum := 0
			for _, u := range image[p*im.c : (p+1)*im.c] {
				sum += int(u)
			}
			grid[p] = complex((float64(sum)/float64(im.c)+0.5)/256, 0)
		}
		transform.Forward(grid)
		for p, f := range grid {
			if r := fourier.Frequency(p, im.h, im.w); r <= side/2 {
				power[r] += real(f)*real(f) + imag(f)*imag(f)
				frequencies[r]++
			}
		}
	}
	for r := range power {
		power[r] /= frequencies[r]
	}
	return power
}

// spacing is the mean distance to the nearest neighbour among the first images.
func spacing(im images) float64 {
	n := min(im.n, spaced)
	nearest := make([]uint64, n) // squared, in bytes
	for i := range nearest {
		nearest[i] = math.MaxUint64
	}
	for i := range n {
		for j := range i {
			d := squaredDistance(im.image(i), im.image(j))
			nearest[i], nearest[j] = min(nearest[i], d), min(nearest[j], d)
		}
	}
	sum := 0.0
	for _, d := range nearest {
		sum += math.Sqrt(float64(d) / float64(im.h*im.w*im.c))
	}
	return sum / float64(n) / 256
}

func squaredDistance(a, b []uint8) uint64 {
	var sum uint64
	b = b[:len(a)]
	for p, u := range a {
		d := int64(u) - int64(b[p])
		sum += uint64(d * d)
	}
	return sum
}

// A Likeness says how like the data's the samples' statistics are.
type Likeness struct {
	Mean     float64 `json:"mean"`     // largest difference between channel means; 0 is alike
	Std      float64 `json:"std"`      // samples' over data's, of the channel where it is farthest from 1; 1 is alike
	Gradient float64 `json:"gradient"` // samples' over data's; above 1 is rougher or noisier than the data, below 1 smoother

	// Spectrum is the root mean square, over frequencies from 1 cycle per shorter side up, of log10(samples'/data's power):
	// 0 is alike, 1 a factor of ten off. Power below that of rounding to bytes, 1/12 of a step squared, counts as that.
	Spectrum float64 `json:"spectrum"`

	// Diversity is the samples' Spacing over the data's: far below 1 means that samples repeat one another. Above 1 is possible
	// too, and noise gets there: read it together with the others.
	Diversity float64 `json:"diversity"`
}

// Compare sets the statistics of samples against those of data. It is an error if the two differ in number or shape of images, or
// if the data vary too little to be compared with: a channel of one value, no horizontal change, or no two images apart.
func Compare(samples, data Summary) (Likeness, error) {
	if samples.Num != data.Num {
		return Likeness{}, fmt.Errorf("statistics: %d samples against %d images of data: the spacing of images falls with their number, take as many of both",
			samples.Num, data.Num)
	}
	if len(samples.Mean) != len(data.Mean) || len(samples.Std) != len(data.Std) || len(samples.Spectrum) != len(data.Spectrum) ||
		len(data.Mean) != len(data.Std) {
		return Likeness{}, errors.New("statistics: samples and data have images of different shapes: their statistics do not compare")
	}
	if data.Gradient == 0 || data.Spacing == 0 {
		return Likeness{}, errors.New("statistics: the data have no horizontal change or no two images apart: nothing to compare samples with")
	}
	like := Likeness{Std: 1, Gradient: samples.Gradient / data.Gradient, Diversity: samples.Spacing / data.Spacing}
	for ch := range data.Mean {
		if data.Std[ch] == 0 {
			return Likeness{}, fmt.Errorf("statistics: channel %d of the data has one value throughout: nothing to compare samples with", ch)
		}
		like.Mean = max(like.Mean, math.Abs(samples.Mean[ch]-data.Mean[ch]))
		if ratio := samples.Std[ch] / data.Std[ch]; math.Abs(ratio-1) > math.Abs(like.Std-1) {
			like.Std = ratio
		}
	}
	const rounding = 1.0 / 12 / 256 / 256
	for r := 1; r < len(data.Spectrum); r++ {
		d := math.Log10(max(samples.Spectrum[r], rounding) / max(data.Spectrum[r], rounding))
		like.Spectrum += d * d / float64(len(data.Spectrum)-1)
	}
	like.Spectrum = math.Sqrt(like.Spectrum)
	return like, nil
}
