package cpu

import "math"

// This file computes the statistics of normalisation (Ioffe and Szegedy 2015; for the pixels of one image Ulyanov et al. 2016, for groups of
// channels Wu and He 2018): of each channel's group of channels
//
//	μ = mean(x)        r = 1/√(σ² + eps)        σ² = mean((x - μ)²)
//
// over the pixels of an image and the channels of the group. σ² is taken about the mean, in a second pass, which cancels nothing. From the
// mean and variance of each channel, in float64,
//
//	μ = mean(μ_c)        σ² = mean(σ_c² + (μ_c - μ)²)

// moments computes the mean and 1/√(variance + eps) of each channel's group. The variance of a group is the mean of its channels'
// variances plus the variance of their means.
func moments(n *node) func(f *frame) {
	x := n.in[0]
	channels, groups, eps := x.shape[2], n.attr.N[0], n.attr.X[0]
	size := channels / groups
	return func(f *frame) {
		for image := range f.images {
			out := f.at(n, image, 2*channels)
			mean, variance := out[:channels], out[channels:]
			f.kernels.Moments(mean, variance, f.at(x, image, x.shape.Size()))
			if size > 1 {
				for from := 0; from < channels; from += size {
					m, v := mean[from:][:size], variance[from:][:size]
					centre, spread := 0.0, 0.0
					for _, x := range m {
						centre += float64(x)
					}
					centre /= float64(size)
					for i, x := range m {
						d := float64(x) - centre
						spread += d*d + float64(v[i])
					}
					fill(m, float32(centre))
					fill(v, float32(spread/float64(size)))
				}
			}
			for i, v := range variance {
				variance[i] = float32(1 / math.Sqrt(float64(v)+eps))
			}
		}
	}
}
