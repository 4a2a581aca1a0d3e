package benchmark

// This file makes outliers without another data set: images that a model of the data should give a high energy. Noise and
// constants are the extremes of roughness and smoothness; inverted, turned and blurred images keep some statistics of the data and
// break others; textures and shuffled images have its details without its shapes; the average of two images is the
// interpolation test of Du et al. 2021, and the hardest. Some outliers may look in-distribution: a turned 0 is a 0,
// and so may a mirrored photograph.
// Pixels are uint8 in N,H,W,C order, and all arithmetic on them is in integers: the same stream makes the same outliers on
// every machine.

import (
	"fmt"
	"math"
	"strings"

	"github.com/joule-ebm/joule/engine/rng"
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
		{Name: "flipped", About: "in-distribution images upside down", NeedsImages: true, make: flipped},
		{Name: "mirrored", About: "in-distribution images with left and right exchanged", NeedsImages: true, make: mirrored},
		{Name: "interpolation", About: "averages of two in-distribution images", NeedsImages: true, pairs: true, make: interpolation},
		{Name: "blurred", About: "in-distribution images blurred with a Gaussian of 1/16 of the shorter side", NeedsImages: true, make: blurred},
		{Name: "shuffled", About: "in-distribution images cut into 4 by 4 pieces, in random order", NeedsImages: true, make: shuffled},
		{Name: "textures", About: "patches of in-distribution images, a quarter of a side, mirrored over and over", NeedsImages: true,
			make: textures},
	}
}

// Usage explains the outliers that can be made, a line each, for the help of a command.
func Usage() string {
	var lines strings.Builder
	for _, k := range Outliers() {
		fmt.Fprintf(&lines, "  %-14s %s\n", k.Name, k.About)
	}
	return lines.String()
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
	return Outlier{}, fmt.Errorf("benchmark: no built-in outliers named %q: there are %s", name, strings.Join(names, ", "))
}

// Make returns n outliers of shape h,w,c, as n·h·w·c bytes. in holds in-distribution images of the same shape, of which outlier i
// is made from the i-th (and, for interpolation, a random other); it may be nil for outliers that need no images. It is an
// error if in is not whole images, or too few: repeated outliers would count as evidence that they are not. The result
// depends on the arguments and the stream alone; the stream moves on.
func (o Outlier) Make(n, h, w, c int, in []uint8, s *rng.Stream) ([]uint8, error) {
	if n < 1 || h < 1 || w < 1 || c < 1 {
		return nil, fmt.Errorf("benchmark: %d %s outliers of %d rows, %d columns and %d channels: want at least 1 of each", n, o.Name, h, w, c)
	}
	if h > maxBytes/w || c > maxBytes/w/h || n > maxBytes/w/h/c {
		return nil, fmt.Errorf("benchmark: %d %s outliers of %d rows, %d columns and %d channels have more than %d bytes: make fewer",
			n, o.Name, h, w, c, maxBytes)
	}
	from := images{h: h, w: w, c: c}
	size := h * w * c
	if o.NeedsImages {
		if len(in)%size != 0 {
			return nil, fmt.Errorf("benchmark: %s outliers: %d bytes are not whole in-distribution images of %d rows, %d columns and %d channels",
				o.Name, len(in), h, w, c)
		}
		from.n, from.pixels = len(in)/size, in
		need := n
		if o.pairs {
			need = max(n, 2)
		}
		if from.n < need {
			return nil, fmt.Errorf("benchmark: %d %s outliers need at least %d in-distribution images, there are %d", n, o.Name, need, from.n)
		}
		if o.square && h != w {
			return nil, fmt.Errorf("benchmark: %s outliers need square images, these have %d rows and %d columns", o.Name, h, w)
		}
	}
	pixels := make([]uint8, n*size)
	for i := range n {
		o.make(pixels[i*size:(i+1)*size], i, from, s)
	}
	return pixels, nil
}

// maxBytes bounds what a mistyped count can ask for.
const maxBytes = 1<<31 - 1

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

