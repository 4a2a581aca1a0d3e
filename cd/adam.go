package cd

import "math"

// Adam is the optimiser of Kingma and Ba, "Adam: a method for stochastic optimization" (2015), on one flat vector of parameters:
//
//	m ← β₁m + (1-β₁)g;   v ← β₂v + (1-β₂)g²
//	θ ← θ - lr·(m/(1-β₁ᵗ)) / (√(v/(1-β₂ᵗ)) + ε)
type Adam struct {
	Beta1, Beta2, Epsilon float64
	Mean, Square          []float32 // m, v
	Updates               int64     // t
}

// Update moves the parameters by one step against the gradient, on so many threads; 0 means one a core.
func (a *Adam) Update(parameters, gradient []float32, learningRate float64, threads int) {
	if a.Mean == nil {
		a.Mean, a.Square = make([]float32, len(parameters)), make([]float32, len(parameters))
	}
	a.Updates++
	t := float64(a.Updates)
	rate := float32(learningRate / (1 - math.Pow(a.Beta1, t)))
	correction := float32(1 / math.Sqrt(1-math.Pow(a.Beta2, t)))
	b1, b2, eps := float32(a.Beta1), float32(a.Beta2), float32(a.Epsilon)
	inBlocks(len(gradient), threads, func(_, from, to int) {
		mean, square, parameters := a.Mean[from:to], a.Square[from:to], parameters[from:to]
		for i, g := range gradient[from:to] {
			m := b1*mean[i] + (1-b1)*g
			v := b2*square[i] + (1-b2)*g*g
			mean[i], square[i] = m, v
			parameters[i] -= rate * m / (float32(math.Sqrt(float64(v)))*correction + eps)
		}
	})
}
