package matrix_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func number(x uint16) float32 { return math.Float32frombits(uint32(x) << 16) }

// same holds numbers to be equal, bit for bit, or both none.
func same(a, b uint16) bool { return a == b || number(a) != number(a) && number(b) != number(b) }

// special numbers and those around them.
func special() []float32 {
	var x []float32
	for _, bits := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0x18000, 0x007fffff, 0x00800000, 0x3f800000, 0x3f808000, 0x3f808001,
		0x3f818000, 0x3f817fff, 0x3f7fffff, 0x7f7fffff, 0x7f7f0000, 0x7f7f8000, 0x7f800000, 0x7fc00000, 0x7f800001, 0x7fffffff} {
		x = append(x, math.Float32frombits(bits), math.Float32frombits(bits|0x80000000))
	}
	return x
}

// TestSplit holds that hi is the nearest bf16 number, and that hi + lo is within 2⁻¹⁷ of the number that is split.
func TestSplit(t *testing.T) {
	x := append(special(), random(rand.New(rand.NewPCG(1, 1)), 10000)...)
	for i := range x[:2000] {
		x = append(x, float32(math.Ldexp(float64(x[i]), i%200-100)))
	}
	hi, lo, alone := make([]uint16, len(x)), make([]uint16, len(x)), make([]uint16, len(x))
	u := matrix.Portable()
	u.Split(hi, lo, x)
	u.Split(alone, nil, x)
	for i, v := range x {
		h, l := float64(number(hi[i])), float64(number(lo[i]))
		if !same(hi[i], alone[i]) {
			t.Errorf("%g: hi is %#x, and %#x without lo", v, hi[i], alone[i])
		}
		exact := float64(v)
		if math.IsNaN(exact) {
			if !math.IsNaN(h) {
				t.Errorf("not a number is split as %g", h)
			}
			continue
		}
		if math.Abs(exact) > 3.38e38 {
			continue // rounds to infinity, or is
		}
		up, down := float64(number(hi[i]+1)), float64(number(hi[i]-1)) // away from zero and towards it
		if d := math.Abs(exact - h); d > math.Abs(exact-up) || hi[i]&0x7fff != 0 && d > math.Abs(exact-down) ||
			hi[i]&1 == 1 && d == math.Abs(exact-up) {
			t.Errorf("%g (%#x) is rounded to %g", v, math.Float32bits(v), h)
		}
		if math.Abs(exact) > 1e-30 && math.Abs(exact-(h+l)) > math.Ldexp(math.Abs(exact), -17) {
			t.Errorf("%g is split as %g + %g", v, h, l)
		}
	}
}

// shape of a convolution and the number of images of a tile and of a call.
type shape struct{ height, width, inputs, outputs, taps, tile, images int }

func (s shape) String() string {
	return fmt.Sprintf("%dx%dx%d to %d, taps %d, %d of %d images", s.height, s.width, s.inputs, s.outputs, s.taps, s.images, s.tile)
}

// shapes that take every way through the plans: wide and narrow, exact and odd sizes, results written directly or collected.
var shapes = []shape{
	{16, 16, 32, 32, 9, 1, 1},
	{3, 32, 32, 16, 9, 2, 2},
	{2, 28, 16, 48, 9, 2, 2}, // blocks that overlap, two steps for three taps
	{2, 49, 3, 32, 9, 1, 1},  // a wide first layer
	{3, 17, 17, 5, 9, 2, 1},
	{2, 40, 64, 3, 9, 1, 1},
	{8, 8, 32, 64, 9, 4, 4},
	{8, 8, 32, 32, 9, 4, 3},
	{7, 7, 40, 20, 9, 3, 3},
	{8, 8, 16, 16, 9, 1, 1}, // flat
	{4, 4, 64, 32, 9, 4, 4},
	{2, 2, 33, 16, 9, 4, 2},
	{1, 1, 32, 16, 9, 2, 1},
	{5, 16, 32, 32, 1, 1, 1},
	{4, 4, 24, 8, 1, 3, 3},
}

func (s shape) weights(parts matrix.Parts) matrix.Weights {
	return matrix.Weights{Inputs: s.inputs, Outputs: s.outputs, Taps: s.taps, Parts: parts, Wide: matrix.IsWide(s.width)}
}

// neighbour is the pixel that a tap reads, or -1.
func (s shape) neighbour(y, x, tap int) int {
	if s.taps == 9 {
		y, x = y+tap/3-1, x+tap%3-1
	}
	if y < 0 || y >= s.height || x < 0 || x >= s.width {
		return -1
	}
	return y*s.width + x
}

