package eval

// This file makes outliers without another data set: images that a model of the data should give a high energy. Noise and
// constants are the extremes of roughness and smoothness; inverted, rotated and blurred images keep some statistics of the data
// and break others; the average of two images is the interpolation test of Du et al. 2021, and the hardest.
// Pixels are uint8 in N,H,W,C order, and all arithmetic on them is in integers: the same stream makes the same outliers on
// every machine.

import (
	"fmt"
	"math"
	"strings"

	"github.com/joule-ebm/joule/rng"
)

// An Outlier is one way of making outliers.
type Outlier struct {
	Name        string // as given to commands
	About       string // one line for people
	NeedsImages bool   // made from in-distribution images

	square bool // exchanges rows and columns
	pairs  bool // makes one outlier from two images
	make   func(dst []uint8, i int, from images, s *rng.Stream)
}

// Outliers lists every way of making outliers.
func Outliers() []Outlier {
	return []Outlier{
		{Name: "noise", About: "every value uniform and independent", make: noise},
		{Name: "constant", About: "one random intensity or colour an image", make: constant},
		{Name: "inverted", About: "in-distribution images with light and dark exchanged", NeedsImages: true, make: inverted},
		{Name: "rotated", About: "in-distribution images turned by 90 degrees", NeedsImages: true, square: true, make: rotated},
		{Name: "interpolation", About: "averages of two in-distribution images", NeedsImages: true, pairs: true, make: interpolation},
		{Name: "blurred", About: "in-distribution images blurred with a Gaussian of 1/16 of the shorter side", NeedsImages: true, make: blurred},
	}
}

// OutlierNamed returns the way of making outliers of that name.
func OutlierNamed(name string) (Outlier, error) {
	var names []string
	for _, o := range Outliers() {
		if o.Name == name {
			return o, nil
		}
		names = append(names, o.Name)
	}
	return Outlier{}, fmt.Errorf("eval: no built-in outliers named %q: there are %s", name, strings.Join(names, ", "))
}

// Make returns n outliers of shape h,w,c, as n·h·w·c bytes. in holds in-distribution images of the same shape, of which outlier i
// is made from the i-th (and, for interpolation, a random other); it may be nil for outliers that need no images. It is an
// error if in is not whole images, or too few: repeated outliers would count as evidence that they are not. The result
// depends on the arguments and the stream alone; the stream moves on.
func (o Outlier) Make(n, h, w, c int, in []uint8, s *rng.Stream) ([]uint8, error) {
	if n < 1 || h < 1 || w < 1 || c < 1 {
		return nil, fmt.Errorf("eval: %d %s outliers of %d rows, %d columns and %d channels: want at least 1 of each", n, o.Name, h, w, c)
	}
	if h > maxBytes/w || c > maxBytes/w/h || n > maxBytes/w/h/c {
		return nil, fmt.Errorf("eval: %d %s outliers of %d rows, %d columns and %d channels have more than %d bytes: make fewer",
			n, o.Name, h, w, c, maxBytes)
	}
	from := images{h: h, w: w, c: c}
	size := h * w * c
	if o.NeedsImages {
		if len(in)%size != 0 {
			return nil, fmt.Errorf("eval: %s outliers: %d bytes are not whole in-distribution images of %d rows, %d columns and %d channels",
				o.Name, len(in), h, w, c)
		}
		from.n, from.pixels = len(in)/size, in
		need := n
		if o.pairs {
			need = max(n, 2)
		}
		if from.n < need {
			return nil, fmt.Errorf("eval: %d %s outliers need at least %d in-distribution images, there are %d", n, o.Name, need, from.n)
		}
		if o.square && h != w {
			return nil, fmt.Errorf("eval: %s outliers need square images, these have %d rows and %d columns", o.Name, h, w)
		}
	}
	pixels := make([]uint8, n*size)
	for i := range n {
		o.make(pixels[i*size:(i+1)*size], i, from, s)
	}
	return pixels, nil
}

// maxBytes bounds what a mistyped count can ask for.
const maxBytes = 1 << 31

// images are n images of shape h,w,c.
type images struct {
	n, h, w, c int
	pixels     []uint8
}

func (im images) image(i int) []uint8 {
	size := im.h * im.w * im.c
	return im.pixels[i*size : (i+1)*size]
}

func noise(dst []uint8, _ int, _ images, s *rng.Stream) {
	for i := range dst {
		dst[i] = uint8(s.Uint32() >> 24)
	}
}

func constant(dst []uint8, i int, from images, s *rng.Stream) {
	noise(dst[:from.c], i, from, s)
	for p := from.c; p < len(dst); p++ {
		dst[p] = dst[p-from.c]
	}
}

func inverted(dst []uint8, i int, from images, _ *rng.Stream) {
	for p, u := range from.image(i) {
		dst[p] = 255 - u
	}
}

// rotated turns counterclockwise: what was the last column becomes the first row.
func rotated(dst []uint8, i int, from images, _ *rng.Stream) {
	src, side, c := from.image(i), from.w, from.c
	for y := range side {
		for x := range side {
			copy(dst[(y*side+x)*c:][:c], src[(x*side+side-1-y)*c:])
		}
	}
}

// interpolation rounds halves up, which is what quantising the average of the two pixels' middles, (u + ½)/256, gives.
func interpolation(dst []uint8, i int, from images, s *rng.Stream) {
	j := s.IntN(from.n - 1)
	if j >= i {
		j++ // any image but the i-th, all alike
	}
	a, b := from.image(i), from.image(j)
	for p := range dst {
		dst[p] = uint8((int(a[p]) + int(b[p]) + 1) / 2)
	}
}

// blurred convolves each channel with a Gaussian along rows and then columns, repeating the pixels at the edge. The standard
// deviation is 1/16 of the shorter side (2 pixels at 32x32) and the kernel ends at 3 of them.
func blurred(dst []uint8, i int, from images, _ *rng.Stream) {
	h, w, c := from.h, from.w, from.c
	sigma := float64(min(h, w)) / 16
	radius := int(math.Ceil(3 * sigma))
	kernel := make([]uint64, 2*radius+1)
	var total uint64
	for k := range kernel {
		d := float64(k-radius) / sigma
		kernel[k] = uint64(math.Round(0xffff * math.Exp(-d*d/2)))
		total += kernel[k]
	}
	src := from.image(i)
	rows := make([]uint64, len(src))
	for y := range h {
		for x := range w {
			for ch := range c {
				for k, weight := range kernel {
					at := min(max(x+k-radius, 0), w-1)
					rows[(y*w+x)*c+ch] += weight * uint64(src[(y*w+at)*c+ch])
				}
			}
		}
	}
	for y := range h {
		for x := range w {
			for ch := range c {
				var sum uint64
				for k, weight := range kernel {
					at := min(max(y+k-radius, 0), h-1)
					sum += weight * rows[(at*w+x)*c+ch]
				}
				dst[(y*w+x)*c+ch] = uint8((sum + total*total/2) / (total * total))
			}
		}
	}
}
