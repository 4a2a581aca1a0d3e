package cd

import "math"

// Norm is the Euclidean norm of a vector, computed on so many threads; 0 means one a core.
func Norm(v []float32, threads int) float64 {
	sums := make([]float64, blocks(len(v)))
	inBlocks(len(v), threads, func(block, from, to int) {
		var four [4]float64 // that need not wait for each other
		for i, x := range v[from:to] {
			four[i%4] += float64(x) * float64(x)
		}
		sums[block] = four[0] + four[1] + four[2] + four[3]
	})
	sum := 0.0
	for _, s := range sums {
		sum += s
	}
	return math.Sqrt(sum)
}

// ClipNorm scales a gradient down to the given norm if it is longer (Pascanu et al. 2013), as PyTorch's clip_grad_norm_ does:
//
//	g ← g·min(1, limit/(‖g‖ + 1e-6))
//
// and returns the norm it had. A limit of 0 or less leaves it alone. Threads as for Norm.
func ClipNorm(gradient []float32, limit float64, threads int) float64 {
	norm := Norm(gradient, threads)
	if scale := limit / (norm + 1e-6); limit > 0 && scale < 1 {
		inBlocks(len(gradient), threads, func(_, from, to int) {
			for i := range gradient[from:to] {
				gradient[from+i] *= float32(scale)
			}
		})
	}
	return norm
}
