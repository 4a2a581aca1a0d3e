package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joule-ebm/joule/internal/kernels"
)

// sizes cross every boundary between unrolled loops, single vectors and tails, for vectors of 8 and of 16.
var sizes = []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100, 127, 128, 129, 200, 1000}

func eachSet(t *testing.T, f func(t *testing.T, s *kernels.Set)) {
	for _, s := range kernels.All() {
		t.Run(s.Name, func(t *testing.T) { f(t, s) })
	}
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func source(seed int) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 1)) }

// same fails unless got is want within a relative error of a scale, the sum of the magnitudes that went into it. NaN and
// infinities must agree exactly.
func same(t *testing.T, what string, i int, got float32, want, scale, tolerance float64) {
	t.Helper()
	g := float64(got)
	if math.IsNaN(want) && math.IsNaN(g) || g == want {
		return
	}
	if !(math.Abs(g-want) <= tolerance*math.Max(scale, math.Abs(want))) {
		t.Fatalf("%s [%d] = %v, want %v within %v", what, i, g, want, tolerance*math.Max(scale, math.Abs(want)))
	}
}

// one rounding to float32 is 6e-8.
const rounding = 1.2e-7

// pointwise lists the kernels of one value each: how to call them, and what they compute from a, b, c, with the magnitude
// that the error is relative to.
var pointwise = []struct {
	name      string
	run       func(s *kernels.Set, dst, a, b, c []float32)
	want      func(a, b, c float64) (value, scale float64)
	tolerance float64
}{
	{"Add", func(s *kernels.Set, dst, a, b, c []float32) { s.Add(dst, a, b) },
		func(a, b, c float64) (float64, float64) { return a + b, 0 }, rounding},
	{"Sub", func(s *kernels.Set, dst, a, b, c []float32) { s.Sub(dst, a, b) },
		func(a, b, c float64) (float64, float64) { return a - b, 0 }, rounding},
	{"Mul", func(s *kernels.Set, dst, a, b, c []float32) { s.Mul(dst, a, b) },
		func(a, b, c float64) (float64, float64) { return a * b, 0 }, rounding},
	{"MulAdd", func(s *kernels.Set, dst, a, b, c []float32) { s.MulAdd(dst, a, b, c) },
		func(a, b, c float64) (float64, float64) { return a*b + c, math.Abs(a * b) }, rounding},
	{"Affine", func(s *kernels.Set, dst, a, b, c []float32) { s.Affine(dst, a, 1.5, -0.25) },
		func(a, b, c float64) (float64, float64) { return 1.5*a - 0.25, 0.25 }, rounding},
	{"AddScaled", func(s *kernels.Set, dst, a, b, c []float32) { s.AddScaled(dst, a, b, -3) },
		func(a, b, c float64) (float64, float64) { return a - 3*b, math.Abs(3 * b) }, rounding},
	{"Clamp", func(s *kernels.Set, dst, a, b, c []float32) { s.Clamp(dst, a, -0.5, 0.75) },
		func(a, b, c float64) (float64, float64) { return math.Min(math.Max(a, -0.5), 0.75), 0 }, 0},
	{"Within", func(s *kernels.Set, dst, a, b, c []float32) { s.Within(dst, a, -0.5, 0.75) },
		func(a, b, c float64) (float64, float64) {
			if -0.5 < a && a < 0.75 {
				return 1, 0
			}
			return 0, 0
		}, 0},
	{"Exp", func(s *kernels.Set, dst, a, b, c []float32) { s.Exp(dst, a) },
		func(a, b, c float64) (float64, float64) { return math.Exp(a), 0 }, 2e-7},
	{"Swish0", func(s *kernels.Set, dst, a, b, c []float32) { s.Swish(dst, a, 0) },
		func(a, b, c float64) (float64, float64) { return swish(a, 0), 0 }, 4e-7},
	{"Swish1", func(s *kernels.Set, dst, a, b, c []float32) { s.Swish(dst, a, 1) },
		func(a, b, c float64) (float64, float64) { return swish(a, 1), sigmoid(a) }, 4e-7},
	{"Swish2", func(s *kernels.Set, dst, a, b, c []float32) { s.Swish(dst, a, 2) },
		func(a, b, c float64) (float64, float64) {
			return swish(a, 2), sigmoid(a) * sigmoid(-a) * (2 + math.Abs(a))
		}, 4e-7},
	{"Swish3", func(s *kernels.Set, dst, a, b, c []float32) { s.Swish(dst, a, 3) },
		func(a, b, c float64) (float64, float64) { return swish(a, 3), 0 }, 4e-7},
}

