package benchmark_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/rng"
)

// make runs one way of making outliers that must succeed.
func makeOutliers(t *testing.T, name string, n, h, w, c int, in []uint8, seed uint64) []uint8 {
	t.Helper()
	o, err := benchmark.OutlierNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	stream := rng.New(seed)
	pixels, err := o.Make(n, h, w, c, in, &stream)
	if err != nil {
		t.Fatal(err)
	}
	if len(pixels) != n*h*w*c {
		t.Fatalf("%s: %d bytes, want %d", name, len(pixels), n*h*w*c)
	}
	return pixels
}

// bytesOf returns n bytes of which no two stretches are alike.
func bytesOf(n int) []uint8 {
	stream := rng.New(99)
	p := make([]uint8, n)
	for i := range p {
		p[i] = uint8(stream.Uint32())
	}
	return p
}

func TestOutliersAreReproducible(t *testing.T) {
	const n, h, w, c = 3, 6, 6, 3
	in := bytesOf(5 * h * w * c)
	kept := slices.Clone(in)
	names := map[string]bool{}
	for _, o := range benchmark.Outliers() {
		if o.Name == "" || o.About == "" || strings.Contains(o.About, "\n") || names[o.Name] {
			t.Errorf("%+v: want a name of its own and one line about it", o)
		}
		names[o.Name] = true
		first := makeOutliers(t, o.Name, n, h, w, c, in, 1)
		if !bytes.Equal(first, makeOutliers(t, o.Name, n, h, w, c, in, 1)) {
			t.Errorf("%s: one stream, two results", o.Name)
		}
		if bytes.Equal(first, in[:len(first)]) {
			t.Errorf("%s: the images as they were", o.Name)
		}
		if !o.NeedsImages && !bytes.Equal(first, makeOutliers(t, o.Name, n, h, w, c, nil, 1)) {
			t.Errorf("%s: depends on images it does not need", o.Name)
		}
	}
	if !bytes.Equal(in, kept) {
		t.Error("the images given were changed")
	}
}

func TestNoise(t *testing.T) {
	const n = 256 * 400
	var counts [256]float64
	for _, u := range makeOutliers(t, "noise", n/(10*10*4), 10, 10, 4, nil, 3) {
		counts[u]++
	}
	var chi float64 // squared, 255 degrees of freedom: mean 255, standard deviation 22.6
	for _, count := range counts {
		chi += (count - 400) * (count - 400) / 400
	}
	if chi < 255-5*22.6 || chi > 255+5*22.6 {
		t.Errorf("values are not uniform: χ² = %.0f, want about 255", chi)
	}
}

func TestConstant(t *testing.T) {
	const n, h, w, c = 50, 3, 4, 3
	p := makeOutliers(t, "constant", n, h, w, c, nil, 3)
	colours := map[string]bool{}
	grey := 0
	for i := range n {
		image := p[i*h*w*c:][:h*w*c]
		if !bytes.Equal(image[c:], image[:len(image)-c]) {
			t.Fatalf("image %d has more than one colour", i)
		}
		colours[string(image[:c])] = true
		if image[0] == image[1] && image[1] == image[2] {
			grey++
		}
	}
	if len(colours) < n-2 || grey > 2 {
		t.Errorf("%d images have %d colours, %d of them grey: want random colours", n, len(colours), grey)
	}
}

func TestOutliersFromImages(t *testing.T) {
	for _, test := range []struct {
		name    string
		h, w, c int
		in      []uint8 // two images or more
		want    []uint8
	}{
		{"inverted", 1, 2, 2, []uint8{0, 1, 128, 255, 9, 9, 9, 9}, []uint8{255, 254, 127, 0}},
		// 1 2    2 4
		// 3 4 to 1 3
		{"rotated", 2, 2, 1, []uint8{1, 2, 3, 4, 0, 0, 0, 0}, []uint8{2, 4, 1, 3}},
		{"rotated", 2, 2, 2, []uint8{1, 10, 2, 20, 3, 30, 4, 40, 0, 0, 0, 0, 0, 0, 0, 0}, []uint8{2, 20, 4, 40, 1, 10, 3, 30}},
		{"flipped", 3, 1, 2, []uint8{1, 10, 2, 20, 3, 30, 0, 0, 0, 0, 0, 0}, []uint8{3, 30, 2, 20, 1, 10}},
		{"mirrored", 2, 3, 2, []uint8{1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60}, []uint8{3, 30, 2, 20, 1, 10, 6, 60, 5, 50, 4, 40}},
		{"interpolation", 1, 5, 1, []uint8{0, 0, 10, 255, 255, 0, 1, 20, 254, 255}, []uint8{0, 1, 15, 255, 255}},
		{"blurred", 1, 3, 2, []uint8{7, 200, 7, 200, 7, 200, 0, 0, 0, 0, 0, 0}, []uint8{7, 200, 7, 200, 7, 200}},
	} {
		if got := makeOutliers(t, test.name, 1, test.h, test.w, test.c, test.in, 1); !slices.Equal(got, test.want) {
			t.Errorf("%s of %v: %v, want %v", test.name, test.in, got, test.want)
		}
	}
}