// convolve is the convolution in float64, and the same of absolute values.
func (s shape) convolve(x, w, bias []float32) (y, scale []float64) {
	for image := range s.images {
		for p := range s.height * s.width {
			for o := range s.outputs {
				sum, size := float64(bias[o]), math.Abs(float64(bias[o]))
				for tap := range s.taps {
					from := s.neighbour(p/s.width, p%s.width, tap)
					if from < 0 {
						continue
					}
					for i := range s.inputs {
						v := float64(x[(image*s.height*s.width+from)*s.inputs+i]) * float64(w[(tap*s.inputs+i)*s.outputs+o])
						sum += v
						size += math.Abs(v)
					}
				}
				y, scale = append(y, sum), append(scale, size)
			}
		}
	}
	return y, scale
}

// gradient is the kernel gradient in float64, added to sum, and the same of absolute values.
func (s shape) gradient(sum, x, dy []float32) (dw, scale []float64) {
	dw, scale = make([]float64, len(sum)), make([]float64, len(sum))
	for i, v := range sum {
		dw[i], scale[i] = float64(v), math.Abs(float64(v))
	}
	for image := range s.images {
		for p := range s.height * s.width {
			for tap := range s.taps {
				from := s.neighbour(p/s.width, p%s.width, tap)
				if from < 0 {
					continue
				}
				for i := range s.inputs {
					for o := range s.outputs {
						v := float64(x[(image*s.height*s.width+from)*s.inputs+i]) * float64(dy[(image*s.height*s.width+p)*s.outputs+o])
						dw[(tap*s.inputs+i)*s.outputs+o] += v
						scale[(tap*s.inputs+i)*s.outputs+o] += math.Abs(v)
					}
				}
			}
		}
	}
	return dw, scale
}

// tolerances relative to the sum of absolute products: two roundings to 8 or 16 bits, and float32 sums.
var tolerance = map[matrix.Parts]float64{matrix.Plain: 1.0 / 128, matrix.Split: 1.0 / 65536}

func near(t *testing.T, what string, got []float32, want, scale []float64, tolerance float64) {
	t.Helper()
	for i := range want {
		if !(math.Abs(float64(got[i])-want[i]) <= tolerance*scale[i]) {
			t.Fatalf("%s: element %d is %g, want %g (of absolute values %g)", what, i, got[i], want[i], scale[i])
		}
	}
}

// memory gives so many numbers for what a plan works on.
type memory func(n int) []float32

// dirty memory must not matter, and must be left alone behind what is asked for.
func dirty(n int) []float32 {
	x := make([]float32, n+7)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

func clean(x []float32, n int) bool {
	for _, v := range x[n:] {
		if v == v {
			return false
		}
	}
	return true
}

// split lays out images in parts, a few pixels at a time.
func split(c *matrix.Conv, u *matrix.Unit, x []float32, images int, memory memory) []float32 {
	const some = 5
	planes := memory(c.Planes.Floats(images))
	c.Planes.Border(planes, images)
	for image, size := range slices.Repeat([]int{len(x) / images}, images) {
		x := x[image*size:][:size]
		for from := 0; from < size; from += some * c.Inputs {
			c.Planes.Split(u, planes, x[from:min(from+some*c.Inputs, size)], images, image, from/c.Inputs)
		}
	}
	return planes
}

// runConv convolves random images by the plan, flipped if asked, and returns what goes in and comes out.
func (s shape) runConv(t *testing.T, u *matrix.Unit, parts matrix.Parts, flipped bool, memory memory) (x, w, bias, y []float32) {
	t.Helper()
	r := rand.New(rand.NewPCG(2, uint64(s.width)))
	c := matrix.NewConv(s.weights(parts), s.height, s.width, s.tile)
	x, w = random(r, s.images*s.height*s.width*s.inputs), random(r, s.taps*s.inputs*s.outputs)
	bias = append(random(r, s.outputs), make([]float32, c.PackedOutputs()-s.outputs)...)
	kernel := w
	if flipped {
		kernel = make([]float32, len(w))
		for tap := range s.taps {
			for i := range s.inputs {
				for o := range s.outputs {
					kernel[((s.taps-1-tap)*s.outputs+o)*s.inputs+i] = w[(tap*s.inputs+i)*s.outputs+o]
				}
			}
		}
	}
	packed, scratch := memory(c.PackedFloats()), memory(c.ScratchFloats())
	size := s.images * s.height * s.width * s.outputs
	y = memory(size)
	c.Pack(u, packed, kernel, flipped)
	planes := split(c, u, x, s.images, memory)
	c.Run(u, y, planes, s.images, packed, bias, scratch)
	if !clean(y, size) || !clean(planes, c.Planes.Floats(s.images)) || !clean(packed, c.PackedFloats()) || !clean(scratch, c.ScratchFloats()) {
		t.Errorf("%v: wrote behind the end", s)
	}
	return x, w, bias, y[:size]
}

func (s shape) runGrad(t *testing.T, u *matrix.Unit, parts matrix.Parts, memory memory) (before, x, dy, sum []float32) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, uint64(s.width)))
	g := matrix.NewKernelGrad(s.weights(parts), s.height, s.width, s.tile)
	x, dy = random(r, s.images*s.height*s.width*s.inputs), random(r, s.images*s.height*s.width*s.outputs)
	before = random(r, s.taps*s.inputs*s.outputs)
	scratch := memory(g.ScratchFloats())
	sum = memory(len(before))
	copy(sum, before)
	g.Run(u, sum, x, dy, s.images, scratch)
	if !clean(sum, len(before)) || !clean(scratch, g.ScratchFloats()) {
		t.Errorf("%v: wrote behind the end", s)
	}
	return before, x, dy, sum[:len(before)]
}

