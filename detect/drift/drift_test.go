package drift

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"testing"

	"github.com/joule-ebm/joule/detect/conformal"
	"github.com/joule-ebm/joule/engine/rng"
)

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*math.Max(1, math.Abs(want)) }

func TestAgreesWithSciPy(t *testing.T) {
	file, err := os.ReadFile("testdata/ks.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases struct {
		Tests []struct {
			Ranks       []float64
			Distance, P float64
		}
		Densities []struct{ A, B, U, F float64 }
	}
	if err := json.Unmarshal(file, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases.Tests) < 8 || len(cases.Densities) < 16 {
		t.Fatal("cases are missing")
	}
	for i, c := range cases.Tests {
		if distance, p := KolmogorovSmirnov(c.Ranks); !near(distance, c.Distance) || !near(p, c.P) {
			t.Errorf("test %d: distance %v, p %v; want %v, %v", i, distance, p, c.Distance, c.P)
		}
	}
	for _, c := range cases.Densities {
		if f := density(c.A, c.B, c.U); !near(f, c.F) {
			t.Errorf("Beta(%v,%v) at %v: %v, want %v", c.A, c.B, c.U, f, c.F)
		}
	}
}

// normals are n scores with a mean, spread 1; with few levels many are alike.
func normals(n int, mean float64, s *rng.Stream, step float64) []float64 {
	scores := make([]float64, n)
	for i := range scores {
		scores[i] = mean + float64(s.Normal())
		if step > 0 {
			scores[i] = step * math.Round(scores[i]/step)
		}
	}
	return scores
}

