package cpu

import "math"

// This file finds nearest neighbours by brute force: ‖x - reference‖² for every pair.

// nearest copies the k-th nearest reference image. Each reference is read once for all images of the tile; each image keeps a list of the k
// nearest so far, sorted by distance. Of references at one distance, the first is the nearer.
func nearest(n *node) func(f *frame) {
	x, refs, k := n.in[0], n.in[1], n.attr.N[0]
	size := x.shape.Size()
	type neighbour struct {
		distance float32
		index    int
	}
	return func(f *frame) {
		r := f.at(refs, 0, refs.shape.Size())
		near := make([]neighbour, f.images*k)
		for j := range refs.shape[0] {
			reference := r[j*size:][:size]
			for image := range f.images {
				d := f.kernels.SquaredDistance(f.at(x, image, size), reference)
				if d != d {
					d = float32(math.Inf(1))
				}
				known := near[image*k:][:min(j, k)]
				if len(known) < k {
					known = known[:j+1]
				} else if !(d < known[k-1].distance) {
					continue
				}
				at := len(known) - 1
				for ; at > 0 && d < known[at-1].distance; at-- {
					known[at] = known[at-1]
				}
				known[at] = neighbour{d, j}
			}
		}
		for image := range f.images {
			copy(f.at(n, image, size), r[near[image*k:][:k][k-1].index*size:])
		}
	}
}
