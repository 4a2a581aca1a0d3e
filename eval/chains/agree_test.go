package chains

import (
	"slices"
	"testing"
)

// Chains that never move, each in a place of its own, do not agree.
func TestStuckChainsDoNotAgree(t *testing.T) {
	for second, agree := range map[float64]bool{1: true, 2: false} {
		trace, err := NewTrace("energy", [][]float64{slices.Repeat([]float64{1}, 100), slices.Repeat([]float64{second}, 100)})
		if r := (&Report{Recording: Recording{Traces: []Trace{trace}}}); err != nil || r.Agree() != agree {
			t.Errorf("1 and %v: agree %v, %v", second, r.Agree(), err)
		}
	}
}
