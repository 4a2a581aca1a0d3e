package ranks_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/ranks"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// alone hides that the CPU engine knows of groups.
func alone(g engine.Group) *ranks.Engine {
	return &ranks.Engine{Images: &cpu.Engine{Threads: 1}, Shared: &cpu.Engine{Threads: 1}, Group: g}
}

// TestContract: with all images in one process it is an engine like others.
func TestContract(t *testing.T) {
	_, group := enginetest.NewGroup(1)
	enginetest.Contract(t, alone(group[0]), 1e-6)
}

// outputs are a chain's step, energies, a function of sums that is not linear, and a loss through the step with its gradients.
func outputs() []*expr.Value {
	next, energy := enginetest.Langevin()
	mean := expr.BatchMean(energy)
	loss := expr.Add(mean, expr.BatchMean(enginetest.Small(next)))
	params := []*expr.Value{}
	for _, v := range expr.Order(loss) {
		if v.Op() == expr.OpParam {
			params = append(params, v)
		}
	}
	return append([]*expr.Value{next, energy, expr.Log(expr.Affine(expr.Mul(mean, mean), 1, 1)), expr.BatchSize(), loss}, expr.Grad(loss, params...)...)
}

// TestGroup: several processes come to what one comes to, images to the bit and sums to their rounding, and all to the same bits; also if
// there are more of them than images.
func TestGroup(t *testing.T) {
	list := outputs()
	for _, batch := range []int{1, 5, 8} {
		n := enginetest.Random(7, batch, list...)
		chain := engine.Chain{Seed: 5, FirstImage: 3, Steps: 3, Feedback: map[string]int{"x": 0}}
		want := enginetest.Run(t, enginetest.Compile(t, &cpu.Engine{}, n, list...), batch, n, chain, list...)
		for _, size := range []int{2, 3} {
			group, members := enginetest.NewGroup(size)
			got := make([][][]float32, size)
			var all sync.WaitGroup
			for r, g := range members {
				all.Go(func() {
					err := func() error {
						p, err := alone(g).Compile(list...)
						if err != nil {
							return err
						}
						if err := p.Bind(n); err != nil {
							return err
						}
						got[r] = enginetest.Buffers(batch, list...)
						return p.Run(context.Background(), engine.Call{Batch: batch, Inputs: n, Outputs: got[r], Chain: chain})
					}()
					if err != nil {
						t.Errorf("rank %d: %v", r, err)
						group.Leave()
					}
				})
			}
			all.Wait()
			if t.Failed() {
				return
			}
			what := fmt.Sprintf("%d images, %d ranks", batch, size)
			enginetest.Same(t, what, got[0][:2], want[:2])
			for _, other := range got[1:] {
				enginetest.Same(t, what+", another rank", other, got[0])
			}
			for i := range want {
				wide := make([]float64, len(want[i]))
				for k, v := range want[i] {
					wide[k] = float64(v)
				}
				if d := enginetest.Distance(got[0][i], wide); !(d <= 1e-5*max(1, enginetest.Largest(wide))) {
					t.Errorf("%s: output %d, %v, is off by %g of %g", what, i, list[i], d, enginetest.Largest(wide))
				}
			}
		}
	}
}

// TestLeft: where a process is gone the others' runs end with an error.
func TestLeft(t *testing.T) {
	list := outputs()
	n := enginetest.Random(7, 6, list...)
	group, members := enginetest.NewGroup(2)
	group.Leave()
	p := enginetest.Compile(t, alone(members[0]), n, list...)
	err := p.Run(t.Context(), engine.Call{Batch: 6, Inputs: n, Outputs: enginetest.Buffers(6, list...)})
	if !errors.Is(err, enginetest.ErrLeft) {
		t.Errorf("got %v", err)
	}
}

// TestCancelled: a process whose context has ended does its share, so that the others do not wait for ever.
func TestCancelled(t *testing.T) {
	y := expr.BatchSum(expr.Input("x", expr.Scalar))
	n := enginetest.Random(7, 4, y)
	_, members := enginetest.NewGroup(2)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	done := make(chan error, 2)
	for r, g := range members {
		p := enginetest.Compile(t, alone(g), n, y)
		ctx := []context.Context{context.Background(), ended}[r]
		go func() { done <- p.Run(ctx, engine.Call{Batch: 4, Inputs: n, Outputs: enginetest.Buffers(4, y)}) }()
	}
	for range 2 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("still waiting")
		}
	}
}