func watch(t *testing.T, calibration []float64, every float64) *Detector {
	t.Helper()
	c, err := conformal.New(calibration)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(c, every)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Without drift the ranks are uniform and independent however small the calibration set, however long the stream, ties or not; the
// conformal p-values themselves are not uniform on a long stream.
func TestRanksAreUniform(t *testing.T) {
	for _, c := range []struct {
		calibration int
		step        float64
	}{{30, 0}, {30, 0.25}, {3000, 0}} {
		s := rng.New(11, uint64(c.calibration))
		var ranks []float64
		small, uneven := 0, 0
		for range 100 {
			calibration := normals(c.calibration, 0, &s, c.step)
			d := watch(t, calibration, 1e12)
			var p []float64
			for _, score := range normals(400, 0, &s, c.step) {
				ranks = append(ranks, d.Add(score))
				p = append(p, d.calibration.P(score))
			}
			if _, p := d.Uniformity(); p < 0.05 {
				small++
			}
			if _, p := KolmogorovSmirnov(p); p < 0.05 {
				uneven++
			}
		}
		if distance, p := KolmogorovSmirnov(ranks); p < 0.001 {
			t.Errorf("%+v: ranks are not uniform: distance %v, p %v", c, distance, p)
		}
		if small > 12 {
			t.Errorf("%+v: %d of 100 streams have ranks that are not uniform", c, small)
		}
		if c.calibration == 30 && uneven < 50 {
			t.Errorf("%+v: conformal p-values looked uniform in %d of 100 streams: this test shows nothing", c, 100-uneven)
		}
		product := 0.0
		for i := range ranks[1:] {
			product += (ranks[i] - 0.5) * (ranks[i+1] - 0.5) * 12 / float64(len(ranks)-1)
		}
		if math.Abs(product) > 4/math.Sqrt(float64(len(ranks))) {
			t.Errorf("%+v: ranks of neighbours have correlation %v", c, product)
		}
	}
}

// With ties too the ranks are uniform and independent: three in a row fall into thirds of (0,1) in all ways as often.
func TestRanksOfTies(t *testing.T) {
	const times, ways = 27000, 27
	for _, c := range []struct{ calibration, stream []float64 }{
		{[]float64{0}, []float64{0, 0, 0}},
		{[]float64{0, 0, 0, 0}, []float64{0, 0, 0}},
	} {
		s := rng.New(15)
		var counts [ways]float64
		for range times {
			d := watch(t, c.calibration, 1e12)
			d.ties = tieBreakers(c.calibration, &s)
			way := 0
			for _, score := range c.stream {
				way = 3*way + int(3*d.rank(score, uniform(&s), uniform(&s)))
				d.s.Images++
			}
			counts[way]++
		}
		chi := 0.0
		for _, n := range counts {
			chi += (n - times/ways) * (n - times/ways) / (times / ways)
		}
		if chi > 54 { // one time in a thousand
			t.Errorf("%v: of %d times %v, χ² = %.0f", c.calibration, times, counts, chi)
		}
	}
}

// Without drift alarms are as rare as promised.
func TestFalseAlarms(t *testing.T) {
	const every, streams, most = 200, 300, 2000
	s := rng.New(12)
	images := 0
	for range streams {
		d := watch(t, normals(100, 0, &s, 0), every)
		for _, score := range normals(most, 0, &s, 0) {
			d.Add(score)
			if images++; d.State().Alarm != 0 {
				break
			}
		}
	}
	if mean := float64(images) / streams; mean < every {
		t.Errorf("an alarm every %v images, or later: want %v", mean, every)
	}
}

// A change is found, soon if it is large, and dated; by whichever bet fits.
func TestDrift(t *testing.T) {
	const before, every = 5000, 1e6
	for _, c := range []struct {
		name        string
		mean, scale float64
		soon        int64
	}{
		{"much higher", 3, 1, 40},
		{"higher", 0.7, 1, 400},
		{"lower", -1.5, 1, 150},
		{"at both ends", 0, 3, 250},
		{"in the middle", 0, 0.2, 250},
	} {
		s := rng.New(13)
		d := watch(t, normals(1000, 0, &s, 0), every)
		for _, score := range normals(before, 0, &s, 0) {
			d.Add(score)
		}
		if d.State().Alarm != 0 {
			t.Fatalf("%s: an alarm at image %d, before anything changed", c.name, d.State().Alarm)
		}
		for _, score := range normals(2000, 0, &s, 0) {
			d.Add(c.scale*score + c.mean)
		}
		got := d.State()
		if got.Alarm <= before || got.Alarm > before+c.soon {
			t.Errorf("%s: alarm at image %d, want one within %d after %d", c.name, got.Alarm, c.soon, before)
		}
		if got.Since < before-c.soon || got.Since > before+c.soon {
			t.Errorf("%s: changed since about image %d, want about %d", c.name, got.Since, before)
		}
	}
}

// A detector that is written down and read again in the middle goes on as if nothing had happened.
func TestState(t *testing.T) {
	s := rng.New(14)
	calibration, stream := normals(2000, 0, &s, 0), normals(1500, 0.2, &s, 0)
	whole, parts := watch(t, calibration, 100), watch(t, calibration, 100)
	for i, score := range stream {
		u := whole.Add(score)
		if i%333 == 0 {
			text, err := json.Marshal(parts.State())
			if err != nil {
				t.Fatal(err)
			}
			var read State
			if err := json.Unmarshal(text, &read); err != nil {
				t.Fatal(err)
			}
			parts = watch(t, calibration, 100)
			if err := parts.Restore(read); err != nil {
				t.Fatal(err)
			}
		}
		if got := parts.Add(score); got != u {
			t.Fatalf("image %d: rank %v, want %v", i, got, u)
		}
	}
	if !reflect.DeepEqual(whole.State(), parts.State()) || whole.State().Alarm == 0 {
		t.Error("other states in the end, or no alarm")
	}
	if len(whole.State().Counts) != mostGroups || len(whole.State().Latest) != Window {
		t.Errorf("%d groups, %d ranks kept", len(whole.State().Counts), len(whole.State().Latest))
	}
	if err := watch(t, calibration[:50], 100).Restore(whole.State()); err == nil {
		t.Error("a state of another calibration is no error")
	}
	for _, every := range []float64{0, 1, math.NaN(), math.Inf(1)} {
		if _, err := New(whole.calibration, every); err == nil {
			t.Errorf("an alarm every %v images is no error", every)
		}
	}
}
