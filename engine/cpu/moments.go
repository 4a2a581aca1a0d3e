package cpu

import "math"

// This file computes the statistics of normalisation (Ioffe and Szegedy 2015; for the pixels of one image Ulyanov et al. 2016, for groups of
// channels Wu and He 2018): of each channel's group of channels
//
//	μ = mean(x)        r = 1/√(σ² + eps)        σ² = mean((x - μ)²)
//
// over the pixels of an image and the channels of the group. σ² is taken about the mean, in a second pass: E[x²] - μ² would cancel where
// the mean is large. From the mean μ_c and variance σ_c² of each channel, in float64,
//
//	μ = mean(μ_c)        σ² = mean(σ_c² + (μ_c - μ)²)

// moments computes 2×C numbers for each image: of each channel's group the mean, and 1/√(variance + eps).
func moments(n *node) func(f *frame) {
	x := n.in[0]
	channels, groups, eps := x.shape[2], n.attr.N[0], n.attr.X[0]
	return func(f *frame) {
		for image := range f.images {
			out := f.at(n, image, 2*channels)
			mean, variance := out[:channels], out[channels:]
			f.kernels.Moments(mean, variance, f.at(x, image, x.shape.Size()))
			if size := channels / groups; size > 1 {
				for from := 0; from < channels; from += size {
					poolMoments(mean[from:][:size], variance[from:][:size])
				}
			}
			for i, v := range variance {
				variance[i] = float32(1 / math.Sqrt(float64(v)+eps))
			}
		}
	}
}

// poolMoments replaces the means and variances of a group's channels by those of the group.
func poolMoments(means, variances []float32) {
	mean, variance, n := 0.0, 0.0, float64(len(means))
	for _, m := range means {
		mean += float64(m)
	}
	mean /= n
	for i, m := range means {
		d := float64(m) - mean
		variance += d*d + float64(variances[i])
	}
	fill(means, float32(mean))
	fill(variances, float32(variance/n))
}
