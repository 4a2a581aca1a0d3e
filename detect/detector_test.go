package detect_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/model"
)

// measurements are of n images with normal energies of mean 2 and spread 3, two scales.
func measurements(n int, seed uint64) []model.Measurement {
	s := rng.New(seed)
	list := make([]model.Measurement, n)
	for i := range list {
		e := 2 + 3*float64(s.Normal())
		list[i] = model.Measurement{Energy: e, Scales: []float64{e / 4, 3 * e / 4}, Norm: math.Exp(float64(s.Normal()))}
	}
	return list
}

func mustCalibrate(t *testing.T, images []model.Measurement) *detect.Calibration {
	t.Helper()
	c, err := detect.CalibrateWith("good", images)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func named(t *testing.T, name string, scales int, c *detect.Calibration) *detect.Detector {
	t.Helper()
	d, err := detect.Named(name, scales, c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Each detector scores what it says, the reference images of those that need some stay out of their distribution, and all of it
// survives the model file.
func TestCalibration(t *testing.T) {
	const n = 4000
	c := mustCalibrate(t, measurements(n, 1))
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := json.Marshal(mustCalibrate(t, measurements(n, 1))); string(again) != string(text) {
		t.Error("equal calibrations have other bytes")
	}
	read := new(detect.Calibration)
	if err := json.Unmarshal(text, read); err != nil {
		t.Fatal(err)
	}
	if read.Data != "good" || read.Images != n || read.Scales() != 2 || math.Abs(read.MedianNorm()-1) > 0.1 {
		t.Errorf("read %q, %d images, %d scales, median norm %v", read.Data, read.Images, read.Scales(), read.MedianNorm())
	}
	// A detector has had another name.
	old := new(detect.Calibration)
	if err := json.Unmarshal([]byte(strings.Replace(string(text), "gradient-norm", "score-norm", 1)), old); err != nil {
		t.Fatal(err)
	}
	if again, _ := json.Marshal(old); string(again) != string(text) {
		t.Error("a calibration with the old name of a detector is another")
	}

	for _, s := range c.Summary(0.0001, 0.01) {
		d := named(t, s.Detector, 2, c)
		if len(s.Rates) != 1 || s.Rates[0].Rate != 0.01 || s.Rates[0].Threshold != d.Distribution.Threshold(0.01) || s.Images != len(d.Distribution.Scores()) ||
			s.Smallest != 1/float64(s.Images+1) || s.Rates[0].Low >= 0.01 || s.Rates[0].High <= 0.01 {
			t.Errorf("summary %+v", s)
		}
	}

	m := model.Measurement{Energy: 8, Scales: []float64{1.5, 6.5}, Norm: math.Exp(1)}
	for _, want := range []struct {
		name          string
		score, p      float64
		images        int
		tolerance, pT float64
	}{
		{"energy", 8, 0.0228, n, 0, 0.01},
		{"scale:1", 1.5, 0.5 * math.Erfc(4.0/3/math.Sqrt2), n, 0, 0.02},
		{"scale:2", 6.5, 0.5 * math.Erfc(20.0/9/math.Sqrt2), n, 0, 0.01},
		{"typicality", 6, 0.0455, n - n/5, 0.5, 0.02},
		{"gradient-norm", math.Exp(1), 0.1587, n, 1e-6, 0.02},
		{"combined", 3, 0.5 * math.Erfc(1.5), n - n/5, 0.25, 0.01},
	} {
		for _, calibration := range []*detect.Calibration{c, read} {
			d := named(t, want.name, 2, calibration)
			score := d.Score(m)
			if math.Abs(score-want.score) > want.tolerance || len(d.Distribution.Scores()) != want.images {
				t.Errorf("%s: score %v of %d images, want %v of %d", want.name, score, len(d.Distribution.Scores()), want.score, want.images)
			}
			if p := d.Distribution.P(score); math.Abs(p-want.p) > want.pT {
				t.Errorf("%s: p %v, want about %v", want.name, p, want.p)
			}
		}
		if a, b := named(t, want.name, 2, c), named(t, want.name, 2, read); a.Score(m) != b.Score(m) ||
			!slices.Equal(a.Distribution.Scores(), b.Distribution.Scores()) {
			t.Errorf("%s: not the same when read again", want.name)
		}
	}

	// Most energies alike: there is a median, but no spread.
	flat := measurements(40, 1)
	for i := range flat {
		flat[i].Energy = 5
	}
	d := named(t, "combined", 2, mustCalibrate(t, flat))
	if s := d.Score(m); math.IsNaN(s) || math.IsInf(s, 0) {
		t.Errorf("combined score %v of energies without spread", s)
	}
}

func TestRefuses(t *testing.T) {
	bad := measurements(30, 1)
	bad[7].Norm = math.NaN()
	for words, images := range map[string][]model.Measurement{"want 20 to 1000000": measurements(19, 1), "image 7": bad, "0 images": nil} {
		if _, err := detect.CalibrateWith("x", images); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("error %v, want one with %q", err, words)
		}
	}
	for _, c := range []struct {
		name   string
		scales int
		words  string
	}{
		{"enrgy", 1, "want one of energy, typicality, gradient-norm, combined"},
		{"scale:1", 1, "the model has one scale"},
		{"scale:4", 3, "scale:3"},
		{"typicality", 1, "not calibrated"},
	} {
		if _, err := detect.Named(c.name, c.scales, nil); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.words)
		}
	}
	c := mustCalibrate(t, measurements(30, 1))
	for scales, words := range map[int]string{1: "one of 2 scales, its energy has 1", 3: "one of 2 scales, its energy has 3"} {
		for _, k := range detect.Kinds(scales) {
			if _, err := detect.Named(k.Name, scales, c); !errors.Is(err, detect.ErrNotCalibrated) || !strings.Contains(err.Error(), words) {
				t.Errorf("%s of %d scales, calibrated with two: %v", k.Name, scales, err)
			}
		}
	}
	text, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal([]byte(strings.Replace(string(text), "scale:2", "scale:x", 1)), c)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := detect.Named("scale:2", 2, c); err == nil || !strings.Contains(err.Error(), "scale:2 is not in its calibration") {
		t.Errorf("a detector that is not calibrated: %v", err)
	}
	for _, scales := range []string{"-1", "-3", "1000000", "4611686018427387904"} {
		changed := strings.Replace(string(text), `"scales":2`, `"scales":`+scales, 1)
		for _, name := range []string{"typical-set", "other"} { // what else looks at the scales
			err := json.Unmarshal([]byte(strings.Replace(changed, "typical-set", name, 1)), new(detect.Calibration))
			if err == nil || !strings.Contains(err.Error(), "of "+scales+" scales") {
				t.Errorf("of %s scales, with %s: %v", scales, name, err)
			}
		}
	}
	for _, text := range []string{`{"version":2}`, `{"version":1,"scores":[{"detector":"energy","scores":"AAA="}]}`, `{"version":1,"scores":[{"detector":"energy","scores":"AADAfw=="}]}`, `[]`,
		`{"version":1,"scores":[{"detector":"energy","scores":"*"}]}`} {
		if err := json.Unmarshal([]byte(text), new(detect.Calibration)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
