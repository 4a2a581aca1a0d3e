package chains

// This file compares two sets of numbers by their ranks: the test of Mann and Whitney,
//
//	U = Σ over pairs of [a > b] + ½[a = b]        z = (U - nm/2)/√(nm/12 ((n+m+1) - Σ(t³-t)/((n+m)(n+m-1)))),
//
// t being the sizes of ties. Figures agree with scipy.stats.mannwhitneyu(method="asymptotic", use_continuity=False).

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Ranks says how two sets of numbers compare.
type Ranks struct {
	Above float64 `json:"above"` // probability that a random number of the first set is above one of the second, ties counting half
	Z     float64 `json:"z"`     // standard deviations from ½; positive if the first is above
	P     float64 `json:"p"`     // probability of a |Z| as large if there were no difference
}

// Compare compares a with b.
func Compare(a, b []float64) (Ranks, error) {
	if len(a) == 0 || len(b) == 0 {
		return Ranks{}, errors.New("chains: nothing to compare")
	}
	type ranked struct {
		value float64
		first bool
	}
	var all []ranked
	for _, v := range a {
		all = append(all, ranked{v, true})
	}
	for _, v := range b {
		all = append(all, ranked{v, false})
	}
	for _, r := range all {
		if math.IsNaN(r.value) {
			return Ranks{}, errors.New("chains: a number to compare is NaN")
		}
	}
	slices.SortFunc(all, func(x, y ranked) int {
		switch {
		case x.value < y.value:
			return -1
		case x.value > y.value:
			return 1
		}
		return 0
	})
	n, m := float64(len(a)), float64(len(b))
	u, below, ties := 0.0, 0.0, 0.0 // below: numbers of b so far
	for i := 0; i < len(all); {
		first, second, j := 0.0, 0.0, i
		for ; j < len(all) && all[j].value == all[i].value; j++ {
			if all[j].first {
				first++
			} else {
				second++
			}
		}
		u += first * (below + second/2)
		below += second
		t := first + second
		ties += t*t*t - t
		i = j
	}
	r := Ranks{Above: u / n / m, P: 1}
	if variance := n * m / 12 * ((n + m + 1) - ties/(n+m)/(n+m-1)); variance > 0 {
		r.Z = (u - n*m/2) / math.Sqrt(variance)
		r.P = 2 * distuv.UnitNormal.Survival(math.Abs(r.Z))
	}
	return r, nil
}
