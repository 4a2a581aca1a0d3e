package forward

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/internal/kernels"
)

func random(n int, path ...uint64) []float32 {
	v := make([]float32, n)
	s := rng.New(1, path...)
	s.FillNormal(v)
	return v
}

// geometries are kernels of many kinds, on images of 7 by 9 pixels.
var geometries = []Geometry{
	Square(1, 1, 0), Square(3, 1, 1), Square(3, 2, 0), Square(5, 1, 2), Square(2, 3, 1), {1, 7, 1, 0, 3}, {7, 1, 1, 3, 0}, {3, 2, 2, 1, 0},
}

const height, width = 7, 9

// at is a pixel's value, outside in the padding.
func at(x Image, row, column, channel int, outside float64) float64 {
	if row < 0 || row >= x.H || column < 0 || column >= x.W {
		return outside
	}
	return float64(x.Data[(row*x.W+column)*x.C+channel])
}

func newImage(m *Memory, channels int) Image {
	x := m.Image(height, width, channels)
	copy(x.Pixels(), random(len(x.Pixels()), uint64(channels)))
	return x
}

// Convolutions are those of the formula, alone and as a part of a wider image, with every set of kernels.
func TestConv(t *testing.T) {
	for _, set := range kernels.All() {
		for _, g := range geometries {
			for _, c := range []struct{ inputs, outputs int }{{1, 1}, {3, 33}, {20, 64}, {5, 40}} {
				t.Run(fmt.Sprintf("%s %v %v", set.Name, g, c), func(t *testing.T) {
					taps := g.Height * g.Width
					weights, bias := random(c.outputs*c.inputs*taps, 2), random(c.outputs, 3)
					conv, err := NewConv(NewTables(set), g, height, width, c.inputs, c.outputs, weights, bias)
					if err != nil {
						t.Fatal(err)
					}
					m := new(Memory)
					x := newImage(m, c.inputs)
					y := conv.Run(m, x)
					conv.Positive = true
					joined := m.Image(y.H, y.W, c.outputs+5)
					for i := range joined.Data {
						joined.Data[i] = -7
					}
					conv.RunInto(m, x, joined, 3)
					if h, w := g.Of(height, width); y.H != h || y.W != w || y.C != c.outputs {
						t.Fatalf("the result is of %dx%dx%d", y.H, y.W, y.C)
					}
					for p := range y.H * y.W {
						for o := range c.outputs {
							want := float64(bias[o])
							for tap := range taps {
								row, column := p/y.W*g.Stride+tap/g.Width-g.PadHeight, p%y.W*g.Stride+tap%g.Width-g.PadWidth
								for i := range c.inputs {
									want += at(x, row, column, i, 0) * float64(weights[(o*c.inputs+i)*taps+tap])
								}
							}
							if got := float64(y.Data[p*y.C+o]); math.Abs(got-want) > 1e-4 {
								t.Fatalf("pixel %d, channel %d: %v, want %v", p, o, got, want)
							}
							if got := joined.Data[p*joined.C+3+o]; got != max(y.Data[p*y.C+o], 0) {
								t.Fatalf("pixel %d, channel %d, joined: %v of %v", p, o, got, y.Data[p*y.C+o])
							}
						}
						for _, o := range []int{0, 1, 2, c.outputs + 3, c.outputs + 4} {
							if joined.Data[p*joined.C+o] != -7 {
								t.Fatalf("pixel %d: channel %d beside the convolution's is written", p, o)
							}
						}
					}
				})
			}
		}
	}
}

// Pools take what lies in the image alone.
func TestPool(t *testing.T) {
	for _, g := range []Geometry{Square(3, 1, 1), Square(3, 2, 0), Square(2, 2, 1), {1, 3, 2, 0, 1}} {
		for _, mean := range []bool{false, true} {
			pool, err := NewPool(NewTables(kernels.Best()), g, height, width, mean)
			if err != nil {
				t.Fatal(err)
			}
			m := new(Memory)
			x := newImage(m, 5)
			y := pool.Run(m, x)
			joined := m.Image(y.H, y.W, 9)
			pool.RunInto(m, x, joined, 2)
			for p := range y.H * y.W {
				for c := range 5 {
					sum, count, largest := 0.0, 0.0, math.Inf(-1)
					for tap := range g.Height * g.Width {
						v := at(x, p/y.W*g.Stride+tap/g.Width-g.PadHeight, p%y.W*g.Stride+tap%g.Width-g.PadWidth, c, math.NaN())
						if !math.IsNaN(v) {
							sum, count, largest = sum+v, count+1, max(largest, v)
						}
					}
					want := largest
					if mean {
						want = sum / count
					}
					if got := y.Data[p*5+c]; math.Abs(float64(got)-want) > 1e-6 || joined.Data[p*9+2+c] != got {
						t.Fatalf("%v, mean %v: pixel %d, channel %d: %v, joined %v, want %v", g, mean, p, c, got, joined.Data[p*9+2+c], want)
					}
				}
			}
		}
	}
}

// A memory used again gives the same results, images apart and padded with zeros.
func TestMemory(t *testing.T) {
	m := new(Memory)
	for range 3 {
		m.Reset()
		a, b := m.Image(2, 3, 4), m.Image(1, 1, 6)
		for i := range a.Pixels() {
			a.Pixels()[i] = 1
		}
		for i := range b.Pixels() {
			b.Pixels()[i] = 2
		}
		for i, v := range a.Data {
			if want := float32(1); i < 24 && v != want || i >= 24 && v != 0 {
				t.Fatalf("value %d is %v", i, v)
			}
		}
		for i := range b.Data {
			b.Data[i] = 3 // a pixel of zeros is written anew
		}
	}
	mean := Means(kernels.Best(), Image{1, 2, 2, []float32{1, 2, 5, 8, 0, 0}})
	if mean[0] != 3 || mean[1] != 5 {
		t.Errorf("means %v", mean)
	}
}

func TestRefuses(t *testing.T) {
	tables := NewTables(kernels.Best())
	_, err1 := NewConv(tables, Square(8, 2, 0), 7, 9, 1, 1, make([]float32, 64), nil)
	_, err2 := NewConv(tables, Square(3, 1, 0), 7, 9, 2, 1, make([]float32, 9), nil)
	_, err3 := NewPool(tables, Square(9, 1, 0), 7, 9, false)
	_, err4 := NewPool(tables, Square(1, 1, 1), 7, 9, true) // it would see nothing at the edge
	for i, err := range []error{err1, err2, err3, err4} {
		if err == nil || !strings.HasPrefix(err.Error(), "forward: ") {
			t.Errorf("case %d: error %v", i, err)
		}
	}
}
