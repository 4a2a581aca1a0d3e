package cpu_test

import (
	"math"
	"testing"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
	"github.com/joule-ebm/joule/mcmc"
)

// TestNetworks computes everything that training needs of the networks, in all their variants and on small images of odd sizes, as
// the reference does: energies, their gradients by the image, a Langevin step, and the gradient of each term of the loss.
func TestNetworks(t *testing.T) {
	type variant struct {
		what, network string
		options       energy.Options
	}
	variants := []variant{
		{"quick", "quick", energy.Options{Filters: 5, Image: shape{14, 11, 1}}},
		{"all parts", "cifar10", energy.Options{Filters: 4, Image: shape{18, 17, 3}, MultiScale: true, Attention: true, Classes: 3}},
		{"layer norm", "cifar10", energy.Options{Filters: 4, Image: shape{9, 11, 3}, Attention: true, Norm: energy.LayerNorm}},
		{"no norm, spectral kernels", "mnist", energy.Options{Filters: 6, Image: shape{9, 10, 1}, Norm: energy.NoNorm, Kernel: energy.SpectralKernel}},
		{"plain kernels", "celeba128", energy.Options{Filters: 4, Image: shape{33, 35, 3}, Kernel: energy.PlainKernel}},
	}
	if !long() {
		variants = variants[:4]
	}
	for _, v := range variants {
		t.Run(v.what, func(t *testing.T) {
			model, err := energy.New(v.network, v.options)
			if err != nil {
				t.Fatal(err)
			}
			checkMethod(t, model)
		})
	}
	t.Run("group norm above 128 channels", func(t *testing.T) {
		checkMethod(t, &energy.Energy{Image: shape{2, 2, 1}, Build: func(p *energy.Params, x, label *expr.Value) []*expr.Value {
			h := expr.Swish(energy.Conv(p, "conv", x, 160, energy.PlainKernel), 0)
			return []*expr.Value{energy.Head(p, "head", energy.Residual(p, "block", h, label, energy.ReferenceNorm, energy.StandardisedKernel))}
		}})
	})
}

func checkMethod(t *testing.T, model *energy.Energy) {
	quantities := method(t, model)
	var outputs []*expr.Value
	for _, q := range quantities {
		outputs = append(outputs, q.values...)
	}
	const batch = 3
	n := enginetest.Random(1, batch, outputs...)
	for _, name := range []string{"x_pos", "x_neg", "x_hat"} { // images are in [0, 1]
		for i := range n[name] {
			n[name][i] = n[name][i]/2 + 0.5
		}
	}
	want := enginetest.Reference(t, batch, n.Wide(), outputs...)
	for name, e := range engines() {
		got, at := enginetest.Compute(t, e, batch, n, outputs...), 0
		for _, q := range quantities {
			off, size := 0.0, 0.0 // squared norms
			for range q.values {
				for i, w := range want[at] {
					off, size = off+(float64(got[at][i])-w)*(float64(got[at][i])-w), size+w*w
				}
				at++
			}
			if !(math.Sqrt(off) <= q.tolerance*math.Sqrt(size)) || size == 0 {
				t.Errorf("%s, %s: off by %.2g of %.2g", q.name, name, math.Sqrt(off), math.Sqrt(size))
			}
		}
	}
}

// quantity is a vector in parts.
type quantity struct {
	name      string
	tolerance float64 // of its norm, relative
	values    []*expr.Value
}

// method is everything that training needs of a model, with the errors that float32 may make: 10⁻⁵ in energies, their gradients by the image and steps,
// 10⁻⁴ in gradients by the parameters, three times that through second derivatives.
func method(t *testing.T, model *energy.Energy) []quantity {
	params, err := model.Params()
	if err != nil {
		t.Fatal(err)
	}
	batch := cd.NewBatch(model, params, mcmc.Langevin{StepSize: 0.3})
	end := batch.End()
	contrastive := expr.Add(cd.Contrastive(batch), cd.Magnitude(batch))
	optimisation := cd.Optimisation(batch)
	entropy := cd.Entropy{Neighbour: 2, References: 4}.Loss(batch)
	xhat := cd.Point{X: expr.Input("x_hat", model.Image), Label: batch.Negative.Label}
	sum := energy.Sum(batch.Energies(xhat))
	leaves := batch.Parameters()
	return []quantity{
		{"energies", 1e-5, batch.Energies(batch.Positive)},
		{"gradient by the image", 1e-5, expr.Grad(sum, xhat.X)},
		{"end of a step", 1e-5, []*expr.Value{end.X}},
		{"losses", 1e-5, []*expr.Value{contrastive, optimisation, entropy}},
		{"gradient of L_cd + L_reg", 1e-4, expr.Grad(contrastive, leaves...)},
		{"gradient of L_opt", 3e-4, expr.Grad(optimisation, leaves...)},
		{"gradient of L_ent", 3e-4, expr.Grad(entropy, leaves...)},
	}
}
