package statistics_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/eval/statistics"
)

func summary(t *testing.T, pixels []uint8, n, h, w, c int) statistics.Summary {
	t.Helper()
	s, err := statistics.Summarise(pixels, n, h, w, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Error(err)
	}
	return s
}

// filled makes n images of shape h,w,c from the value at each place.
func filled(n, h, w, c int, value func(i, y, x, ch int) uint8) []uint8 {
	var p []uint8
	for i := range n {
		for y := range h {
			for x := range w {
				for ch := range c {
					p = append(p, value(i, y, x, ch))
				}
			}
		}
	}
	return p
}

func TestSummaryOfMoments(t *testing.T) {
	// Two images of 2x3 with channels: 10 or 30 by image; 0 and 100 by column; 7 throughout.
	s := summary(t, filled(2, 2, 3, 3, func(i, _, x, ch int) uint8 {
		return [...]uint8{10 + 20*uint8(i), 100 * uint8(x%2), 7}[ch]
	}), 2, 2, 3, 3)
	want := statistics.Summary{
		Mean:     []float64{20.5 / 256, (100./3 + 0.5) / 256, 7.5 / 256},
		Std:      []float64{10. / 256, 100 * math.Sqrt(2) / 3 / 256, 0},
		Gradient: 100. / 3 / 256, // a third of the channels changes, by 100 at every step
		Spacing:  20 / math.Sqrt(3) / 256,
	}
	for ch := range 3 {
		if !near(s.Mean[ch], want.Mean[ch]) || !near(s.Std[ch], want.Std[ch]) {
			t.Errorf("channel %d: mean %v, std %v, want %v and %v", ch, s.Mean[ch], s.Std[ch], want.Mean[ch], want.Std[ch])
		}
	}
	if s.Num != 2 || !near(s.Gradient, want.Gradient) || !near(s.Spacing, want.Spacing) {
		t.Errorf("%d images, gradient %v, spacing %v, want 2, %v and %v", s.Num, s.Gradient, s.Spacing, want.Gradient, want.Spacing)
	}
}

// Vertical change is no horizontal change, and a row's end is no neighbour of the next row's start.
func TestGradientIsHorizontal(t *testing.T) {
	if s := summary(t, filled(2, 4, 5, 1, func(_, y, _, _ int) uint8 { return uint8(50 * y) }), 2, 4, 5, 1); s.Gradient != 0 {
		t.Errorf("gradient %v of images that change vertically alone", s.Gradient)
	}
	if s := summary(t, filled(2, 4, 5, 1, func(_, _, x, _ int) uint8 { return uint8(50 * x) }), 2, 4, 5, 1); !near(s.Gradient, 50./256) {
		t.Errorf("gradient %v, want %v", s.Gradient, 50./256)
	}
	if s := summary(t, filled(2, 4, 1, 1, func(_, y, _, _ int) uint8 { return uint8(50 * y) }), 2, 4, 1, 1); s.Gradient != 0 {
		t.Errorf("gradient %v of images one pixel wide", s.Gradient)
	}
}

// Stripes that repeat every 2·half pixels have the power of a square wave's lines, at odd multiples of its frequency alone.
func TestSpectrumOfStripes(t *testing.T) {
	const side, high = 16, 64
	for _, half := range []int{1, 2, 4} {
		for _, upright := range []bool{false, true} {
			s := summary(t, filled(2, side, side, 1, func(_, y, x, _ int) uint8 {
				if upright {
					x = y
				}
				return uint8(x / half % 2 * high)
			}), 2, side, side, 1)
			if len(s.Spectrum) != side/2+1 {
				t.Fatalf("%d radii, want %d", len(s.Spectrum), side/2+1)
			}
			for r, got := range s.Spectrum {
				// By definition: the one or two frequencies ±r along the axis of change, over all that round to r.
				var f complex128
				for x := range side {
					angle := -2 * math.Pi * float64(r*x) / side
					f += complex(side*(float64(x/half%2*high)+0.5)/256, 0) * complex(math.Cos(angle), math.Sin(angle))
				}
				lines, circle := 0, 0
				for v := -side/2 + 1; v <= side/2; v++ {
					for u := -side/2 + 1; u <= side/2; u++ {
						if int(math.Round(math.Hypot(float64(u), float64(v)))) == r {
							circle++
							if v == 0 {
								lines++
							}
						}
					}
				}
				want := (real(f)*real(f) + imag(f)*imag(f)) / (side * side) * float64(lines) / float64(circle)
				if math.Abs(got-want) > 1e-12 {
					t.Errorf("half period %d, upright %v: power %v at radius %d, want %v", half, upright, got, r, want)
				}
			}
		}
	}
}

// White noise has its variance as power at every frequency, on images of any shape; colours are averaged first.
func TestSpectrumOfNoise(t *testing.T) {
	for _, shape := range [][3]int{{16, 16, 1}, {12, 21, 1}, {9, 9, 3}} {
		const n = 400
		h, w, c := shape[0], shape[1], shape[2]
		s := summary(t, noise(n*h*w*c, 5), n, h, w, c)
		want := (256*256 - 1) / 12. / 256 / 256 / float64(c)
		for r := 1; r < len(s.Spectrum); r++ {
			if math.Abs(s.Spectrum[r]/want-1) > 0.15 {
				t.Errorf("%v: power %v at radius %d, want about %v", shape, s.Spectrum[r], r, want)
			}
		}
	}
}

