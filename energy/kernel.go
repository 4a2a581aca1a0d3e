package energy

// This file says what becomes of the kernel of a convolution before it is used.

import "github.com/joule-ebm/joule/expr"

// Kernel names what is done to the kernels of residual blocks. The empty string means StandardisedKernel.
type Kernel string

// The choices: weight standardisation is the paper's, spectral normalisation its predecessors'.
const (
	StandardisedKernel Kernel = "standardised"
	SpectralKernel     Kernel = "spectral"
	PlainKernel        Kernel = "plain"
)

// Of is the kernel made of the weights w, taps × inputs × outputs.
func (k Kernel) Of(w *expr.Value) *expr.Value {
	switch k {
	case PlainKernel:
		return w
	case SpectralKernel:
		return SpectralNorm(w)
	}
	return Standardise(w)
}

// Standardise gives the n = taps × inputs weights of each output channel mean 0 and standard deviation 1:
//
//	ŵ = (w - μ) / (s + 10⁻⁵)        s² = Σ (w - μ)² / (n - 1)
//
// Source: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization" (2019).
func Standardise(w *expr.Value) *expr.Value {
	if expr.Err(w) != nil {
		return w
	}
	n, perOutput := float64(w.Shape()[0]*w.Shape()[1]), w.Shape().Channels()
	mean := expr.Affine(expr.Sum(w, perOutput), 1/n, 0)
	centred := expr.Sub(w, mean)
	variance := expr.Affine(expr.Sum(expr.Mul(centred, centred), perOutput), 1/(n-1), 0)
	return expr.Mul(centred, expr.Pow(expr.Affine(expr.Pow(variance, 0.5), 1, 1e-5), -1))
}

// SpectralNorm divides a kernel, as a matrix of outputs × (taps·inputs), by its largest singular value σ:
//
//	ŵ = w / σ        σ = uᵀ w v,
//
// u and v the leading singular vectors, held fixed in derivatives. Source: Miyato et al., "Spectral Normalization for Generative
// Adversarial Networks" (2018).
func SpectralNorm(w *expr.Value) *expr.Value {
	sigma := expr.Total(expr.Mul(w, expr.Stop(expr.Singular(w))))
	return expr.Mul(w, expr.Pow(sigma, -1))
}
