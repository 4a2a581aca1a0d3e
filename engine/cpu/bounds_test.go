package cpu_test

import (
	"slices"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
	"github.com/joule-ebm/joule/internal/kernels"
)

// checkedConv is a convolution tile of any height in Go, which panics where assembly would read or write past what it is given.
func checkedConv(rows, cols int) kernels.ConvTile {
	return kernels.ConvTile{Rows: rows, Cols: cols, Run: func(dst []float32, stride int, x []float32, offsets []int32, blocks, taps, depth int, w, bias []float32) {
		offsets = offsets[: blocks*taps*rows : len(offsets)]
		for p := range blocks * rows {
			out := dst[p*stride:][:cols]
			for j := range out {
				if out[j] = 0; bias != nil {
					out[j] = bias[j]
				}
			}
			for t := range taps {
				pixel := x[offsets[(p/rows*taps+t)*rows+p%rows]:][:depth]
				for k, v := range pixel {
					for j, u := range w[(t*depth+k)*cols:][:cols] {
						out[j] += v * u
					}
				}
			}
		}
	}}
}

// TestTilesWithinBounds runs networks with tiles of heights that do not divide each other, as AVX2's are: whatever of a block does not
// fit must be within the memory set aside for it. The heights do not change the numbers.
func TestTilesWithinBounds(t *testing.T) {
	for _, network := range []string{"mnist", "cifar10"} {
		for _, images := range []int{1, 3, 7} {
			model, err := energy.New(network, energy.Options{Filters: 16, MultiScale: network == "cifar10"})
			if err != nil {
				t.Fatal(err)
			}
			params, err := model.Params()
			if err != nil {
				t.Fatal(err)
			}
			var want []float32
			for _, heights := range [][]int{{4}, {6, 4}, {5, 3}, {12, 7}} {
				set := kernels.Portable()
				set.Conv = nil
				for _, rows := range heights {
					set.Conv = append(set.Conv, checkedConv(rows, 8))
				}
				x := expr.Input("x", model.Image)
				p, err := (&cpu.Engine{Threads: 1, Kernels: set}).Compile(expr.Grad(energy.Sum(model.Build(params, x, nil)), x)[0])
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Bind(energy.InitialValues(params.Specs(), 1)); err != nil {
					t.Fatal(err)
				}
				got := make([]float32, images*model.Image.Size())
				call := engine.Call{Batch: images, Inputs: enginetest.Random(1, images, x), Outputs: [][]float32{got}}
				if err := p.Run(t.Context(), call); err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = got
				} else if !slices.Equal(got, want) {
					t.Errorf("%s, %d images: heights %v change the numbers", network, images, heights)
				}
			}
		}
	}
}