func sigmoid(a float64) float64 {
	if a < 0 {
		return math.Exp(a) / (1 + math.Exp(a))
	}
	return 1 / (1 + math.Exp(-a))
}

// swish writes the first derivatives of a*s out by hand.
func swish(a float64, order int) float64 {
	s, q := sigmoid(a), sigmoid(-a)
	switch order {
	case 0:
		return a * s
	case 1:
		return s + a*s*q
	case 2:
		return s * q * (2 + a*(q-s))
	case 3:
		return s * q * (3*(q-s) + a*(1-6*s*q))
	}
	panic("order")
}

func TestPointwise(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, k := range pointwise {
			for _, n := range sizes {
				r := source(n)
				a, b, c := random(r, n), random(r, n), random(r, n)
				check := func(alias string, dst, a, b, c, wasA, wasB, wasC []float32) {
					t.Helper()
					k.run(s, dst, a, b, c)
					for i, got := range dst {
						want, scale := k.want(float64(wasA[i]), float64(wasB[i]), float64(wasC[i]))
						same(t, fmt.Sprintf("%s n=%d%s", k.name, n, alias), i, got, want, scale, k.tolerance)
					}
				}
				copied := func(x []float32) []float32 { return append([]float32(nil), x...) }
				check("", make([]float32, n), a, b, c, a, b, c)
				for _, alias := range []string{" dst=a", " dst=b", " dst=c"} {
					x, y, z := copied(a), copied(b), copied(c)
					dst := map[string][]float32{" dst=a": x, " dst=b": y, " dst=c": z}[alias]
					check(alias, dst, x, y, z, a, b, c)
				}
			}
		}
	})
}

func TestSwishPair(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, n := range sizes {
			a := random(source(n), n)
			for i := range a {
				a[i] *= 10
			}
			value, slope := make([]float32, n), make([]float32, n)
			inPlace := append([]float32(nil), a...)
			s.SwishPair(value, slope, a)
			s.SwishPair(inPlace, make([]float32, n), inPlace)
			for i := range a {
				v := float64(a[i])
				same(t, "value", i, value[i], swish(v, 0), 0, 4e-7)
				same(t, "value in place", i, inPlace[i], swish(v, 0), 0, 4e-7)
				same(t, "slope", i, slope[i], swish(v, 1), sigmoid(v), 1e-6)
			}
		}
	})
}

// TestSwishDerivatives holds each order against the differences of the order before.
func TestSwishDerivatives(t *testing.T) {
	const h = 1.0 / 64
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for order := 1; order <= 6; order++ {
			a := []float32{-6, -3, -1.5, -0.25, 0, 0.5, 1, 2.5, 5}
			below, above := make([]float32, len(a)), make([]float32, len(a))
			s.Affine(below, a, 1, -h)
			s.Affine(above, a, 1, h)
			s.Swish(below, below, order-1)
			s.Swish(above, above, order-1)
			s.Swish(a, a, order)
			for i := range a {
				slope := (float64(above[i]) - float64(below[i])) / (2 * h)
				if math.Abs(slope-float64(a[i])) > 2e-3 {
					t.Errorf("order %d, value %d: %v, differences of the order before %v", order, i, a[i], slope)
				}
			}
		}
	})
}

// TestExpRange walks over all magnitudes, subnormal results included.
func TestExpRange(t *testing.T) {
	const smallest = 0x1p-149
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		var a []float32
		for v := -110.0; v < 95; v += 0.0137 {
			a = append(a, float32(v))
		}
		got := make([]float32, len(a))
		s.Exp(got, a)
		worst := 0.0
		for i, v := range a {
			want := math.Exp(float64(v))
			if want > math.MaxFloat32 {
				want = math.Inf(1)
			}
			same(t, fmt.Sprintf("exp(%v)", v), i, got[i], want, smallest/2e-7, 2e-7)
			if want > 0x1p-126 && want < math.MaxFloat32 {
				worst = math.Max(worst, math.Abs(float64(got[i])-want)/want)
			}
		}
		t.Logf("largest relative error %.2g", worst)
	})
}