// TestConv and TestKernelGrad hold the portable unit to float64.
func TestConv(t *testing.T) {
	for _, s := range shapes {
		for _, parts := range []matrix.Parts{matrix.Plain, matrix.Split} {
			for _, flipped := range []bool{false, true} {
				x, w, bias, y := s.runConv(t, matrix.Portable(), parts, flipped, dirty)
				want, scale := s.convolve(x, w, bias)
				near(t, fmt.Sprintf("%v, %d parts", s, parts), y, want, scale, tolerance[parts])
			}
		}
	}
}

func TestKernelGrad(t *testing.T) {
	for _, s := range shapes {
		for _, parts := range []matrix.Parts{matrix.Plain, matrix.Split} {
			before, x, dy, sum := s.runGrad(t, matrix.Portable(), parts, dirty)
			want, scale := s.gradient(before, x, dy)
			near(t, fmt.Sprintf("%v, %d parts", s, parts), sum, want, scale, tolerance[parts])
		}
	}
}

// Images of a tile do not see each other: one that holds no numbers leaves the others as they are.
func TestImagesApart(t *testing.T) {
	for _, s := range shapes {
		if s.images < 2 {
			continue
		}
		r := rand.New(rand.NewPCG(4, 4))
		c := matrix.NewConv(s.weights(matrix.Split), s.height, s.width, s.tile)
		x, w := random(r, s.images*s.height*s.width*s.inputs), random(r, s.taps*s.inputs*s.outputs)
		packed, scratch := make([]float32, c.PackedFloats()), make([]float32, c.ScratchFloats())
		c.Pack(matrix.Portable(), packed, w, false)
		size := s.height * s.width * s.outputs
		before, after := make([]float32, s.images*size), make([]float32, s.images*size)
		c.Run(matrix.Portable(), before, split(c, matrix.Portable(), x, s.images, dirty), s.images, packed, nil, scratch)
		for i := range s.height * s.width * s.inputs {
			x[i] = float32(math.NaN())
		}
		c.Run(matrix.Portable(), after, split(c, matrix.Portable(), x, s.images, dirty), s.images, packed, nil, scratch)
		for i := size; i < len(before); i++ {
			if before[i] != after[i] {
				t.Fatalf("%v: element %d of another image is %g, was %g", s, i%size, after[i], before[i])
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	s := shape{4, 4, 32, 16, 9, 2, 2}
	c, g := matrix.NewConv(s.weights(matrix.Split), 4, 4, 2), matrix.NewKernelGrad(s.weights(matrix.Split), 4, 4, 2)
	x, y, packed, sum := make([]float32, 2*16*32), make([]float32, 2*16*16), make([]float32, c.PackedFloats()), make([]float32, 9*32*16)
	scratch := make([]float32, max(c.ScratchFloats(), g.ScratchFloats()))
	u := matrix.Portable()
	planes := make([]float32, c.Planes.Floats(2))
	if n := testing.AllocsPerRun(3, func() {
		c.Planes.Border(planes, 2)
		c.Planes.Split(u, planes, x[:16*32], 2, 1, 0)
		c.Run(u, y, planes, 2, packed, nil, scratch)
		g.Run(u, sum, x, y, 2, scratch)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
