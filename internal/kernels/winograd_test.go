package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/joule-ebm/joule/internal/kernels"
)

// TestWinogradConvolves: transforms, products and transforms back are a 3×3 convolution. Tiles take their pixels from anywhere.
func TestWinogradConvolves(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, w := range s.Winograd {
			for _, channels := range []int{w.Lanes, 3 * w.Lanes} {
				const tiles = 3
				r, m, side := source(channels), w.M, w.Side()
				x, g := random(r, 500+channels), random(r, 9*channels)
				places := make([]int32, tiles*side*side)
				for i := range places {
					places[i] = int32(r.IntN(500))
				}
				to := make([]int32, tiles*m*m)
				for i, p := range r.Perm(len(to)) {
					to[i] = int32(p * channels)
				}
				bias := random(r, channels)
				// One input channel for each output channel: the products are elementwise.
				stride := tiles*channels + 5
				d, u := make([]float32, side*side*stride), make([]float32, side*side*(channels+3))
				w.Input(d, stride, x, places, tiles, channels)
				w.Weights(u, channels+3, g, channels, channels)
				for i := range side * side {
					for j := range tiles * channels {
						d[i*stride+j] *= u[i*(channels+3)+j%channels]
					}
				}
				for _, b := range [][]float32{bias, nil} {
					y := make([]float32, len(to)*channels)
					w.Output(y, to, d, stride, tiles, channels, b)
					for p, at := range to {
						tile, py, px := p/(m*m), p%(m*m)/m, p%m
						for c := range channels {
							want, scale := 0.0, 0.0
							if b != nil {
								want = float64(b[c])
							}
							for tap := range 9 {
								place := places[tile*side*side+(py+tap/3)*side+px+tap%3]
								v := float64(x[int(place)+c]) * float64(g[tap*channels+c])
								want += v
							}
							for _, place := range places[tile*side*side:][:side*side] {
								scale = math.Max(scale, math.Abs(float64(x[int(place)+c])))
							}
							same(t, fmt.Sprintf("F(%d) of %d channels, pixel %d", m, channels, p), c, y[int(at)+c], want, 9*scale, 2e-5)
						}
					}
				}
			}
		}
	})
}

// TestWinogradKernelGradient: transforms, products and the transform back are the gradient of a 3×3 convolution's kernel, added to what
// is there.
func TestWinogradKernelGradient(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernels.Set) {
		for _, w := range s.Winograd {
			for _, channels := range []int{w.Lanes, 3 * w.Lanes} {
				const tiles = 3
				r, m, side := source(channels), w.M, w.Side()
				x, dy := random(r, 500+channels), random(r, 400+channels)
				from, to := make([]int32, tiles*side*side), make([]int32, tiles*m*m)
				for i := range from {
					from[i] = int32(r.IntN(500))
				}
				for i := range to {
					to[i] = int32(r.IntN(400))
				}
				stride := tiles*channels + 5
				d, e := make([]float32, side*side*stride), make([]float32, side*side*stride)
				w.Input(d, stride, x, from, tiles, channels)
				w.OutputGrad(e, stride, dy, to, tiles, channels)
				products := make([]float32, side*side*(channels+3)) // one input channel for each output channel
				for i := range side * side {
					for j := range tiles * channels {
						products[i*(channels+3)+j%channels] += d[i*stride+j] * e[i*stride+j]
					}
				}
				before := random(r, 9*(channels+1))
				got := append([]float32(nil), before...)
				w.WeightsGrad(got, channels+1, products, channels+3, channels)
				for tap := range 9 {
					for c := range channels {
						want, scale := float64(before[tap*(channels+1)+c]), 1.0
						for p, at := range to {
							tile, py, px := p/(m*m), p%(m*m)/m, p%m
							v := float64(x[int(from[tile*side*side+(py+tap/3)*side+px+tap%3])+c]) * float64(dy[int(at)+c])
							want, scale = want+v, scale+math.Abs(v)
						}
						same(t, fmt.Sprintf("F(%d) of %d channels, tap %d", m, channels, tap), c, got[tap*(channels+1)+c], want, scale, 1e-5)
					}
				}
			}
		}
	})
}

// BenchmarkWinograd measures the transforms of 24 tiles of 64 channels.
func BenchmarkWinograd(b *testing.B) {
	const tiles, channels, stride = 24, 64, 24*64 + 16 // the spare vector keeps places out of each other's cache sets
	for _, s := range kernels.All() {
		for _, w := range s.Winograd {
			r, side := source(1), w.Side()
			x := random(r, 100*channels)
			places, to := make([]int32, tiles*side*side), make([]int32, tiles*w.M*w.M)
			for i := range places {
				places[i] = int32(r.IntN(100) * channels)
			}
			for i := range to {
				to[i] = int32(i * channels)
			}
			d, y := make([]float32, side*side*stride), make([]float32, len(to)*channels)
			perVector := func(b *testing.B) {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(tiles*channels/16), "ns/tile·16")
			}
			b.Run(fmt.Sprintf("%s/%d/input", s.Name, w.M), func(b *testing.B) {
				for b.Loop() {
					w.Input(d, stride, x, places, tiles, channels)
				}
				perVector(b)
			})
			b.Run(fmt.Sprintf("%s/%d/output", s.Name, w.M), func(b *testing.B) {
				for b.Loop() {
					w.Output(y, to, d, stride, tiles, channels, nil)
				}
				perVector(b)
			})
		}
	}
}
