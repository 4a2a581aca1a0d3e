package cpu_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/mcmc"
)

// workloads are the networks, filters and batch sizes at which speed is watched.
var workloads = []struct {
	network        string
	filters, batch int
}{{"quick", 16, 32}, {"mnist", 16, 64}, {"cifar10", 32, 32}, {"cifar10", 64, 16}, {"celeba128", 32, 4}}

func workload(b *testing.B, network string, filters int) (*energy.Energy, map[string][]float32) {
	o := energy.Options{Filters: filters}
	for _, n := range energy.Networks() {
		if n.Name == network {
			o.MultiScale, o.Attention = n.MultiScale, n.Attention
		}
	}
	model, err := energy.New(network, o)
	if err != nil {
		b.Fatal(err)
	}
	params, err := model.Params()
	if err != nil {
		b.Fatal(err)
	}
	return model, energy.InitialValues(params.Specs(), 1)
}

func images(model *energy.Energy, n int, seed uint64) []float32 {
	x := make([]float32, n*model.Image.Size())
	s := rng.New(seed)
	s.FillUniform(x)
	return x
}

// BenchmarkLangevinStep reports the fraction of the cores' FMA peak that the convolutions, counted as direct ones, amount to.
func BenchmarkLangevinStep(b *testing.B) {
	peak := 0.0
	for _, w := range workloads {
		b.Run(fmt.Sprintf("%s-%d-%d", w.network, w.filters, w.batch), func(b *testing.B) {
			model, params := workload(b, w.network, w.filters)
			e := &cpu.Engine{}
			chain, err := cd.NewChain(e, model, mcmc.Langevin{StepSize: 100, Sigma: 0.001})
			if err != nil {
				b.Fatal(err)
			}
			if err := chain.Bind(params); err != nil {
				b.Fatal(err)
			}
			x := images(model, w.batch, 1)
			steps := func(n int) {
				if _, err := chain.Run(b.Context(), x, mcmc.RunOptions{Steps: n}); err != nil {
					b.Fatal(err)
				}
			}
			steps(1)
			b.ReportAllocs()
			b.ResetTimer()
			steps(b.N)
			b.StopTimer()
			flops := chain.Flops() * float64(w.batch) * float64(b.N) / b.Elapsed().Seconds()
			if peak == 0 {
				peak = 1e9 * kernels.PeakFMA(runtime.GOMAXPROCS(0), 200*time.Millisecond)
			}
			b.ReportMetric(flops/1e9, "GFLOP/s")
			b.ReportMetric(100*flops/peak, "%peak")
		})
	}
}

// BenchmarkObjective measures the loss terms and their gradients.
func BenchmarkObjective(b *testing.B) {
	for _, w := range workloads {
		for _, terms := range []struct {
			name  string
			terms []cd.Term
		}{{"cd", cd.PaperSettings().Terms[:2]}, {"full", cd.PaperSettings().Terms}} {
			b.Run(fmt.Sprintf("%s-%d-%d/%s", w.network, w.filters, w.batch, terms.name), func(b *testing.B) {
				model, params := workload(b, w.network, w.filters)
				objective, err := cd.NewObjective(&cpu.Engine{}, model, cd.ObjectiveOptions{Terms: terms.terms,
					Sampler: mcmc.Langevin{StepSize: 100, Sigma: 0.001}})
				if err != nil {
					b.Fatal(err)
				}
				gradient := map[string][]float32{}
				for name, v := range params {
					gradient[name] = make([]float32, len(v))
				}
				x := cd.Examples{Positive: images(model, w.batch, 1), Negative: images(model, w.batch, 2), GradientAt: images(model, w.batch, 3),
					References: images(model, objective.References(), 4)}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := objective.Evaluate(b.Context(), params, x, gradient); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkEntropy measures L_ent and its gradient with respect to the samples against the number of reference images, the size of an
// image and the batch.
func BenchmarkEntropy(b *testing.B) {
	for _, image := range []expr.Shape{{28, 28, 1}, {32, 32, 3}, {64, 64, 3}} {
		for _, references := range []int{100, 1000, 10000} {
			for _, batch := range []int{16, 64} {
				b.Run(fmt.Sprintf("references=%d/dimension=%d/batch=%d", references, image.Size(), batch), func(b *testing.B) {
					total := func(_ *energy.Params, x, _ *expr.Value) []*expr.Value { return []*expr.Value{expr.Total(x)} } // costs next to nothing
					model := &energy.Energy{Image: image, Build: total}
					loss := cd.NewBatch(model, energy.NewParams(), mcmc.Langevin{StepSize: 1e-3})
					entropy := cd.Entropy{References: references}.Loss(loss)
					p, err := (&cpu.Engine{}).Compile(entropy, expr.Grad(entropy, loss.End().X)[0])
					if err != nil {
						b.Fatal(err)
					}
					bound := map[string][]float32{loss.References(references).Attr().Name: images(model, references, 1)}
					call := engine.Call{Batch: batch, Inputs: map[string][]float32{"x_hat": images(model, batch, 2)}, Outputs: [][]float32{make([]float32, 1), nil}}
					for b.Loop() {
						if err := p.Bind(bound); err != nil { // training binds other references every time
							b.Fatal(err)
						}
						if err := p.Run(b.Context(), call); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
