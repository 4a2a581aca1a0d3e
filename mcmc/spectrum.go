package mcmc

// This file is noise with the colours and the spectrum of images, for chains to start from:
//
//	x = μ + F⁻¹ R(|f|) F z,     z white,     R(ρ) R(ρ)ᵀ = mean of (F(x - μ))(F(x - μ))* over images and frequencies with |f| ≈ ρ
//
// with the Fourier transform F of each channel, kept within [0, 1]. It has the mean colour of images, their contrast, and as much of each
// size of detail, and is nothing otherwise: clouds. From there the way to an image is short, so that more chains may start from noise
// without their long ways dominating the gradient, and samples take fewer steps.
//
// Starts drawn from Gaussians fitted to the data are those of Yang and Ji, "JEM++: Improved techniques for training JEM" (ICCV 2021). Theirs
// have the covariance of every pair of pixels, 9 million numbers for CIFAR-10. Of a field in which no place and no direction is special all
// that is left are 6 numbers for each of 24 frequencies.

import (
	"errors"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/fourier"
)

// Spectrum is what such noise has of images. nil: nothing, and the noise is uniform.
type Spectrum struct {
	Mean  []float64   `json:"mean"`  // μ, of each channel, in [0, 1]
	Roots [][]float64 `json:"roots"` // R(ρ) for ρ = 0, 1, ... periods an image: the lower triangle, row after row
}

// triangle is the number of elements of a lower triangle of c rows.
func triangle(c int) int { return c * (c + 1) / 2 }

// frequency is ρ of element p of a plane of an image, and frequencies their number.
func frequency(p int, image expr.Shape) int { return fourier.Frequency(p, image[0], image[1]) }
func frequencies(image expr.Shape) int      { return frequency(image[0]/2*image[1]+image[1]/2, image) + 1 }

// planes are the channels of an image H,W,C less their means, as complex numbers.
func planes(image expr.Shape, at func(i int) float64, mean []float64) [][]complex128 {
	c := image[2]
	all := make([][]complex128, c)
	for k := range c {
		all[k] = make([]complex128, image[0]*image[1])
		for p := range all[k] {
			all[k][p] = complex(at(p*c+k)-mean[k], 0)
		}
	}
	return all
}

// SpectrumOf measures images, N,H,W,C.
func SpectrumOf(pixels []uint8, image expr.Shape) (*Spectrum, error) {
	size, c := image.Size(), image[2]
	n := len(pixels) / max(1, size)
	if n == 0 || len(pixels) != n*size {
		return nil, fmt.Errorf("spectrum: %d elements, want images of %v", len(pixels), image)
	}
	intensity := func(u uint8) float64 { return (float64(u) + 0.5) / 256 }
	s := &Spectrum{Mean: make([]float64, c), Roots: make([][]float64, frequencies(image))}
	for i, u := range pixels {
		s.Mean[i%c] += intensity(u) * float64(c) / float64(len(pixels))
	}
	counts := make([]float64, len(s.Roots))
	for r := range s.Roots {
		s.Roots[r] = make([]float64, triangle(c))
	}
	transform := fourier.New(image[0], image[1])
	for i := range n {
		one := pixels[i*size:][:size]
		f := planes(image, func(k int) float64 { return intensity(one[k]) }, s.Mean)
		for _, plane := range f {
			transform.Forward(plane)
		}
		for p := range f[0] {
			r := frequency(p, image)
			counts[r]++
			for a := range c {
				for b := range a + 1 {
					s.Roots[r][triangle(a)+b] += real(f[a][p])*real(f[b][p]) + imag(f[a][p])*imag(f[b][p])
				}
			}
		}
	}
	for r, power := range s.Roots {
		for k := range power {
			power[k] /= max(1, counts[r])
		}
		cholesky(power, c)
	}
	return s, nil
}

// cholesky replaces the lower triangle of a matrix P of c rows by that of R, P = RRᵀ. Channels that follow from those before, as those of
// grey images in colour do, have nothing of their own.
func cholesky(p []float64, c int) {
	for a := range c {
		row := p[triangle(a):]
		for b := range a + 1 {
			v := row[b]
			for k := range b {
				v -= row[k] * p[triangle(b)+k]
			}
			switch d := p[triangle(b)+b]; {
			case a != b && d > 0:
				row[b] = v / d
			case a == b && v > 1e-12*row[a]:
				row[b] = math.Sqrt(v)
			default:
				row[b] = 0
			}
		}
	}
}

// Check is an error if this is no spectrum of images of that shape, but what a file says.
func (s *Spectrum) Check(image expr.Shape) error {
	if s == nil {
		return nil
	}
	if len(s.Mean) != image[2] || len(s.Roots) != frequencies(image) {
		return fmt.Errorf("spectrum of %d channels and %d frequencies: want %d and %d", len(s.Mean), len(s.Roots), image[2], frequencies(image))
	}
	for _, row := range append([][]float64{s.Mean}, s.Roots...) {
		for _, v := range row {
			if !(math.Abs(v) < 1e6) {
				return fmt.Errorf("spectrum: %v is out of range", v)
			}
		}
	}
	for _, root := range s.Roots {
		if len(root) != triangle(image[2]) {
			return errors.New("spectrum: a frequency without all of its numbers")
		}
	}
	return nil
}

// fill makes one image noise.
func (s *Spectrum) fill(x []float32, image expr.Shape, stream *rng.Stream) {
	stream.FillUniform(x)
	if s == nil {
		return
	}
	c := image[2]
	// White noise of mean 0 and variance 1.
	z := planes(image, func(i int) float64 { return math.Sqrt(12) * (float64(x[i]) - 0.5) }, make([]float64, c))
	transform := fourier.New(image[0], image[1])
	for _, plane := range z {
		transform.Forward(plane)
	}
	for p := range z[0] {
		root := s.Roots[frequency(p, image)]
		for a := c - 1; a >= 0; a-- { // row a needs the channels up to a as they were
			var sum complex128
			for b := range a + 1 {
				sum += complex(root[triangle(a)+b], 0) * z[b][p]
			}
			z[a][p] = sum
		}
	}
	for a, plane := range z {
		transform.Inverse(plane)
		for p, v := range plane {
			x[p*c+a] = float32(min(max(s.Mean[a]+real(v), 0), 1))
		}
	}
}

// FillNoise makes every one of the images x, of the given shape, noise: the starts of chains. Image i is that of chain firstChain + i.
func (s *Spectrum) FillNoise(x []float32, image expr.Shape, seed, firstChain uint64) {
	size := image.Size()
	for i := range len(x) / size {
		stream := rng.New(seed, streamNoise, firstChain+uint64(i))
		s.fill(x[i*size:][:size], image, &stream)
	}
}
