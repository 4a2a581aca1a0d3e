package expr_test

import (
	"fmt"
	"testing"

	"github.com/joule-ebm/joule/expr"
)

// This file takes the derivatives that training takes: through the gradient of an energy, a clamp and a chain of steps.

var image = shape{5, 4, 2}

// network is a small energy with an operation of each kind that the large ones have; its parameters' names start with name.
type network struct{ kernel, gain, query, head *expr.Value }

func newNetwork(name string) network {
	return network{
		expr.Param(name+"kernel", shape{9, 2, 4}), expr.Param(name+"gain", shape{1, 1, 4}), expr.Param(name+"query", shape{1, 4, 2}),
		expr.Param(name+"head", shape{1, 4, 1}),
	}
}

func (n network) params() []*expr.Value { return []*expr.Value{n.kernel, n.gain, n.query, n.head} }

func (n network) frozen() network {
	return network{expr.Stop(n.kernel), expr.Stop(n.gain), expr.Stop(n.query), expr.Stop(n.head)}
}

func (n network) energy(x *expr.Value) *expr.Value {
	mean := expr.Affine(expr.Sum(n.kernel, shape{1, 1, 4}), 1.0/18, 0)
	centred := expr.Sub(n.kernel, mean)
	variance := expr.Affine(expr.Sum(expr.Mul(centred, centred), shape{1, 1, 4}), 1.0/17, 0)
	standardised := expr.Mul(centred, expr.Pow(expr.Affine(expr.Pow(variance, 0.5), 1, 1e-5), -1))
	h := expr.Conv(expr.Affine(x, 2, -1), standardised)
	h = expr.Swish(expr.Mul(n.gain, expr.Normalise(h, 2, 1e-5)), 0)
	h = expr.Pool(h)
	query := expr.Conv(h, n.query)
	attention := expr.MatMul(expr.Softmax(expr.MatMul(query, query, false, true)), h, false, false)
	h = expr.Add(h, attention)
	return expr.Total(expr.Conv(h, n.head))
}

// descend is clamp(x - λ ∇E(x), 0, 1).
func descend(n network, x *expr.Value, lambda float64) *expr.Value {
	return expr.Clamp(expr.Sub(x, expr.Affine(expr.Grad(n.energy(x), x)[0], lambda, 0)), 0, 1)
}

// TestMixedDerivative: ∇θ of what the end of a gradient step amounts to for an energy held fixed and for the distance to the nearest
// reference image, by finite differences.
func TestMixedDerivative(t *testing.T) {
	x, references := expr.Input("x", image), expr.Param("references", shape{4, 20, 2})
	live, fixed := newNetwork(""), newNetwork("fixed_")
	end := descend(live, x, 0.3)
	loss := func(outer network) *expr.Value {
		difference := expr.Sub(end, expr.Nearest(end, references, 2))
		entropy := expr.Affine(expr.BatchMean(expr.Log(expr.Total(expr.Mul(difference, difference)))), -0.5, 0)
		return expr.Add(expr.BatchMean(outer.energy(end)), entropy)
	}
	n := random(3, 0, 1, loss(fixed), loss(live))
	for _, p := range live.params() { // the same network twice
		n["fixed_"+p.Attr().Name] = n[p.Attr().Name]
	}
	clamped := 0
	for _, v := range eval(t, n, end)[0] {
		if v == 0 || v == 1 {
			clamped++
		}
	}
	if total := batch * image.Size(); clamped < total/20 || clamped > total/2 {
		t.Fatalf("the clamp acts on %d of %d intensities: the test wants some", clamped, total)
	}
	checkGrad(t, loss(fixed), n, live.params()...)

	separate := eval(t, n, expr.Grad(loss(fixed), live.params()...)...)
	stopped := eval(t, n, expr.Grad(loss(live.frozen()), live.params()...)...)
	both := eval(t, n, expr.Grad(loss(live), live.params()...)...)
	for i, p := range live.params() {
		allNear(t, "Stop: "+p.Attr().Name, stopped[i], separate[i], 1e-12)
		if d := dotNumbers(both[i], both[i]) - dotNumbers(stopped[i], stopped[i]); d*d < 1e-12 {
			t.Errorf("%s: Stop changes nothing", p.Attr().Name)
		}
	}
}

// TestVectorTimesMixedDerivative: ∇θ⟨v, ∇x E(x)⟩ = d/dh ∇θ E(x + h·v).
func TestVectorTimesMixedDerivative(t *testing.T) {
	x, v, e := expr.Input("x", image), expr.Input("v", image), newNetwork("")
	energy := expr.BatchSum(e.energy(x))
	mixed := expr.Grad(dot(v, expr.Grad(energy, x)[0]), e.params()...)
	n := random(4, -1, 1, append(mixed, energy)...)
	got := eval(t, n, mixed...)
	const h = 1e-4
	up := eval(t, n.shifted("x", h, n["v"]), expr.Grad(energy, e.params()...)...)
	down := eval(t, n.shifted("x", -h, n["v"]), expr.Grad(energy, e.params()...)...)
	for i, p := range e.params() {
		want := make([]float64, len(up[i]))
		for j := range want {
			want[j] = (up[i][j] - down[i][j]) / (2 * h)
		}
		allNear(t, p.Attr().Name, got[i], want, 1e-6)
	}
}

// TestUnrolledChain differentiates the end of three Langevin steps with respect to the parameters, the start and the noise.
func TestUnrolledChain(t *testing.T) {
	start, e := expr.Input("x", image), newNetwork("")
	x, leaves := start, []*expr.Value{start}
	for step := range 3 {
		noise := expr.Gaussian(fmt.Sprint("noise", step), image)
		x = descend(e, expr.Add(x, expr.Affine(noise, 0.05, 0)), 0.02)
		leaves = append(leaves, noise)
	}
	end := expr.BatchMean(expr.Add(e.energy(x), expr.Total(expr.Mul(x, expr.Input("target", image)))))
	n := random(5, 0.1, 0.9, end)
	checkGrad(t, end, n, append(leaves, e.params()...)...)
}

// TestEachImageByItself: an image's energy, gradient and end of a step do not depend on the others in the batch.
func TestEachImageByItself(t *testing.T) {
	x, e := expr.Input("x", image), newNetwork("")
	outputs := []*expr.Value{e.energy(x), expr.Grad(e.energy(x), x)[0], descend(e, x, 0.3)}
	n := random(6, 0, 1, outputs...)
	before := eval(t, n, outputs...)
	moved := make([]float64, batch*image.Size())
	for i := range image.Size() {
		moved[image.Size()+i] = 0.01 * float64(i) // the second image
	}
	after := eval(t, n.shifted("x", 1, moved), outputs...)
	for i, v := range outputs {
		one := v.Shape().Size()
		allNear(t, "first image", after[i][:one], before[i][:one], 0)
		allNear(t, "third image", after[i][2*one:], before[i][2*one:], 0)
		if after[i][one] == before[i][one] {
			t.Error("the second image's result has not changed")
		}
	}
}