// Each average must be of image i and another one; over many, every other one.
func TestInterpolationPairs(t *testing.T) {
	const n = 7
	in := make([]uint8, n) // 1x1 images, so that 2 << i names image i
	for i := range in {
		in[i] = 2 << i
	}
	seen := map[[2]int]bool{}
	for seed := range uint64(60) {
		for i, average := range makeOutliers(t, "interpolation", n, 1, 1, 1, in[:n], seed) {
			other := slices.Index(in, 2*average-in[i])
			if other < 0 || other == i {
				t.Fatalf("outlier %d is %d: not the average of image %d and another", i, average, i)
			}
			seen[[2]int{i, other}] = true
		}
	}
	if len(seen) != n*(n-1) {
		t.Errorf("%d of %d pairs seen", len(seen), n*(n-1))
	}
}

// A bright bar across a 32x32 image, either way, must get the profile of a bar blurred by a Gaussian of standard deviation 2, and
// the same profile at the image's edge as in its middle.
func TestBlurred(t *testing.T) {
	const side = 32
	for _, upright := range []bool{false, true} {
		at := func(along, across int) int {
			if upright {
				return along*side + across
			}
			return across*side + along
		}
		in := make([]uint8, side*side)
		for across := 12; across < 20; across++ {
			for along := range side {
				in[at(along, across)] = 255
			}
		}
		p := makeOutliers(t, "blurred", 1, side, side, 1, in, 1)
		for across := range side {
			var want, norm float64
			for k := -40; k <= 40; k++ {
				weight := math.Exp(-float64(k*k) / 8)
				norm += weight
				if across+k >= 12 && across+k < 20 {
					want += 255 * weight
				}
			}
			for _, along := range []int{0, 1, side / 2, side - 1} {
				// The kernel ends at 3 standard deviations, which leaves out 0.3% of 255.
				if got := float64(p[at(along, across)]); math.Abs(got-want/norm) > 1.3 {
					t.Errorf("upright %v, %d across, %d along: %v, want %.2f", upright, across, along, got, want/norm)
				}
			}
		}
	}
}

// Shuffling moves whole pieces, each to any place, and leaves the rest where it was.
func TestShuffled(t *testing.T) {
	const h, w, c, n = 9, 13, 3, 40
	in := make([]uint8, n*h*w*c)
	for p := range in { // a piece's number in its pixels, with the place in the piece; the rest is 255
		y, x := p/c/w%h, p/c%w
		if in[p] = 255; y < 8 && x < 12 {
			in[p] = uint8((y/2*4+x/3)*10 + y%2*3 + x%3)
		}
	}
	seen := map[[2]int]bool{}
	out := makeOutliers(t, "shuffled", n, h, w, c, in, 1)
	for i := range n {
		image, pieces := out[i*h*w*c:][:h*w*c], map[int]bool{}
		for y := range h {
			for x := range w {
				u := int(image[(y*w+x)*c])
				switch {
				case y == 8 || x == 12:
					if u != 255 {
						t.Fatalf("the rest at %d,%d is %d", y, x, u)
					}
				case u%10 != y%2*3+x%3:
					t.Fatalf("at %d,%d is place %d of a piece", y, x, u%10)
				default:
					pieces[u/10] = true
					seen[[2]int{y/2*4 + x/3, u / 10}] = true
				}
			}
		}
		if len(pieces) != 16 {
			t.Fatalf("%d of 16 pieces left", len(pieces))
		}
	}
	if len(seen) < 220 { // of 256, by chance 237
		t.Errorf("only %d of 256 moves seen", len(seen))
	}
}

