package cpu_test

// This file holds the engine to its word that neither the number of threads nor that of processes changes a bit of a sum over the batch,
// with any number of lanes, and that the sum is the one that lanes.go describes.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// learning is a loss with the gradient of all parameters, beside what is computed image by image.
func learning() []*expr.Value {
	next, energy := enginetest.Langevin()
	var params []*expr.Value
	for _, v := range expr.Order(energy) {
		if v.Op() == expr.OpParam {
			params = append(params, v)
		}
	}
	loss := expr.BatchMean(energy)
	return append([]*expr.Value{loss, energy, next}, expr.Grad(loss, params...)...)
}

// TestOrderOfLanes: a sum over the batch is that of the order that lanes.go describes. Numbers of very different sizes give it away.
func TestOrderOfLanes(t *testing.T) {
	const most = 130
	x := make([]float32, most)
	s := rng.New(3)
	s.FillUniform(x)
	for i := range x {
		x[i] *= float32(int(1) << (i * 7 % 23))
	}
	sum := expr.BatchSum(expr.Input("x", shape{1, 1, 1}))
	add := func(values []float32) (sum float32) {
		for i, v := range values {
			if i == 0 {
				sum = v
			} else {
				sum += v
			}
		}
		return sum
	}
	for _, lanes := range []int{1, 2, 4, 8, 9, 16, 64, 128} {
		for _, batch := range []int{1, 5, 13, 64, 130} {
			images := batch // a lane's, one tile of one image
			tiles := ceilDiv(batch, 1)
			count := min(lanes, tiles)
			var partial []float32
			for lane := range count {
				var own []float32
				for i := lane; i < images; i += count {
					own = append(own, x[i])
				}
				partial = append(partial, add(append([]float32{0}, own...)))
			}
			var blocks []float32
			for block := range slices.Chunk(partial, ceilDiv(count, 8)) {
				blocks = append(blocks, add(block))
			}
			want := add(blocks)
			for _, threads := range []int{1, 3, 200} {
				e := &cpu.Engine{Threads: threads, Lanes: lanes, TileImages: 1}
				got := enginetest.Compute(t, e, batch, enginetest.Numbers{"x": x[:batch]}, sum)[0][0]
				if got != want {
					t.Errorf("%d lanes, %d images, %d threads: %v, want %v", lanes, batch, threads, got, want)
				}
			}
		}
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// inGroup runs do as each rank of a group of so many.
func inGroup(t *testing.T, size int, do func(g engine.Group) error) {
	t.Helper()
	group, ranks := enginetest.NewGroup(size)
	var wg sync.WaitGroup
	for _, g := range ranks {
		wg.Go(func() {
			if err := do(g); err != nil {
				t.Errorf("rank %d of %d: %v", g.Rank(), size, err)
				group.Leave()
			}
		})
	}
	wg.Wait()
}

// compute is one run of a program, and then two steps of a chain.
func compute(e engine.Engine, batch int, n enginetest.Numbers, outputs []*expr.Value) ([][]float32, error) {
	p, err := e.Compile(outputs...)
	if err != nil {
		return nil, err
	}
	if err := p.Bind(n); err != nil {
		return nil, err
	}
	var all [][]float32
	for _, c := range []engine.Chain{{Seed: 5}, {Seed: 5, Steps: 2, Feedback: map[string]int{"x": 2}}} {
		out := enginetest.Buffers(batch, outputs...)
		if err := p.Run(context.Background(), engine.Call{Batch: batch, Inputs: n, Outputs: out, Chain: c}); err != nil {
			return nil, err
		}
		all = append(all, out...)
	}
	return all, nil
}

// TestGroup: a group's results are in all ranks those of one process, bit by bit: also of more ranks than lanes, or than images.
func TestGroup(t *testing.T) {
	outputs := learning()
	next, energy := enginetest.Langevin()
	random := rng.New(11)
	rounds := 8
	if long() {
		rounds = 200
	}
	for range rounds {
		batch, lanes, tile := 1+random.IntN(20), 1+random.IntN(24), random.IntN(4)
		n := enginetest.Random(7, batch, outputs...)
		want, err := compute(&cpu.Engine{Threads: 1, Lanes: lanes, TileImages: tile}, batch, n, outputs)
		if err != nil {
			t.Fatal(err)
		}
		chains := []*expr.Value{next, energy, next} // without sums
		wantChains, err := compute(&cpu.Engine{Threads: 1}, batch, n, chains)
		if err != nil {
			t.Fatal(err)
		}
		threads := []int{1 + random.IntN(4), 1 + random.IntN(4)}
		for _, size := range []int{1, 2, 3, 4, 8} {
			what := fmt.Sprintf("%d lanes, %d images, tiles of %d, %d ranks of %v threads", lanes, batch, tile, size, threads)
			inGroup(t, size, func(g engine.Group) error {
				e := &cpu.Engine{Threads: threads[g.Rank()%2], Lanes: lanes, TileImages: tile, Group: g}
				got, err := compute(e, batch, n, outputs)
				if err != nil {
					return err
				}
				enginetest.Same(t, what, got, want)
				if got, err = compute(e, batch, n, chains); err != nil {
					return err
				}
				enginetest.Same(t, what+", chains", got, wantChains)
				return nil
			})
		}
	}
}

// TestGroupIsLeft: where a process is gone the others' runs end with an error.
func TestGroupIsLeft(t *testing.T) {
	outputs := learning()
	n := enginetest.Random(7, 6, outputs...)
	group, ranks := enginetest.NewGroup(2)
	group.Leave()
	if _, err := compute(&cpu.Engine{Group: ranks[0]}, 6, n, outputs); !errors.Is(err, enginetest.ErrLeft) {
		t.Errorf("got %v", err)
	}
}

// TestLongSums: what is longer than the pieces that lanes and processes add is added whole.
func TestLongSums(t *testing.T) {
	w := expr.Param("w", shape{9, 250, 250}) // 562,500 numbers
	x := expr.Input("x", shape{3, 3, 250})
	loss := expr.BatchMean(expr.Total(expr.Swish(expr.Conv(x, w), 0)))
	outputs := append([]*expr.Value{loss, expr.Total(x), x}, expr.Grad(loss, w)...)
	const batch, lanes = 11, 10
	n := enginetest.Random(7, batch, outputs...)
	want, err := compute(&cpu.Engine{Threads: 1, Lanes: lanes}, batch, n, outputs)
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{2, 7} {
		got, err := compute(&cpu.Engine{Threads: threads, Lanes: lanes}, batch, n, outputs)
		if err != nil {
			t.Fatal(err)
		}
		enginetest.Same(t, fmt.Sprint(threads, " threads"), got, want)
	}
	for _, size := range []int{2, 3, 5} {
		inGroup(t, size, func(g engine.Group) error {
			got, err := compute(&cpu.Engine{Threads: 2, Lanes: lanes, Group: g}, batch, n, outputs)
			enginetest.Same(t, fmt.Sprint(size, " ranks"), got, want)
			return err
		})
	}
}
