package scoremap

// This file finds the regions of a map that stand out: connected sets of pixels above a threshold, two pixels being neighbours if they
// share a side or a corner.

import "slices"

// Region is a connected set of pixels above a threshold.
type Region struct {
	X, Y, Width, Height int     // of the smallest rectangle that holds it
	Pixels              int     // in it
	Score               float64 // the highest in it
}

// Regions are those above a threshold, of the highest score first.
func (m *Map) Regions(threshold float64) []Region {
	above := make([]uint8, len(m.Values))
	for i, v := range m.Values {
		if float64(v) > threshold {
			above[i] = 1
		}
	}
	labels, n := Components(above, m.Height, m.Width)
	regions := make([]Region, n)
	for i, label := range labels {
		if label == 0 {
			continue
		}
		x, y, r := i%m.Width, i/m.Width, &regions[label-1]
		if r.Pixels == 0 {
			*r = Region{X: x, Y: y, Width: 1, Height: 1, Score: float64(m.Values[i])}
		}
		right, bottom := max(r.X+r.Width, x+1), max(r.Y+r.Height, y+1)
		r.X, r.Y = min(r.X, x), min(r.Y, y)
		r.Width, r.Height = right-r.X, bottom-r.Y
		r.Pixels++
		r.Score = max(r.Score, float64(m.Values[i]))
	}
	slices.SortStableFunc(regions, func(a, b Region) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	return regions
}

// Components numbers the connected components of the pixels of a mask (H,W) that are not 0, from 1 in the order of their first pixels; other
// pixels have the label 0. Pixels that share a side or a corner are connected.
func Components(mask []uint8, h, w int) (labels []int32, n int) {
	labels = make([]int32, h*w)
	var stack []int
	for first := range mask {
		if mask[first] == 0 || labels[first] != 0 {
			continue
		}
		n++
		labels[first] = int32(n)
		for stack = append(stack[:0], first); len(stack) > 0; {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for y := max(at/w-1, 0); y <= min(at/w+1, h-1); y++ {
				for x := max(at%w-1, 0); x <= min(at%w+1, w-1); x++ {
					if p := y*w + x; mask[p] != 0 && labels[p] == 0 {
						labels[p] = int32(n)
						stack = append(stack, p)
					}
				}
			}
		}
	}
	return labels, n
}
