package kernels_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/joule-ebm/joule/internal/kernels"
)

// report adds GFLOP/s, and the share of the machine's peak, which is measured at the same moment because other work on the
// machine slows both.
func report(b *testing.B, operations float64) {
	rate := operations * float64(b.N) / b.Elapsed().Seconds() / 1e9
	b.ReportMetric(rate, "GFLOP/s")
	b.ReportMetric(100*rate/kernels.PeakFMA(1, 20*time.Millisecond), "%peak")
}

// BenchmarkConvTile runs a layer's worth of tiles on one image of 16x16 pixels, as a convolution of pad 1 would.
func BenchmarkConvTile(b *testing.B) {
	const side = 16
	for _, s := range kernels.All() {
		for _, tile := range s.Conv {
			for _, shape := range []struct{ taps, depth int }{{9, 16}, {9, 64}, {9, 256}, {1, 64}, {1, 256}} {
				b.Run(fmt.Sprintf("%s/%dx%d/taps=%d/depth=%d", s.Name, tile.Rows, tile.Cols, shape.taps, shape.depth), func(b *testing.B) {
					r := source(1)
					x := random(r, (side*side+1)*shape.depth)
					w := random(r, shape.taps*shape.depth*tile.Cols)
					bias := random(r, tile.Cols)
					blocks := side * side / tile.Rows
					dst := make([]float32, side*side*tile.Cols)
					offsets := make([]int32, 0, blocks*shape.taps*tile.Rows)
					for block := range blocks {
						for tap := range shape.taps {
							for row := range tile.Rows {
								p := block*tile.Rows + row
								py, px := p/side+tap/3%3-1, p%side+tap%3-1
								at := side * side
								if py >= 0 && py < side && px >= 0 && px < side {
									at = py*side + px
								}
								offsets = append(offsets, int32(at*shape.depth))
							}
						}
					}
					for b.Loop() {
						tile.Run(dst, tile.Cols, x, offsets, blocks, shape.taps, shape.depth, w, bias)
					}
					report(b, 2*float64(blocks*tile.Rows*tile.Cols*shape.taps*shape.depth))
				})
			}
		}
	}
}

// BenchmarkGradTile runs the tiles of one tap's kernel gradient over 256 pixels.
func BenchmarkGradTile(b *testing.B) {
	const pixels = 256
	for _, s := range kernels.All() {
		for _, tile := range s.Grad {
			for _, channels := range []int{32, 64, 256} {
				b.Run(fmt.Sprintf("%s/%dx%d/channels=%d", s.Name, tile.Rows, tile.Cols, channels), func(b *testing.B) {
					r := source(1)
					x, dy := random(r, pixels*channels), random(r, pixels*channels)
					dst := make([]float32, channels*channels)
					offsets := make([]int32, pixels)
					for p := range offsets {
						offsets[p] = int32((p + 17) % pixels * channels)
					}
					for b.Loop() {
						for i := 0; i < channels; i += tile.Rows {
							for j := 0; j < channels; j += tile.Cols {
								tile.Run(dst[i*channels+j:], channels, x[i:], offsets, dy[j:], channels)
							}
						}
					}
					report(b, 2*float64(channels*channels*pixels))
				})
			}
		}
	}
}

// BenchmarkPointwise measures bytes of operands and results a second, in the first cache and in the second.
func BenchmarkPointwise(b *testing.B) {
	for _, s := range kernels.All() {
		for _, n := range []int{1 << 10, 1 << 15} {
			r := source(1)
			x, y, z := random(r, n), random(r, n), random(r, n)
			dst := make([]float32, n)
			for _, k := range []struct {
				name    string
				streams int
				run     func()
			}{
				{"Add", 3, func() { s.Add(dst, x, y) }},
				{"MulAdd", 4, func() { s.MulAdd(dst, x, y, z) }},
				{"Affine", 2, func() { s.Affine(dst, x, 2, 1) }},
				{"AddScaled", 3, func() { s.AddScaled(dst, x, y, 2) }},
				{"Clamp", 2, func() { s.Clamp(dst, x, 0, 1) }},
				{"Within", 2, func() { s.Within(dst, x, 0, 1) }},
				{"Exp", 2, func() { s.Exp(dst, x) }},
				{"Swish0", 2, func() { s.Swish(dst, x, 0) }},
				{"Swish1", 2, func() { s.Swish(dst, x, 1) }},
				{"Swish2", 2, func() { s.Swish(dst, x, 2) }},
				{"SwishPair", 3, func() { s.SwishPair(dst, z, x) }},
				{"Dot", 2, func() { s.Dot(x, y) }},
				{"SquaredDistance", 2, func() { s.SquaredDistance(x, y) }},
				{"Softmax256", 2, func() { s.Softmax(dst, x, 256) }},
			} {
				b.Run(fmt.Sprintf("%s/%s/n=%d", s.Name, k.name, n), func(b *testing.B) {
					b.SetBytes(int64(4 * n * k.streams))
					for b.Loop() {
						k.run()
					}
				})
			}
		}
	}
}

// BenchmarkChannels measures the bytes read a second of images of 8192 values.
func BenchmarkChannels(b *testing.B) {
	const values = 8192
	for _, s := range kernels.All() {
		for _, channels := range []int{8, 16, 64, 256} {
			r := source(1)
			x, y, dst := random(r, values), random(r, values), random(r, values)
			acc, other := make([]float32, channels), make([]float32, channels)
			const taps = 9
			offsets := make([]int32, values/channels/4*taps)
			for i := range offsets {
				offsets[i] = int32(i * 7 % (values / channels) * channels)
			}
			for _, k := range []struct {
				name  string
				reads int
				run   func()
			}{
				{"ChannelSum", values, func() { s.ChannelSum(acc, x) }},
				{"ChannelDot", 2 * values, func() { s.ChannelDot(acc, x, y) }},
				{"Moments", 2 * values, func() { s.Moments(acc, other, x) }},
				{"GatherSum9", values / 4 * taps, func() { s.GatherSum(dst[:values/4], x, offsets, taps, channels, 1) }},
			} {
				b.Run(fmt.Sprintf("%s/%s/C=%d", s.Name, k.name, channels), func(b *testing.B) {
					b.SetBytes(int64(4 * k.reads))
					for b.Loop() {
						k.run()
					}
				})
			}
		}
	}
}
