package detect

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/model"
)

// correlated are measurements whose two scales go together and whose length goes with neither.
func correlated(n int, seed uint64) []model.Measurement {
	list, s := make([]model.Measurement, n), rng.New(seed)
	for i := range list {
		a, b := float64(s.Normal()), 0.1*float64(s.Normal())
		list[i] = model.Measurement{Energy: 2*a + b, Scales: []float64{a, a + b}, Norm: math.Exp(float64(s.Normal())), Length: 5 + float64(s.Normal())/2}
	}
	return list
}

// Squared distances of normal statistics average to their number; what breaks a correlation is far though each figure of it is usual.
func TestTypicalSet(t *testing.T) {
	var rows [][]float64
	for _, m := range correlated(2000, 1) {
		rows = append(rows, statistics(m))
	}
	set, err := typicalSetOf(rows)
	if err != nil {
		t.Fatal(err)
	}
	mean := 0.0
	fresh := correlated(2000, 2)
	for _, m := range fresh {
		d := set.distance(statistics(m))
		mean += d * d / float64(len(fresh))
	}
	if mean < 3.4 || mean > 4.4 {
		t.Errorf("the mean of D² of 4 statistics is %.2f", mean)
	}
	for name, m := range map[string]model.Measurement{
		"scales that disagree":      {Scales: []float64{1, -1}, Norm: 1, Length: 5},
		"one colour":                {Scales: []float64{0, 0}, Norm: 1, Length: 0},
		"noise":                     {Scales: []float64{0, 0}, Norm: 1, Length: 8},
		"an energy that is too low": {Scales: []float64{-6, -6}, Norm: 1, Length: 5},
		"a flat energy":             {Scales: []float64{0, 0}, Norm: 0, Length: 5},
	} {
		if d := set.distance(statistics(m)); d < 5 {
			t.Errorf("%s: D = %.2f", name, d)
		}
	}
}

// With no more images than statistics, and with statistics that are all alike, there is still a distance.
func TestTypicalSetOfFew(t *testing.T) {
	for _, rows := range [][][]float64{{{1, 2, 3}}, {{0, 0, 0}, {0, 0, 0}}, {{1, 2, 3}, {2, 4, 6}, {3, 6, 9}}} {
		set, err := typicalSetOf(rows)
		if err != nil {
			t.Fatal(err)
		}
		near, far := set.distance(rows[0]), set.distance([]float64{100, -100, 100})
		if math.IsNaN(near) || !(far > near) {
			t.Errorf("%v: %v of one of them, %v of what is far", rows, near, far)
		}
	}
}

// A calibration whose typical set is not one of its scales is refused.
func TestTypicalSetOfOtherScales(t *testing.T) {
	c, err := CalibrateWith("images", correlated(100, 3))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, new(Calibration)); err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(string(text), `"scales":2`, `"scales":3`, 1)
	if err := json.Unmarshal([]byte(damaged), new(Calibration)); err == nil || !strings.Contains(err.Error(), "typical set") {
		t.Errorf("the error is %v", err)
	}
}
