package chains

// This file looks for the training images nearest to samples: does the model repeat what it has seen? A distance alone says little,
// since smooth images are near to everything; so images that the model has not seen are measured in the same way. If samples lie
// nearer to training images than these do, the model copies. Source: Meehan, Chaudhuri and Dasgupta, "A non-parametric test to detect
// data-copying in generative models" (2020), whose statistic is z of [Compare] over whole sets.

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Neighbour is an image of a set.
type Neighbour struct {
	Index    int     `json:"index"`
	Distance float64 `json:"distance"` // root mean square difference of intensities in [0, 1]
}

// Nearest finds for each image of queries the k nearest images of set, nearest first, and of equally near ones the first. Both are
// bytes N,H,W,C of images of the given size. done, if not nil, is called from several goroutines after each query.
func Nearest(ctx context.Context, queries, set []uint8, size, k, threads int, done func()) ([][]Neighbour, error) {
	if size < 1 || len(queries)%size != 0 || len(set)%size != 0 || k < 1 || k > len(set)/size {
		return nil, fmt.Errorf("chains: the %d nearest of %d bytes to %d bytes, images of %d: want whole images, and as many as are asked for",
			k, len(set), len(queries), size)
	}
	found := make([][]Neighbour, len(queries)/size)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range max(1, min(threads, len(found))) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(found) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				found[i] = nearest(queries[i*size:][:size], set, k)
				if done != nil {
					done()
				}
			}
		})
	}
	wg.Wait()
	return found, ctx.Err()
}

func nearest(query, set []uint8, k int) []Neighbour {
	type candidate struct {
		index   int
		squared uint64
	}
	size := len(query)
	var best []candidate // sorted
	bound := uint64(math.MaxUint64)
	for j := range len(set) / size {
		d := squaredWithin(query, set[j*size:][:size], bound)
		if d >= bound {
			continue
		}
		place := len(best)
		for place > 0 && best[place-1].squared > d {
			place--
		}
		best = slices.Insert(best, place, candidate{j, d})
		if len(best) > k {
			best = best[:k]
		}
		if len(best) == k {
			bound = best[k-1].squared
		}
	}
	neighbours := make([]Neighbour, len(best))
	for i, c := range best {
		neighbours[i] = Neighbour{c.index, math.Sqrt(float64(c.squared)/float64(size)) / 256}
	}
	return neighbours
}

// squaredWithin is the squared distance, or bound or some more if it is not below that.
func squaredWithin(a, b []uint8, bound uint64) uint64 {
	const stretch = 64
	var sum uint64
	for len(a) > 0 && sum < bound {
		n := min(stretch, len(a))
		x, y := a[:n], b[:n]
		var part int32 // 64·255² fits
		for i, u := range x {
			d := int32(u) - int32(y[i])
			part += d * d
		}
		sum += uint64(part)
		a, b = a[n:], b[n:]
	}
	return sum
}

// nearestDistances are the distances of the nearest.
func nearestDistances(neighbours [][]Neighbour) []float64 {
	distances := make([]float64, len(neighbours))
	for i, n := range neighbours {
		distances[i] = n[0].Distance
	}
	return distances
}

// median is the middle number, or the mean of the middle two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// meanDistance is the mean distance of two different images: the first and the second, the third and the fourth, and so on. It is 0 of fewer
// than two.
func meanDistance(pixels []uint8, size int) float64 {
	total, pairs := 0.0, 0
	for ; len(pixels) >= 2*size; pixels = pixels[2*size:] {
		total += math.Sqrt(float64(squaredWithin(pixels[:size], pixels[size:2*size], math.MaxUint64))/float64(size)) / 256
		pairs++
	}
	return total / float64(max(pairs, 1))
}