func flipped(dst []uint8, i int, from images, _ *rng.Stream) {
	src, row := from.image(i), from.w*from.c
	for y := range from.h {
		copy(dst[y*row:][:row], src[(from.h-1-y)*row:])
	}
}

func mirrored(dst []uint8, i int, from images, _ *rng.Stream) {
	src, c := from.image(i), from.c
	for p := 0; p < from.h*from.w; p++ {
		copy(dst[p*c:][:c], src[(p-p%from.w+from.w-1-p%from.w)*c:])
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

// shuffled keeps the pieces upright, and where the sides are no multiples of 4 the rest at the right and bottom edges in place.
func shuffled(dst []uint8, i int, from images, s *rng.Stream) {
	const across = 4
	src, c := from.image(i), from.c
	copy(dst, src)
	h, w := from.h/across, from.w/across
	var order [across * across]int
	for k := range order { // Fisher and Yates, inside out
		j := s.IntN(k + 1)
		order[k], order[j] = order[j], k
	}
	for k, piece := range order {
		for y := range h {
			to, at := (k/across*h+y)*from.w+k%across*w, (piece/across*h+y)*from.w+piece%across*w
			copy(dst[to*c:][:w*c], src[at*c:])
		}
	}
}

// textures takes the one of 8 random places in the image where the values vary most, so that it shows something.
func textures(dst []uint8, i int, from images, s *rng.Stream) {
	h, w, c := max(from.h/4, 1), max(from.w/4, 1), from.c
	src := from.image(i)
	var patch []uint8
	most := int64(-1)
	for range 8 {
		y, x := s.IntN(from.h-h+1), s.IntN(from.w-w+1)
		candidate := make([]uint8, 0, h*w*c)
		for row := range h {
			candidate = append(candidate, src[((y+row)*from.w+x)*c:][:w*c]...)
		}
		if v := variation(candidate); v > most {
			patch, most = candidate, v
		}
	}
	mirrorTile(dst, from.h, from.w, patch, h, w, c)
}

// variation is the variance of values times the square of their number.
func variation(values []uint8) int64 {
	var sum, squares int64
	for _, u := range values {
		sum += int64(u)
		squares += int64(u) * int64(u)
	}
	return int64(len(values))*squares - sum*sum
}

// mirrorTile covers an image of H rows and W columns with a patch of h rows and w columns and its mirror images in turn, without seams.
func mirrorTile(dst []uint8, H, W int, patch []uint8, h, w, c int) {
	for y := range H {
		for x := range W {
			copy(dst[(y*W+x)*c:][:c], patch[(fold(y, h)*w+fold(x, w))*c:])
		}
	}
}

// fold reflects a coordinate into [0, n).
func fold(at, n int) int {
	at %= 2 * n
	if at >= n {
		return 2*n - 1 - at
	}
	return at
}

// Patches cuts an image of H rows and W columns into patches of h rows and w columns that do not overlap, in reading order; what is
// left over at the right and bottom edges is not used. An image smaller than a patch makes one, continued by its mirror image.
// Photographs of textures so become outliers at their own scale of detail, which scaling them down would take away.
func Patches(pixels []uint8, H, W, h, w, c int) ([][]uint8, error) {
	if H < 1 || W < 1 || h < 1 || w < 1 || c < 1 || len(pixels) != H*W*c {
		return nil, fmt.Errorf("benchmark: patches of %d by %d of an image of %d bytes, %d rows, %d columns and %d channels", h, w, len(pixels), H, W, c)
	}
	if H < h || W < w {
		patch := make([]uint8, h*w*c)
		mirrorTile(patch, h, w, pixels, H, W, c)
		return [][]uint8{patch}, nil
	}
	var patches [][]uint8
	for y := 0; y+h <= H; y += h {
		for x := 0; x+w <= W; x += w {
			patch := make([]uint8, 0, h*w*c)
			for row := range h {
				patch = append(patch, pixels[((y+row)*W+x)*c:][:w*c]...)
			}
			patches = append(patches, patch)
		}
	}
	return patches, nil
}
