package conformal_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/joule-ebm/joule/detect/conformal"
	"github.com/joule-ebm/joule/engine/rng"
)

// reference is written by testdata/make_reference.py, the figures by scipy.
type reference struct {
	PValues []struct {
		Name                   string
		Calibration, Scores, P []float64
	} `json:"p_values"`
	Adjusted []struct {
		Name string
		P, Q []float64
	}
	Ranges []struct {
		N                           int
		Rate, Confidence, Low, High float64
	}
	Conditional []struct {
		N      int
		Delta  float64
		Values []float64
	}
}

func readReference(t *testing.T) (r reference) {
	t.Helper()
	file, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.PValues) < 3 || len(r.Adjusted) < 5 || len(r.Ranges) < 12 || len(r.Conditional) < 8 {
		t.Fatal("cases are missing")
	}
	return r
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*math.Max(1e-3, math.Abs(want)) }

func mustNew(t *testing.T, scores []float64) *conformal.Distribution {
	t.Helper()
	d, err := conformal.New(scores)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ramp has the scores 1 to n.
func ramp(t *testing.T, n int) *conformal.Distribution {
	t.Helper()
	scores := make([]float64, n)
	for i := range scores {
		scores[i] = float64(n - i)
	}
	return mustNew(t, scores)
}

func TestAgreesWithSciPy(t *testing.T) {
	r := readReference(t)
	for _, c := range r.PValues {
		d := mustNew(t, c.Calibration)
		for i, s := range c.Scores {
			if got := d.P(s); !near(got, c.P[i]) {
				t.Errorf("%s: p(%v) = %v, want %v", c.Name, s, got, c.P[i])
			}
		}
	}
	for _, c := range r.Adjusted {
		for i, got := range conformal.Adjust(c.P) {
			if !near(got, c.Q[i]) {
				t.Errorf("%s: adjusted p-value %d is %v, want %v", c.Name, i, got, c.Q[i])
			}
		}
	}
	for _, c := range r.Ranges {
		if low, high := ramp(t, c.N).FalseAlarms(c.Rate, c.Confidence); !near(low, c.Low) || !near(high, c.High) {
			t.Errorf("%d images at %v: false alarms %v to %v, want %v to %v", c.N, c.Rate, low, high, c.Low, c.High)
		}
	}
	for _, c := range r.Conditional {
		d := ramp(t, c.N)
		for i, want := range c.Values {
			if got := d.Conditional(float64(i+1)/float64(c.N+1), c.Delta); !near(got, want) {
				t.Errorf("%d images, δ %v: conditional p-value %d is %v, want %v", c.N, c.Delta, i+1, got, want)
			}
		}
	}
}

// Rates that are no dyadic fractions lose no image to rounding, and the threshold says the same as the p-values.
func TestThreshold(t *testing.T) {
	for _, n := range []int{1, 9, 19, 99, 999} {
		d := ramp(t, n)
		for _, rate := range []float64{0.001, 0.01, 0.05, 0.07, 0.29, 0.5, 0.58, 1} {
			threshold, flagged := d.Threshold(rate), 0
			for s := 0; s <= n+1; s++ {
				if out := d.P(float64(s)) <= rate; out != (float64(s) > threshold) {
					t.Errorf("%d images at %v: score %d has p %v, the threshold is %v", n, rate, s, d.P(float64(s)), threshold)
				} else if out && s > 0 {
					flagged++
				}
			}
			// Scores 1 to n+1 are one in each gap: exactly ⌊rate (n+1)⌋ are flagged.
			if want := int(math.Floor(rate*float64(n+1) + 1e-9)); flagged != want {
				t.Errorf("%d images at %v: %d flagged, want %d", n, rate, flagged, want)
			}
			if have := n >= conformal.Needed(rate); have != (d.Smallest() <= rate) {
				t.Errorf("%d images at %v: needed are %d", n, rate, conformal.Needed(rate))
			}
		}
	}
}

// What the guarantees are about: calibrate and test anew many times, with heavily tied scores and without.
func TestGuarantees(t *testing.T) {
	const n, fresh, repeats, rate, delta = 199, 200, 600, 0.05, 0.1
	for _, levels := range []int{8, 1 << 30} {
		s := rng.New(7, uint64(levels))
		score := func() float64 { return float64(s.IntN(levels)) }
		alarms, inRange, broken, discoveries := 0, 0, 0, 0
		for range repeats {
			calibration := make([]float64, n)
			for i := range calibration {
				calibration[i] = score()
			}
			d := mustNew(t, calibration)
			low, high := d.FalseAlarms(rate, 0.9)
			// Scores are uniform, so that the false-alarm rate of this calibration set is known.
			truth := max(0, 1-(d.Threshold(rate)+1)/float64(levels))
			if low <= truth && truth <= high {
				inRange++
			}
			p, conditional := make([]float64, fresh), 0
			for i := range p {
				p[i] = d.P(score())
				if p[i] <= rate {
					alarms++
				}
				if d.Conditional(p[i], delta) <= 0.1 {
					conditional++
				}
			}
			if float64(conditional) > fresh*0.1+3*math.Sqrt(fresh*0.1*0.9) {
				broken++
			}
			for _, q := range conformal.Adjust(p) {
				if q <= 0.2 {
					discoveries++ // all images are in-distribution: any discovery makes the proportion of false ones 1
					break
				}
			}
		}
		// The standard error of the mean over repeats is that of the Beta distribution's: 0.0155/√600.
		if got := float64(alarms) / fresh / repeats; got > rate+3*0.0007 || levels > 1000 && got < rate-3*0.0007 {
			t.Errorf("%v levels: false-alarm rate %v, asked for %v", levels, got, rate)
		}
		if got := float64(inRange) / repeats; levels > 1000 && math.Abs(got-0.9) > 3*0.0123 {
			t.Errorf("the false-alarm rate was in its range in %v of the cases, want 0.9", got)
		}
		if got := float64(broken) / repeats; got > delta {
			t.Errorf("%v levels: conditional p-values broke their promise in %v of the cases, allowed are %v", levels, got, delta)
		}
		if got := float64(discoveries) / repeats; got > 0.2+3*0.0164 {
			t.Errorf("%v levels: false discoveries in %v of the cases, allowed are 0.2", levels, got)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, scores := range [][]float64{nil, {1, math.NaN()}, {math.Inf(1)}} {
		if _, err := conformal.New(scores); err == nil {
			t.Errorf("%v: no error", scores)
		}
	}
}
