package matrix_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// BenchmarkConv runs a convolution on the best unit here, and reports GFLOP/s of the convolution and the share of the unit's peak
// that its products come to.
func BenchmarkConv(b *testing.B) {
	u := matrix.Best()
	for _, s := range []shape{{32, 32, 32, 32, 9, 1, 1}, {32, 32, 64, 64, 9, 1, 1}, {16, 16, 128, 128, 9, 1, 1}, {8, 8, 256, 256, 9, 4, 4},
		{4, 4, 512, 512, 9, 4, 4}} {
		for _, parts := range []matrix.Parts{matrix.Plain, matrix.Split} {
			c := matrix.NewConv(s.weights(parts), s.height, s.width, s.tile)
			pixels := s.images * s.height * s.width
			x, y := make([]float32, pixels*s.inputs), make([]float32, pixels*s.outputs)
			for i := range x {
				x[i] = float32(i%17) / 16
			}
			packed, scratch := make([]float32, c.PackedFloats()), make([]float32, c.ScratchFloats())
			c.Pack(u, packed, make([]float32, s.taps*s.inputs*s.outputs), false)
			planes := split(c, u, x, s.images, dirty)
			b.Run(fmt.Sprintf("%s/%dx%dx%d to %d/parts=%d", u.Name, s.height, s.width, s.inputs, s.outputs, parts), func(b *testing.B) {
				for b.Loop() {
					c.Run(u, y, planes, s.images, packed, nil, scratch)
				}
				rate := 2 * float64(pixels*s.taps*s.inputs*s.outputs) * float64(b.N) / b.Elapsed().Seconds() / 1e9
				b.ReportMetric(rate, "GFLOP/s")
				if peak := u.Peak(1, 20*time.Millisecond); peak > 0 {
					b.ReportMetric(100*rate*map[matrix.Parts]float64{matrix.Plain: 1, matrix.Split: 3}[parts]/peak, "%peak")
				}
			})
		}
	}
}

// BenchmarkSplit measures the bytes of float32 numbers split a second.
func BenchmarkSplit(b *testing.B) {
	u := matrix.Best()
	x := make([]float32, 32*64)
	hi, lo := make([]uint16, len(x)), make([]uint16, len(x))
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		u.Split(hi, lo, x)
	}
}

// BenchmarkPack measures the bytes of a kernel packed a second, as the network has it and flipped for the gradient of the image.
func BenchmarkPack(b *testing.B) {
	u := matrix.Best()
	w := matrix.Weights{Inputs: 256, Outputs: 256, Taps: 9, Parts: matrix.Split}
	packed, kernel := make([]float32, w.PackedFloats()), make([]float32, 9*256*256)
	for _, flipped := range []bool{false, true} {
		b.Run(fmt.Sprintf("flipped=%v", flipped), func(b *testing.B) {
			b.SetBytes(int64(4 * len(kernel)))
			for b.Loop() {
				w.Pack(u, packed, kernel, flipped)
			}
		})
	}
}
