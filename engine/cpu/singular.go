package cpu

import "math"

// This file finds the leading singular vectors of kernels, for spectral normalisation (Miyato et al. 2018), by power iteration:
//
//	v = Wᵀu/‖Wᵀu‖        u = Wv/‖Wv‖        σ = ‖Wv‖
//
// until σ stays, at most 200 times. It begins anew from the same u each time, so that the result is a function of the kernel alone.

// singular computes u⊗v of a kernel W, read as outputs × (taps·inputs), in float64.
func singular(n *node, dst, w []float32) {
	outputs := n.shape[2]
	u, v := make([]float64, outputs), make([]float64, len(w)/outputs)
	for i := range u { // any start with a share of the leading vector will do
		u[i] = 1 + math.Cos(float64(i))
	}
	normalise(u)
	previous := 0.0
	for range 200 {
		for k := range v {
			sum := 0.0
			for o, x := range w[k*outputs:][:outputs] {
				sum += float64(x) * u[o]
			}
			v[k] = sum
		}
		normalise(v)
		clear(u)
		for k, s := range v {
			for o, x := range w[k*outputs:][:outputs] {
				u[o] += float64(x) * s
			}
		}
		sigma := normalise(u)
		if math.Abs(sigma-previous) <= 1e-9*sigma {
			break
		}
		previous = sigma
	}
	for k, s := range v {
		for o := range outputs {
			dst[k*outputs+o] = float32(s * u[o])
		}
	}
}

// normalise divides x by its length, which it returns; zeros stay.
func normalise(x []float64) float64 {
	sum := 0.0
	for _, e := range x {
		sum += e * e
	}
	norm := math.Sqrt(sum)
	if norm > 0 {
		for i := range x {
			x[i] /= norm
		}
	}
	return norm
}
