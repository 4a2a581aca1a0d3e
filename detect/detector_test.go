package detect_test

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/expr"
)

// network is a small network with random weights.
func network(t *testing.T, name string, o energy.Options) (*energy.Energy, map[string][]float32) {
	t.Helper()
	e, err := energy.New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	params, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	return e, energy.InitialValues(params.Specs(), 3)
}

func newMeter(t *testing.T, e *energy.Energy, params map[string][]float32) *detect.Meter {
	t.Helper()
	m, err := detect.NewMeter(&cpu.Engine{Threads: 1}, e, params, true)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func noise(n int) []uint8 {
	pixels, s := make([]uint8, n), rng.New(5)
	for i := range pixels {
		pixels[i] = uint8(s.IntN(256))
	}
	return pixels
}

// Energies are those of package eval, those of the scales add up to them, and gradients are slopes of the energy, for a single class
// and for the mixture.
func TestMeter(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name string
		o    energy.Options
	}{
		{"quick", energy.Options{Filters: 4, Image: expr.Shape{12, 12, 1}}},
		{"quick", energy.Options{Filters: 4, Image: expr.Shape{12, 12, 1}, Classes: 3}},
		{"cifar10", energy.Options{Filters: 4, Image: expr.Shape{16, 16, 3}, MultiScale: true}},
		{"cifar10", energy.Options{Filters: 4, Image: expr.Shape{16, 16, 3}, MultiScale: true, Classes: 2}},
	} {
		e, params := network(t, c.name, c.o)
		meter := newMeter(t, e, params)
		if scales, err := detect.Scales(e); err != nil || scales != meter.Scales() || (scales == 3) != c.o.MultiScale {
			t.Fatalf("%d scales, %v; the meter has %d", scales, err, meter.Scales())
		}
		scorer, err := eval.NewScorer(&cpu.Engine{Threads: 1}, e, params)
		if err != nil {
			t.Fatal(err)
		}
		size := e.Image.Size()
		pixels := noise(3 * size)
		labels := []int{eval.AnyLabel}
		if e.Classes > 0 {
			labels = append(labels, 1)
		}
		for _, label := range labels {
			want, err := scorer.Score(ctx, pixels, label)
			if err != nil {
				t.Fatal(err)
			}
			got, err := meter.Measure(ctx, pixels, label)
			if err != nil {
				t.Fatal(err)
			}
			gradients, err := meter.Gradients(ctx, pixels, label)
			if err != nil {
				t.Fatal(err)
			}
			for i, m := range got {
				if math.Abs(m.Energy-want[i]) > 1e-6 {
					t.Errorf("%s, label %d: energy %v, want %v", c.name, label, m.Energy, want[i])
				}
				sum := 0.0
				for _, s := range m.Scales {
					sum += s
				}
				if e.Classes == 0 && math.Abs(sum-m.Energy) > 1e-6 {
					t.Errorf("%s: scales %v, energy %v", c.name, m.Scales, m.Energy)
				}

				squares := 0.0
				for q := range size {
					g := 0.0
					for _, scale := range gradients {
						g += float64(scale[i*size+q])
					}
					squares += g * g
				}
				if math.Abs(m.Norm-math.Sqrt(squares)) > 1e-9*m.Norm {
					t.Errorf("%s: norm %v of a gradient of length %v", c.name, m.Norm, math.Sqrt(squares))
				}
				p := i*size + size/2
				beside := func(step int) float64 {
					moved := slices.Clone(pixels)
					moved[p] = uint8(128 + step)
					energies, err := scorer.Score(ctx, moved, label)
					if err != nil {
						t.Fatal(err)
					}
					return energies[i]
				}
				pixels[p] = 128
				at, err := meter.Gradients(ctx, pixels, label)
				if err != nil {
					t.Fatal(err)
				}
				slope := 0.0
				for _, scale := range at {
					slope += float64(scale[p])
				}
				if fd := (beside(8) - beside(-8)) / (16.0 / 256); math.Abs(slope-fd) > 0.03*math.Abs(fd)+2e-4 {
					t.Errorf("%s, label %d: slope %v, by differences %v", c.name, label, slope, fd)
				}
			}
		}
		if _, err := meter.Measure(ctx, pixels, e.Classes); err == nil {
			t.Errorf("%s: a label out of range is no error", c.name)
		}
		if _, err := meter.Measure(ctx, pixels[1:], eval.AnyLabel); err == nil {
			t.Errorf("%s: a part of an image is no error", c.name)
		}
	}
}

// measurements are of n images with normal energies of mean 2 and spread 3, two scales.
func measurements(n int, seed uint64) []detect.Measurement {
	s := rng.New(seed)
	list := make([]detect.Measurement, n)
	for i := range list {
		e := 2 + 3*float64(s.Normal())
		list[i] = detect.Measurement{Energy: e, Scales: []float64{e / 4, 3 * e / 4}, Norm: math.Exp(float64(s.Normal()))}
	}
	return list
}

func mustCalibrate(t *testing.T, images []detect.Measurement) *detect.Calibration {
	t.Helper()
	c, err := detect.Calibrate("good", images)
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
	if read.Data != "good" || read.Images != n || read.Scales() != 2 || math.Abs(read.UsualNorm()-1) > 0.1 {
		t.Errorf("read %q, %d images, %d scales, usual norm %v", read.Data, read.Images, read.Scales(), read.UsualNorm())
	}
	m := detect.Measurement{Energy: 8, Scales: []float64{1.5, 6.5}, Norm: math.Exp(1)}
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
		{"score-norm", math.Exp(1), 0.1587, n, 1e-6, 0.02},
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
	for words, images := range map[string][]detect.Measurement{"want 20 to 1000000": measurements(19, 1), "image 7": bad, "0 images": nil} {
		if _, err := detect.Calibrate("x", images); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("error %v, want one with %q", err, words)
		}
	}
	for _, c := range []struct {
		name   string
		scales int
		words  string
	}{
		{"enrgy", 1, "want one of energy, typicality, score-norm, combined"},
		{"scale:1", 1, "the model has one scale"},
		{"scale:4", 3, "scale:3"},
		{"typicality", 1, "needs a calibrated model"},
	} {
		if _, err := detect.Named(c.name, c.scales, nil); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.words)
		}
	}
	if _, err := detect.Named("scale:3", 3, mustCalibrate(t, measurements(30, 1))); err == nil || !strings.Contains(err.Error(), "not in the model's calibration") {
		t.Errorf("a detector that is not calibrated: %v", err)
	}
	for _, text := range []string{`{"version":2}`, `{"version":1,"scores":[{"detector":"energy","scores":"AAA="}]}`, `{"version":1,"scores":[{"detector":"energy","scores":"AADAfw=="}]}`, `[]`,
		`{"version":1,"scores":[{"detector":"energy","scores":"*"}]}`} {
		if err := json.Unmarshal([]byte(text), new(detect.Calibration)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