// A texture repeats a patch of its own image without seams: each pixel equals its mirror image at every fold.
func TestTextures(t *testing.T) {
	const side, c, patch = 12, 3, 3
	in := bytesOf(2 * side * side * c)
	for i, out := range [][]uint8{makeOutliers(t, "textures", 1, side, side, c, in, 4), makeOutliers(t, "textures", 2, side, side, c, in, 5)} {
		at := func(y, x int) []uint8 { return out[i*side*side*c:][(y*side+x)*c:][:c] }
		for y := range side {
			for x := range side {
				if !slices.Equal(at(y, x), at(y, (x+2*patch)%side)) || x < patch && !slices.Equal(at(y, x), at(y, 2*patch-1-x)) ||
					y < patch && !slices.Equal(at(y, x), at(2*patch-1-y, x)) {
					t.Fatalf("image %d at %d,%d: no mirrored patch", i, y, x)
				}
			}
		}
		if !bytes.Contains(in[i*side*side*c:][:side*side*c], out[i*side*side*c:][:patch*c]) {
			t.Errorf("image %d: the patch is not of its image", i)
		}
	}

	// Of an image that is empty but for one corner the patches show the corner if any of the places tried did.
	corner := make([]uint8, 16*16)
	for p := range corner {
		if p%16 < 8 && p/16 < 8 {
			corner[p] = uint8(p * 37)
		}
	}
	shown := 0
	for seed := range uint64(20) {
		if out := makeOutliers(t, "textures", 1, 16, 16, 1, corner, seed); slices.Max(out) > 0 {
			shown++
		}
	}
	if shown < 18 { // one place shows it with probability 0.38 at least
		t.Errorf("%d of 20 textures show something", shown)
	}
}

func TestPatches(t *testing.T) {
	image := []uint8{
		1, 2, 3, 4, 5,
		6, 7, 8, 9, 10,
		11, 12, 13, 14, 15,
	}
	for _, test := range []struct {
		H, W, h, w, c int
		want          [][]uint8
	}{
		{3, 5, 2, 2, 1, [][]uint8{{1, 2, 6, 7}, {3, 4, 8, 9}}},
		{5, 3, 1, 3, 1, [][]uint8{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}, {13, 14, 15}}},
		{1, 5, 1, 2, 3, [][]uint8{{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}}},
		{5, 1, 2, 3, 3, [][]uint8{{1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 4, 5, 6}}}, // too narrow
	} {
		got, err := benchmark.Patches(image, test.H, test.W, test.h, test.w, test.c)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%dx%d of %dx%dx%d: %v, %v, want %v", test.h, test.w, test.H, test.W, test.c, got, err, test.want)
		}
	}
	if _, err := benchmark.Patches(image, 3, 4, 1, 1, 1); err == nil {
		t.Error("15 bytes taken for 3x4")
	}
}

func TestOutlierErrors(t *testing.T) {
	if _, err := benchmark.OutlierNamed("noises"); err == nil || !strings.Contains(err.Error(), `"noises": there are noise, constant`) {
		t.Errorf("unknown name: error %v", err)
	}
	in := bytesOf(2 * 4 * 4)
	const huge = math.MaxInt / 2
	for _, test := range []struct {
		name       string
		n, h, w, c int
		in         []uint8
		want       string
	}{
		{"noise", 0, 4, 4, 1, nil, "want at least 1"},
		{"noise", 1, 4, -4, 1, nil, "want at least 1"},
		{"constant", huge, 4, 4, 1, nil, "make fewer"},
		{"noise", 1, huge, 3, 3, nil, "make fewer"},
		{"noise", math.MaxInt, 4, 4, 1, nil, "make fewer"},
		{"inverted", 1, 4, 4, 1, nil, "there are 0"},
		{"inverted", 3, 4, 4, 1, in, "need at least 3 in-distribution images, there are 2"},
		{"blurred", 1, 4, 4, 1, in[1:], "not whole"},
		{"interpolation", 1, 4, 4, 1, in[:16], "need at least 2"},
		{"rotated", 1, 2, 8, 1, in, "square"},
	} {
		o, err := benchmark.OutlierNamed(test.name)
		if err != nil {
			t.Fatal(err)
		}
		stream := rng.New(1)
		if _, err := o.Make(test.n, test.h, test.w, test.c, test.in, &stream); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %d of %dx%dx%d: error %v, want one about %q", test.name, test.n, test.h, test.w, test.c, err, test.want)
		}
	}
}

func ExampleOutlier_Make() {
	rotated, err := benchmark.OutlierNamed("rotated")
	if err != nil {
		fmt.Println(err)
		return
	}
	digits := []uint8{ // two images of 2x2 grey pixels
		0, 255,
		0, 255,

		255, 255,
		0, 0,
	}
	stream := rng.New(1)
	pixels, err := rotated.Make(2, 2, 2, 1, digits, &stream)
	fmt.Println(pixels, err)
	// Output: [255 255 0 0 255 0 255 0] <nil>
}