func TestSpecialValues(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	const huge, tiny = math.MaxFloat32, 1e-30
	a := []float32{-inf, -huge, -1e6, -200, -104, -88, -87, -0.5, 0, tiny, 0.75, 87, 89, 200, 1e6, huge, inf, nan}
	type want struct {
		name string
		run  func(s *kernels.Set, dst []float32)
		of   func(a float64) float64
	}
	limit := func(order int) func(float64) float64 {
		return func(a float64) float64 {
			if math.IsNaN(a) {
				return a
			}
			if order == 0 && a > 80 {
				return a
			}
			return swish(math.Max(math.Min(a, 200), -200), order)
		}
	}
	pair := func(which int) func(s *kernels.Set, dst []float32) {
		return func(s *kernels.Set, dst []float32) {
			out := [2][]float32{make([]float32, len(a)), make([]float32, len(a))}
			s.SwishPair(out[0], out[1], a)
			copy(dst, out[which])
		}
	}
	cases := []want{
		{"Clamp", func(s *kernels.Set, dst []float32) { s.Clamp(dst, a, -0.5, 0.75) },
			func(a float64) float64 { return math.Min(math.Max(a, -0.5), 0.75) }},
		{"Within", func(s *kernels.Set, dst []float32) { s.Within(dst, a, -0.5, 0.75) },
			func(a float64) float64 {
				if a > -0.5 && a < 0.75 {
					return 1
				}
				return 0
			}},
		{"Exp", func(s *kernels.Set, dst []float32) { s.Exp(dst, a) },
			func(a float64) float64 {
				if a > 88.8 {
					return math.Inf(1)
				}
				return math.Exp(a)
			}},
		{"SwishPair value", pair(0), limit(0)},
		{"SwishPair slope", pair(1), limit(1)},
	}
	for order := range 4 {
		cases = append(cases, want{fmt.Sprintf("Swish%d", order),
			func(s *kernels.Set, dst []float32) { s.Swish(dst, a, order) }, limit(order)})
	}
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, c := range cases {
			got := make([]float32, len(a))
			c.run(s, got)
			for i, v := range a {
				same(t, fmt.Sprintf("%s(%v)", c.name, v), i, got[i], c.of(float64(v)), 1e-28, 4e-7)
			}
		}
	})
}

func TestChannels(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, channels := range []int{1, 2, 3, 7, 8, 16, 17, 24, 32, 48, 63, 64, 65, 100, 128, 200, 256, 512} {
			for _, pixels := range []int{0, 1, 2, 5, 16, 49, 130, 1037} {
				if channels*pixels > 60000 {
					continue
				}
				r := source(channels + 1000*pixels)
				x, y := random(r, channels*pixels), random(r, channels*pixels)
				for i := range x {
					x[i] += 10 // a mean that a one-pass variance would drown in
				}
				start := random(r, channels)
				sum, dot := append([]float32(nil), start...), append([]float32(nil), start...)
				mean, variance := random(r, channels), random(r, channels)
				s.ChannelSum(sum, x)
				s.ChannelDot(dot, x, y)
				if pixels > 0 {
					s.Moments(mean, variance, x)
				}
				for c := range channels {
					wantSum, wantDot, square, scale := float64(start[c]), float64(start[c]), 0.0, 0.0
					total := 0.0
					for at := c; at < len(x); at += channels {
						v, w := float64(x[at]), float64(y[at])
						total += v
						wantDot += v * w
						scale += math.Abs(v * w)
					}
					wantSum += total
					what := fmt.Sprintf("C=%d, %d pixels: ", channels, pixels)
					same(t, what+"ChannelSum", c, sum[c], wantSum, 1, 2e-6)
					same(t, what+"ChannelDot", c, dot[c], wantDot, scale+1, 2e-6)
					if pixels == 0 {
						continue
					}
					m := total / float64(pixels)
					for at := c; at < len(x); at += channels {
						square += (float64(x[at]) - m) * (float64(x[at]) - m)
					}
					same(t, what+"mean", c, mean[c], m, 0, 2e-6)
					same(t, what+"variance", c, variance[c], square/float64(pixels), 1e-6, 5e-6)
				}
			}
		}
	})
}

