package dataset

import "github.com/joule-ebm/joule/engine/rng"

// streamDequantise keeps the random numbers of batches apart from every other use of the same seed.
const streamDequantise = 100

// Batch is the i-th batch of n images, dequantised: N,H,W,C in [0, 1), in the order of [Set.At], with their labels (nil if the
// set has none). It is a function of its arguments alone.
func (s *Set) Batch(seed, i uint64, n int) (images []float32, labels []int32) {
	pixels := make([]uint8, 0, n*s.Size().Len())
	for k := range uint64(n) {
		at := s.At(seed, i*uint64(n)+k)
		pixels = append(pixels, s.Image(at)...)
		if s.Labels != nil {
			labels = append(labels, s.Labels[at])
		}
	}
	images = make([]float32, len(pixels))
	noise := rng.New(seed, streamDequantise, i)
	Dequantise(images, pixels, &noise)
	return images, labels
}
