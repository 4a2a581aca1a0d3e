package conformal

// This file chooses among many images at once. Calling out of distribution what has p ≤ α gives α false alarms for each in-distribution
// image, be there any others or none; the false-discovery rate is the expected share of in-distribution images among those called out of
// distribution, the discoveries. Conformal p-values
// that share their calibration scores depend on one another, but positively (PRDS), so that the procedure keeps its guarantee: Bates
// et al. (2023), theorem 2.
//
// Source: Benjamini and Hochberg, "Controlling the False Discovery Rate", J. Royal Statistical Society B 57 (1995).

import "slices"

// Adjust gives each of m p-values its adjusted one, the lowest false-discovery rate at which the procedure of Benjamini and Hochberg
// calls the image out of distribution:
//
//	q_(i) = min over j ≥ i of m p_(j)/j,     p_(1) ≤ ... ≤ p_(m)
//
// To call out of distribution what has q ≤ α keeps the false-discovery rate at or below α times the share of in-distribution images.
func Adjust(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	q, least := make([]float64, len(p)), 1.0
	for j, i := range slices.Backward(order) {
		least = min(least, float64(len(p))*p[i]/float64(j+1))
		q[i] = least
	}
	return q
}
