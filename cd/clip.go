package cd

import "math"

// Norm is the Euclidean norm of a vector.
func Norm(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// ClipNorm scales a gradient down to the given norm if it is longer (Pascanu et al. 2013), as PyTorch's clip_grad_norm_ does:
//
//	g ← g·min(1, limit/(‖g‖ + 1e-6))
//
// and returns the norm it had. A limit of 0 or less leaves it alone.
func ClipNorm(gradient []float32, limit float64) float64 {
	norm := Norm(gradient)
	if scale := limit / (norm + 1e-6); limit > 0 && scale < 1 {
		for i := range gradient {
			gradient[i] *= float32(scale)
		}
	}
	return norm
}