// eachNormalised tests the kernels of normalised values, for pixels of so many channels, with each set.
func eachNormalised(t *testing.T, test func(t *testing.T, s *kernels.Set, channels, pixels int)) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, channels := range []int{16, 32, 48, 64, 80, 256} {
			for _, pixels := range []int{1, 2, 7, 64} {
				test(t, s, channels, pixels)
			}
		}
	})
}

// TestNormSums holds the kernel to those that it does at once, also where the result takes an operand's place.
func TestNormSums(t *testing.T) {
	eachNormalised(t, func(t *testing.T, s *kernels.Set, channels, pixels int) {
		n := channels * pixels
		r := source(n)
		a, b, x, scale, shift := random(r, n), random(r, n), random(r, n), random(r, channels), random(r, channels)
		sum, dot := random(r, channels), random(r, channels)
		want, other, wantSum, wantDot := make([]float32, n), make([]float32, n), slices.Clone(sum), slices.Clone(dot)
		s.Mul(want, a, b)
		s.MulAdd(other, x, slices.Repeat(scale, pixels), slices.Repeat(shift, pixels))
		s.ChannelSum(wantSum, want)
		s.ChannelDot(wantDot, want, other)
		got := make([]float32, n)
		for _, dst := range [][]float32{got, a} {
			gotSum, gotDot := slices.Clone(sum), slices.Clone(dot)
			s.NormSums(dst, a, b, x, scale, shift, gotSum, gotDot, pixels)
			for i, v := range dst {
				if v != want[i] {
					t.Fatalf("%d channels, %d pixels: product %d is %v, want %v", channels, pixels, i, v, want[i])
				}
			}
			for c := range channels {
				what := fmt.Sprintf("%d channels, %d pixels: ", channels, pixels)
				same(t, what+"sum", c, gotSum[c], float64(wantSum[c]), float64(pixels), 1e-6)
				same(t, what+"dot", c, gotDot[c], float64(wantDot[c]), 4*float64(pixels), 1e-6)
			}
		}
	})
}

// TestNormalised holds the kernels on a normalised value to those that they do at once, to the bit, also where a result takes an operand's
// place.
func TestNormalised(t *testing.T) {
	eachNormalised(t, func(t *testing.T, s *kernels.Set, channels, pixels int) {
		n := channels * pixels
		r := source(n)
		a, x, factor, scale, shift := random(r, n), random(r, n), random(r, channels), random(r, channels), random(r, channels)
		repeat := func(row []float32) []float32 { return slices.Repeat(row, pixels) }
		normalised, value, slope, grad := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		s.MulAdd(normalised, x, repeat(scale), repeat(shift))
		s.MulAdd(grad, a, repeat(factor), normalised)
		for name, k := range map[string]func(dst, a, x, other []float32) (want []float32){
			"NormSwish": func(dst, _, x, _ []float32) []float32 {
				s.Swish(value, normalised, 0)
				s.NormSwish(dst, x, scale, shift)
				return value
			},
			"value of NormSwishPair": func(dst, _, x, other []float32) []float32 {
				s.SwishPair(value, slope, normalised)
				s.NormSwishPair(dst, other, x, scale, shift)
				return value
			},
			"slope of NormSwishPair": func(dst, _, x, other []float32) []float32 {
				s.SwishPair(value, slope, normalised)
				s.NormSwishPair(other, dst, x, scale, shift)
				return slope
			},
			"NormGrad": func(dst, a, x, _ []float32) []float32 {
				s.NormGrad(dst, a, x, factor, scale, shift)
				return grad
			},
		} {
			a, x := slices.Clone(a), slices.Clone(x)
			inPlace := map[string][]float32{"a new slice": make([]float32, n), "x": x}
			if name == "NormGrad" {
				inPlace["a"] = a
			}
			for where, dst := range inPlace {
				got, other := dst, make([]float32, n)
				before := [][]float32{slices.Clone(a), slices.Clone(x)}
				want := k(dst, a, x, other)
				if !slices.Equal(got, want) {
					t.Fatalf("%s, %d channels, %d pixels, written to %s: not what the kernels come to one after the other", name, channels, pixels, where)
				}
				copy(a, before[0])
				copy(x, before[1])
			}
		}
	})
}

