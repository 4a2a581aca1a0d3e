package mcmc

import (
	"errors"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/expr"
)

// MALA is the Metropolis-adjusted Langevin algorithm in the box [0, 1]: Langevin dynamics that is exact in the limit. For p(x) ∝
// exp(-E(x)/T) it proposes
//
//	y = x - h ∇E(x)/T + √(2h) N(0, I)        q(y|x) ∝ exp(-‖y - x + h ∇E(x)/T‖²/4h)
//
// and accepts y with probability min(1, p(y) q(x|y) / p(x) q(y|x)). A coordinate of y beyond a wall of the box is reflected to R(y),
// -y or 2 - y. The way back to x then hits the same wall, so that its density is q(R(x)|R(y)): with it, each way from x by some walls
// is in balance with its reverse. A proposal further than a box's width outside is refused.
//
// [Langevin] of step size λ and noise σ makes these moves without the test: λ = h/T, σ = √(2h), and T = σ²/2λ. (The paper's λ = 100
// and σ = 0.001 are h = 5·10⁻⁷ at T = 5·10⁻⁹: next to a descent.) [HMC] of one leapfrog ε = √(2h) is the same sampler.
//
// Sources: Roberts and Tweedie, "Exponential convergence of Langevin distributions and their discrete approximations" (1996); for
// energies of images Du et al., "Reduce, Reuse, Recycle" (2023).
type MALA struct {
	StepSize    float64 // h: half the variance of a proposal, in squared units of intensity
	Temperature float64 // T
}

func newMALA(o Options) (Sampler, error) {
	if o.Anneal {
		return nil, errors.New("anneal is true: the noise of mala is that of its step size")
	}
	if o.Coarse != 0 {
		return nil, fmt.Errorf("coarse is %v: mala goes as far in what is coarse as in details", o.Coarse)
	}
	m := MALA{StepSize: o.StepSize, Temperature: o.Temperature}
	return m, m.check()
}

func (m MALA) check() error {
	if !(m.StepSize > 0 && m.StepSize < 1) {
		return fmt.Errorf("step_size is %v: with mala, want more than 0 and less than 1, such as 0.0001", m.StepSize)
	}
	return checkTemperature(m.Temperature)
}

// State is empty.
func (MALA) State(expr.Shape) []Variable { return nil }

// Noise is a number for each pixel and a uniform one for the decision.
func (MALA) Noise(name string, image expr.Shape) []*expr.Value {
	return []*expr.Value{expr.Gaussian(name, image), expr.Uniform(name+"_accept", expr.Scalar)}
}

// Step is one proposal and its acceptance.
func (m MALA) Step(energy Energy, x *expr.Value, _, noise []*expr.Value) Transition {
	if err := m.check(); err != nil {
		return invalid(err)
	}
	h, beta := m.StepSize, 1/m.Temperature
	drift := func(x *expr.Value) *expr.Value { return expr.Affine(expr.Grad(energy(x), x)[0], -h*beta, 0) }
	logq := func(move, x *expr.Value) *expr.Value { // log q(x + move | x), but for a constant
		d := expr.Sub(move, drift(x))
		return expr.Affine(expr.Total(expr.Mul(d, d)), -1/(4*h), 0)
	}
	move := expr.Add(drift(x), expr.Affine(noise[0], math.Sqrt(2*h), 0))
	proposal, turned, outside := reflect(expr.Add(x, move), move)
	back := expr.Affine(turned, -1, 0) // R(x) - R(y)
	// -log of p(y) q(x|y) / p(x) q(y|x).
	excess := expr.Add(
		expr.Affine(expr.Sub(energy(proposal), energy(x)), beta, 0),
		expr.Sub(logq(move, x), logq(back, proposal)))
	t := metropolis(x, proposal, outside, excess, noise[1])
	t.GradientAt = x
	return t
}

// Drift is h/T.
func (m MALA) Drift() Drift { return Drift{StepSize: m.StepSize / m.Temperature} }

// Schedule is empty.
func (MALA) Schedule(string, int) map[string][]float32 { return nil }