func TestSpacing(t *testing.T) {
	// One-pixel images at 0, 0, 10, 16: the nearest are 0, 0, 6 and 6 away.
	if s := summary(t, []uint8{0, 10, 0, 16}, 4, 1, 1, 1); !near(s.Spacing, 3./256) {
		t.Errorf("spacing %v, want %v", s.Spacing, 3./256)
	}
	// Only the first 1000 images count.
	many := noise(1500*2*2, 1)
	if first, all := summary(t, many[:4000], 1000, 2, 2, 1), summary(t, many, 1500, 2, 2, 1); first.Spacing != all.Spacing {
		t.Errorf("spacing %v of 1000 images, %v with 500 more", first.Spacing, all.Spacing)
	}
}

func TestCompare(t *testing.T) {
	const n, h, w, c = 40, 16, 16, 1
	stream := rng.New(11)
	smooth := filled(n, h, w, c, func(i, y, x, _ int) uint8 {
		return uint8(128 + 90*math.Sin(0.3*float64(x)+float64(i))*math.Cos(0.25*float64(y)+1.7*float64(i)))
	})
	noisy := filled(n, h, w, c, func(i, y, x, _ int) uint8 {
		return uint8(float32(smooth[(i*h+y)*w+x]) + 10*stream.Normal())
	})
	repeated := filled(n, h, w, c, func(_, y, x, _ int) uint8 { return smooth[y*w+x] })
	data := summary(t, smooth, n, h, w, c)

	same, err := statistics.Compare(data, data)
	if err != nil || same != (statistics.Likeness{Std: 1, Gradient: 1, Diversity: 1}) {
		t.Errorf("data against themselves: %+v, %v", same, err)
	}
	rough, err := statistics.Compare(summary(t, noisy, n, h, w, c), data)
	if err != nil || rough.Gradient < 1.05 || rough.Spectrum < 0.1 || rough.Mean > 0.01 || rough.Diversity < 1 {
		t.Errorf("noisy samples: %+v, %v: want a larger gradient and more power, the same mean", rough, err)
	}
	one, err := statistics.Compare(summary(t, repeated, n, h, w, c), data)
	if err != nil || one.Diversity != 0 {
		t.Errorf("one sample repeated: %+v, %v: want diversity 0", one, err)
	}

	// Half the contrast has a quarter of the power; 20 steps brighter shows in the mean alone.
	dim := filled(n, h, w, c, func(i, y, x, _ int) uint8 { return 84 + smooth[(i*h+y)*w+x]/2 })
	faint, err := statistics.Compare(summary(t, dim, n, h, w, c), data)
	if err != nil || math.Abs(faint.Std-0.5) > 0.01 || math.Abs(faint.Mean-20./256) > 0.01 ||
		math.Abs(faint.Spectrum-math.Log10(4)) > 0.05 || math.Abs(faint.Diversity-0.5) > 0.01 {
		t.Errorf("half the contrast and brighter: %+v, %v: want std and diversity 0.5, mean %.3f, spectrum %.3f", faint, err, 20./256, math.Log10(4))
	}
}

func TestSummaryErrors(t *testing.T) {
	const huge = math.MaxInt/2 + 1
	for _, test := range []struct{ size, n, h, w, c int }{
		{4, 1, 2, 2, 1}, {0, 0, 2, 2, 1}, {0, 2, 0, 2, 1}, {8, 2, -2, -2, 1}, {8, 2, 2, 2, 0},
		{9, 2, 2, 2, 1}, {8, 2, 2, 2, 3}, {0, 2, 2, huge, 2}, {8, 2, huge, 2, 1}, {0, huge, 2, 2, 1},
	} {
		if _, err := statistics.Summarise(make([]uint8, test.size), test.n, test.h, test.w, test.c); err == nil {
			t.Errorf("%+v: no error", test)
		}
	}
	varied := summary(t, []uint8{0, 9, 0, 5}, 2, 1, 2, 1)
	for _, test := range []struct {
		name          string
		samples, data statistics.Summary
		want          string
	}{
		{"numbers", summary(t, []uint8{0, 9, 0, 5, 7, 7}, 3, 1, 2, 1), varied, "3 samples against 2"},
		{"channels", summary(t, []uint8{0, 9, 0, 5, 0, 9, 0, 5}, 2, 1, 2, 2), varied, "different shapes"},
		{"sizes", summary(t, []uint8{0, 9, 0, 5, 0, 9, 0, 5}, 2, 2, 2, 1), varied, "different shapes"},
		{"same data", varied, summary(t, []uint8{0, 9, 0, 9}, 2, 1, 2, 1), "no two images apart"},
		{"flat data", varied, summary(t, []uint8{0, 0, 9, 9}, 2, 1, 2, 1), "no horizontal change"},
		{"flat channel", summary(t, []uint8{0, 9, 0, 9, 0, 9, 0, 9}, 2, 1, 2, 2), summary(t, []uint8{0, 9, 1, 9, 2, 9, 4, 9}, 2, 1, 2, 2), "channel 1"},
	} {
		if _, err := statistics.Compare(test.samples, test.data); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one about %q", test.name, err, test.want)
		}
	}
}

// Samples with the contrast of the data but too much detail.
func ExampleCompare() {
	data, err := statistics.Summarise([]uint8{0, 0, 200, 200, 0, 0, 0, 200}, 2, 1, 4, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	samples, err := statistics.Summarise([]uint8{0, 200, 0, 200, 200, 0, 200, 0}, 2, 1, 4, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	like, err := statistics.Compare(samples, data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("gradient %.1f, std %.2f, diversity %.1f times the data's\n", like.Gradient, like.Std, like.Diversity)
	// Output: gradient 3.0, std 1.03, diversity 2.0 times the data's
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-12 }

// noise is so many uniform bytes.
func noise(n int, seed uint64) []uint8 {
	pixels, s := make([]uint8, n), rng.New(seed)
	for i := range pixels {
		pixels[i] = uint8(s.Uint32() >> 24)
	}
	return pixels
}