func TestDotAndDistance(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, n := range sizes {
			r := source(n)
			x, y := random(r, n), random(r, n)
			var dot, distance, scale float64
			for i := range x {
				v, w := float64(x[i]), float64(y[i])
				dot += v * w
				scale += math.Abs(v * w)
				distance += (v - w) * (v - w)
			}
			same(t, fmt.Sprintf("Dot n=%d", n), 0, s.Dot(x, y), dot, scale, 1e-6)
			same(t, fmt.Sprintf("SquaredDistance n=%d", n), 0, s.SquaredDistance(x, y), distance, 0, 1e-6)
		}
	})
}

func TestGatherSum(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, channels := range []int{1, 3, 7, 8, 15, 16, 17, 24, 32, 64, 100, 130} {
			for _, taps := range []int{1, 2, 4, 9} {
				const pixels, from = 11, 20
				r := source(channels*10 + taps)
				x, dst := random(r, from*channels), random(r, pixels*channels)
				offsets := make([]int32, pixels*taps)
				for i := range offsets {
					offsets[i] = int32(r.IntN(from) * channels)
				}
				s.GatherSum(dst, x, offsets, taps, channels, 0.3)
				for i, got := range dst {
					p, c := i/channels, i%channels
					var want, scale float64
					for _, offset := range offsets[p*taps : (p+1)*taps] {
						want += float64(x[int(offset)+c])
						scale += math.Abs(float64(x[int(offset)+c]))
					}
					same(t, fmt.Sprintf("C=%d taps=%d", channels, taps), i, got, float64(float32(0.3))*want, scale, 5e-7)
				}
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, columns := range []int{1, 2, 7, 8, 9, 16, 17, 31, 49, 64, 100, 256} {
			const rows = 3
			x := random(source(columns), rows*columns)
			for i := range x {
				x[i] = 20*x[i] + 500*float32(1-i/columns) // exp of a row overflows, and of another vanishes
			}
			dst, inPlace := make([]float32, len(x)), append([]float32(nil), x...)
			s.Softmax(dst, x, columns)
			s.Softmax(inPlace, inPlace, columns)
			for row := range rows {
				from := x[row*columns:][:columns]
				peak, sum := math.Inf(-1), 0.0
				for _, v := range from {
					peak = math.Max(peak, float64(v))
				}
				for _, v := range from {
					sum += math.Exp(float64(v) - peak)
				}
				for i, v := range from {
					at := row*columns + i
					want := math.Exp(float64(v)-peak) / sum // v - peak is rounded to float32, hence the tolerance
					same(t, fmt.Sprintf("columns=%d", columns), at, dst[at], want, 1e-35, 5e-6)
					same(t, fmt.Sprintf("columns=%d in place", columns), at, inPlace[at], want, 1e-35, 5e-6)
				}
			}
		}
	})
}

