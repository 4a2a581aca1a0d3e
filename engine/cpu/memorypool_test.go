package cpu_test

// This file has programs of one engine take each other's memory: what they compute stays what they compute alone.

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// tenants are programs that have little in common but their engine: a chain, a gradient with sums over the batch, and an energy.
func tenants() [][]*expr.Value {
	next, energy := enginetest.Langevin()
	w := expr.Param("w", shape{9, 3, 29})
	loss := expr.BatchMean(expr.Total(expr.Swish(expr.Conv(expr.Input("x", enginetest.SmallImage), expr.Affine(w, 2, 0)), 0)))
	return [][]*expr.Value{{next, energy}, append([]*expr.Value{loss}, expr.Grad(loss, w)...), {enginetest.Small(expr.Input("x", enginetest.SmallImage))}}
}

// TestPrograms: programs of one engine, with parameters of their own, run in turns as they run alone.
func TestPrograms(t *testing.T) {
	for _, batch := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) { inTurns(t, batch) })
	}
}

func inTurns(t *testing.T, batch int) {
	for name, e := range engines() {
		e.Threads = 2
		var programs []engine.Program
		var values []enginetest.Numbers
		var alone [][][]float32
		for i, outputs := range tenants() {
			own, n := &cpu.Engine{Threads: 2, Kernels: e.Kernels}, enginetest.Random(20+uint64(i), batch, outputs...)
			alone = append(alone, enginetest.Run(t, enginetest.Compile(t, own, n, outputs...), batch, n, engine.Chain{}, outputs...))
			programs, values = append(programs, enginetest.Compile(t, e, n, outputs...)), append(values, n)
		}
		for turn, i := range []int{0, 1, 2, 0, 1, 2, 2, 1, 0, 0, 1, 2} {
			if turn%4 == 3 { // as in training
				if err := programs[i].Bind(values[i]); err != nil {
					t.Fatal(err)
				}
			}
			got := enginetest.Run(t, programs[i], batch, values[i], engine.Chain{}, tenants()[i]...)
			enginetest.Same(t, fmt.Sprintf("%s, turn %d, program %d", name, turn, i), got, alone[i])
		}
	}
}

// TestTogether: and so they do at the same time.
func TestTogether(t *testing.T) {
	const batch = 6
	e := &cpu.Engine{Threads: 3}
	var all sync.WaitGroup
	for i := range 6 {
		outputs := tenants()[i%3]
		n := enginetest.Random(30+uint64(i), batch, outputs...)
		want := enginetest.Run(t, enginetest.Compile(t, &cpu.Engine{Threads: 1}, n, outputs...), batch, n, engine.Chain{}, outputs...)
		p := enginetest.Compile(t, e, n, outputs...)
		all.Go(func() {
			for range 10 {
				out := enginetest.Buffers(batch, outputs...)
				if err := p.Run(context.Background(), engine.Call{Batch: batch, Inputs: n, Outputs: out}); err != nil {
					t.Error(err)
				}
				if !slices.EqualFunc(out, want, func(a, b []float32) bool { return slices.EqualFunc(a, b, equalBits) }) {
					t.Errorf("program %d beside others computes something else", i)
				}
			}
		})
	}
	all.Wait()
}

func equalBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// TestCancelSums: a context that ends leaves nothing behind in the sums of the next run.
func TestCancelSums(t *testing.T) {
	const batch = 40
	outputs := tenants()[1]
	n := enginetest.Random(40, batch, outputs...)
	p := enginetest.Compile(t, &cpu.Engine{Threads: 3, TileImages: 1}, n, outputs...)
	want := enginetest.Run(t, p, batch, n, engine.Chain{}, outputs...)
	for range 10 {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		_ = p.Run(ctx, engine.Call{Batch: batch, Inputs: n, Outputs: enginetest.Buffers(batch, outputs...)})
		enginetest.Same(t, "after a run that was cut off", enginetest.Run(t, p, batch, n, engine.Chain{}, outputs...), want)
	}
}