func TestConvTile(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, tile := range s.Conv {
			for _, shape := range []struct{ taps, depth int }{{1, 1}, {1, 7}, {1, 64}, {2, 2}, {3, 5}, {9, 1}, {9, 3}, {9, 16}, {4, 33}} {
				for _, biased := range []bool{true, false} {
					taps, depth := shape.taps, shape.depth
					r := source(taps*100 + depth)
					stride := tile.Cols + r.IntN(20)
					x := random(r, 300+depth)
					w := random(r, taps*depth*tile.Cols)
					blocks := 1 + r.IntN(3)
					offsets := make([]int32, blocks*taps*tile.Rows)
					for i := range offsets {
						offsets[i] = int32(r.IntN(300))
					}
					var bias []float32
					if biased {
						bias = random(r, tile.Cols)
					}
					before := random(r, (blocks*tile.Rows-1)*stride+tile.Cols)
					dst := append([]float32(nil), before...)
					tile.Run(dst, stride, x, offsets, blocks, taps, depth, w, bias)
					what := fmt.Sprintf("%dx%d blocks=%d taps=%d depth=%d bias=%t", tile.Rows, tile.Cols, blocks, taps, depth, biased)
					for i, got := range dst {
						row, col := i/stride, i%stride
						if col >= tile.Cols {
							if got != before[i] {
								t.Fatalf("%s: wrote between the rows, at %d", what, i)
							}
							continue
						}
						var want, scale float64
						if biased {
							want = float64(bias[col])
						}
						for tap := range taps {
							for k := range depth {
								v := float64(x[int(offsets[(row/tile.Rows*taps+tap)*tile.Rows+row%tile.Rows])+k]) * float64(w[(tap*depth+k)*tile.Cols+col])
								want += v
								scale += math.Abs(v)
							}
						}
						same(t, what, i, got, want, scale, 1e-6)
					}
				}
			}
		}
	})
}

func TestGradTile(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, tile := range s.Grad {
			for _, pixels := range []int{0, 1, 2, 3, 17, 100} {
				r := source(pixels)
				stride, dyStride := tile.Cols+r.IntN(9), tile.Cols+r.IntN(9)
				x := random(r, 300+tile.Rows)
				dy := random(r, pixels*dyStride)
				offsets := make([]int32, pixels)
				for i := range offsets {
					offsets[i] = int32(r.IntN(300))
				}
				before := random(r, (tile.Rows-1)*stride+tile.Cols)
				dst := append([]float32(nil), before...)
				tile.Run(dst, stride, x, offsets, dy, dyStride)
				what := fmt.Sprintf("%dx%d pixels=%d", tile.Rows, tile.Cols, pixels)
				for i, got := range dst {
					row, col := i/stride, i%stride
					if col >= tile.Cols {
						if got != before[i] {
							t.Fatalf("%s: wrote between the rows, at %d", what, i)
						}
						continue
					}
					want, scale := float64(before[i]), math.Abs(float64(before[i]))
					for p, offset := range offsets {
						v := float64(x[int(offset)+row]) * float64(dy[p*dyStride+col])
						want += v
						scale += math.Abs(v)
					}
					same(t, what, i, got, want, scale, 1e-6)
				}
			}
		}
	})
}

// TestNoAllocation: the kernels run millions of times an iteration; scratch must stay on the stack.
func TestNoAllocation(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		x, mean, variance := make([]float32, 64*64), make([]float32, 8), make([]float32, 8)
		allocations := testing.AllocsPerRun(10, func() {
			s.Moments(mean, variance, x)
			s.ChannelDot(mean, x, x)
			s.Softmax(x, x, 64)
		})
		if allocations > 0 {
			t.Errorf("%v allocations", allocations)
		}
	})
}

func TestByName(t *testing.T) {
	all := kernels.All()
	if last := all[len(all)-1]; last.Name != "portable" {
		t.Errorf("the last set is %q, not portable", last.Name)
	}
	if best := kernels.Best(); best.Name != all[0].Name {
		t.Errorf("Best is %q, the first of All is %q", best.Name, all[0].Name)
	}
	for _, s := range all {
		found, err := kernels.ByName(s.Name)
		if err != nil || found.Name != s.Name {
			t.Errorf("ByName(%q) = %v, %v", s.Name, found, err)
		}
	}
	_, err := kernels.ByName("mmx")
	if err == nil || !strings.Contains(err.Error(), "portable") {
		t.Errorf("ByName of an unknown set: %v, want an error that lists the sets", err)
	}
}

func TestPeakFMA(t *testing.T) {
	if peak := kernels.PeakFMA(1, 10*time.Millisecond); !(peak > 0.05) {
		t.Errorf("peak of %v GFLOP/s", peak)
	}
}

func ExampleBest() {
	s := kernels.Best()
	x := []float32{-1, 0, 1, 2}
	s.Clamp(x, x, 0, 1)
	fmt.Println(x)
	runtime.KeepAlive(s)
	// Output: [0 0 1 1]
}
