package detect_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// level is a model of 1x1 images whose energy is the intensity, times 256; with classes, times the class and one.
func level(classes int) *model.Model {
	image := expr.Shape{1, 1, 1}
	m := &model.Model{Config: model.Paper(), Params: map[string][]float32{"w": {256}}}
	m.Config.Network.Image = image[:]
	m.Energy = &energy.Energy{Image: image, Classes: classes, Build: func(p *energy.Params, x, label *expr.Value) []*expr.Value {
		e := expr.Mul(p.Get("w", image, energy.Init{}), x)
		for y := range classes {
			e = expr.Mul(e, expr.Affine(expr.Slice(label, y, y+1), float64(y), 1))
		}
		return []*expr.Value{e}
	}}
	return m
}

// calibrated has its calibration from the levels 0 to n-1.
func calibrated(t *testing.T, m *model.Model, n int) *model.Model {
	t.Helper()
	pixels := make([]uint8, n)
	for i := range pixels {
		pixels[i] = uint8(i)
	}
	c, err := detect.Calibrate(t.Context(), &cpu.Engine{}, m, "levels", pixels, nil)
	if err == nil {
		err = detect.Attach(m, c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newJudge(t *testing.T, m *model.Model, detector string, rule detect.Rule) *detect.Judge {
	t.Helper()
	j, err := detect.NewJudge(&cpu.Engine{}, m, detector, rule)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestJudge(t *testing.T) {
	m, pixels := calibrated(t, level(0), 99), []uint8{200, 97, 94, 0}
	judgements, err := newJudge(t, m, "energy", detect.Rule{FalseAlarms: 0.05}).Images(t.Context(), pixels, model.AnyLabel)
	if err != nil {
		t.Fatal(err)
	}
	careful, err := newJudge(t, m, "energy", detect.Rule{Confidence: 0.9}).Images(t.Context(), pixels, model.AnyLabel)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range []float64{0.01, 0.03, 0.06, 1} {
		j := judgements[i]
		if j.Energy != float32(pixels[i])+0.5 || j.Score != j.Energy || math.Abs(*j.P-p) > 1e-12 || *j.OutOfDistribution != (p <= 0.05) || j.Q != nil {
			t.Errorf("level %d: %+v, p %v, want %v", pixels[i], j, *j.P, p)
		}
		if c := careful[i]; *c.P <= p && p < 1 || c.OutOfDistribution != nil {
			t.Errorf("level %d with confidence: %+v, p %v; without %v", pixels[i], c, *c.P, p)
		}
	}

	// Together: of four images with these p-values, 4p/1, 4p/2, 4p/3 and p.
	var all []*detect.Judgement
	for i := range judgements {
		all = append(all, &judgements[i])
	}
	detect.Discover(all, 0.05)
	for i, q := range []float64{0.04, 0.06, 0.08, 1} {
		if j := judgements[i]; math.Abs(*j.Q-q) > 1e-12 || *j.OutOfDistribution != (q <= 0.05) {
			t.Errorf("level %d: q %v, want %v", pixels[i], *j.Q, q)
		}
	}

	if plain := newJudge(t, level(0), "gradient-norm", detect.Rule{}); plain.Uncalibrated != detect.ErrNotCalibrated || plain.Check() != nil {
		t.Errorf("without a calibration: %v, %v", plain.Uncalibrated, plain.Check())
	} else if j, err := plain.Images(t.Context(), pixels, model.AnyLabel); err != nil || j[0].P != nil || j[0].Score != 256 {
		t.Errorf("without a calibration: %+v, %v", j, err)
	}
}

// The energy judges where nothing else is named, but after coarse steps typical-set, which needs a calibration and no class.
func TestDefault(t *testing.T) {
	coarse := func(m *model.Model) *model.Model {
		m.Config.Sampler.Coarse, m.Config.Network.Conditional = 2, m.Energy.Classes > 0
		return m
	}
	for _, c := range []struct {
		m    *model.Model
		want string
	}{
		{calibrated(t, level(0), 99), "energy"},
		{calibrated(t, coarse(level(0)), 99), "typical-set"},
		{coarse(level(0)), "energy"},
		{calibrated(t, coarse(level(2)), 99), "energy"},
	} {
		if got := newJudge(t, c.m, "", detect.Rule{}).Detector.Name; got != c.want {
			t.Errorf("coarse %v, calibrated %t, %d classes: %s, want %s", c.m.Config.Sampler.Coarse, c.m.Calibration != nil, c.m.Energy.Classes, got, c.want)
		}
	}
}

// A judge by typical-descent measures where descents take images, as calibration has; one of another image's octaves is refused.
func TestJudgeByDescent(t *testing.T) {
	for _, classes := range []int{0, 2} {
		m := calibrated(t, level(classes), 99)
		j, err := newJudge(t, m, "typical-descent", detect.Rule{FalseAlarms: 0.05}).Images(t.Context(), []uint8{48, 255}, model.AnyLabel)
		if err != nil || *j[0].OutOfDistribution || !*j[1].OutOfDistribution || math.IsNaN(float64(j[0].Score)) {
			t.Errorf("%d classes: %+v, %v", classes, j, err)
		}
	}
	m := level(0)
	large := measurements(30, 1)
	for i := range large {
		large[i].Scales, large[i].Slopes, large[i].Moves = large[i].Scales[:1], []float64{1, 2}, []float64{3, 4}
	}
	if err := detect.Attach(m, mustCalibrate(t, large)); err != nil {
		t.Fatal(err)
	}
	if _, err := detect.CalibrationOf(m); !errors.Is(err, detect.ErrNotCalibrated) || !strings.Contains(err.Error(), "typical set of 6 statistics") {
		t.Errorf("a calibration of larger images: %v", err)
	}
}

func TestJudgeOfOneClass(t *testing.T) {
	m := calibrated(t, level(2), 30)
	j, err := newJudge(t, m, "energy", detect.Rule{}).Images(t.Context(), []uint8{10}, 1)
	if err != nil || j[0].P != nil || j[0].Energy != 21 {
		t.Errorf("of class 1: %+v, %v", j, err)
	}
	for _, judge := range []*detect.Judge{newJudge(t, m, "typicality", detect.Rule{}), newJudge(t, m, "energy", detect.Rule{FalseAlarms: 0.1})} {
		if _, err := judge.Images(t.Context(), []uint8{10}, 1); !errors.Is(err, detect.ErrOneClass) {
			t.Errorf("%s, %+v of class 1: %v", judge.Detector.Name, judge.Rule, err)
		}
	}
}

func TestJudgeRefuses(t *testing.T) {
	m, plain, damaged := calibrated(t, level(0), 99), level(0), level(0)
	damaged.Calibration = json.RawMessage(`{"version": 7}`)
	other := level(0)
	if err := detect.Attach(other, mustCalibrate(t, measurements(30, 1))); err != nil { // without a digest of its weights
		t.Fatal(err)
	}
	for _, c := range []struct {
		m        *model.Model
		detector string
		rule     detect.Rule
		words    string
	}{
		{m, "energie", detect.Rule{}, "want one of energy, typicality, gradient-norm, combined"},
		{m, "score-norm", detect.Rule{}, "it is called gradient-norm now"},
		{m, "energy", detect.Rule{FalseAlarms: 0.1, FalseDiscoveries: 0.1}, "give one of them"},
		{m, "energy", detect.Rule{FalseAlarms: 1}, "between 0 and 1"},
		{m, "energy", detect.Rule{Confidence: math.NaN()}, "between 0 and 1"},
		{plain, "energy", detect.Rule{FalseDiscoveries: 0.1}, "the model is not calibrated"},
		{plain, "combined", detect.Rule{}, "the model is not calibrated"},
		{damaged, "combined", detect.Rule{}, "its calibration cannot be read: of version 7"},
		{other, "combined", detect.Rule{}, "its calibration is one of 2 scales, its energy has 1"},
		{other, "energy", detect.Rule{FalseAlarms: 0.1}, "its calibration is one of 2 scales, its energy has 1"},
	} {
		_, err := detect.NewJudge(&cpu.Engine{}, c.m, c.detector, c.rule)
		if err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(c.words, "calibra") != errors.Is(err, detect.ErrNotCalibrated) {
			t.Errorf("%s, %+v: error %v, want one with %q", c.detector, c.rule, err, c.words)
		}
		unknown := (*detect.UnknownDetector)(nil)
		if errors.As(err, &unknown) && unknown.Name != c.detector {
			t.Errorf("unknown detector %q, want %q", unknown.Name, c.detector)
		}
	}
	tooFew := (*detect.TooFewImages)(nil)
	if err := newJudge(t, m, "energy", detect.Rule{FalseDiscoveries: 0.005}).Check(); !errors.As(err, &tooFew) || tooFew.Needed != 199 || tooFew.Images != 99 {
		t.Errorf("a rate too low for 99 images: %v", err)
	}
	if err := newJudge(t, m, "energy", detect.Rule{FalseAlarms: 0.01}).Check(); err != nil {
		t.Errorf("a rate that 99 images allow: %v", err)
	}
}

// levels are images of the levels 0 to n-1, of which the second cannot be read.
func levels(n int) iter.Seq2[dataset.Image, error] {
	return func(yield func(dataset.Image, error) bool) {
		for i := range n {
			img, err := dataset.Image{Name: string(rune('a' + i%26)), Pixels: []uint8{uint8(i)}}, error(nil)
			if i == 1 {
				img.Pixels, err = nil, errors.New("damaged")
			}
			if !yield(img, err) {
				return
			}
		}
	}
}

// Images come out in order, each with what it has alone, and those that cannot be read in their place.
func TestBatches(t *testing.T) {
	judge := newJudge(t, level(0), "energy", detect.Rule{})
	n := 0
	for batch, err := range judge.Batches(t.Context(), levels(1000), model.AnyLabel) {
		if err != nil || len(batch) == 0 {
			t.Fatal(len(batch), err)
		}
		for _, j := range batch {
			if (j.Err != nil) != (n == 1) || j.Name != string(rune('a'+n%26)) || n != 1 && j.Energy != float32(uint8(n))+0.5 {
				t.Fatalf("image %d: %+v", n, j)
			}
			n++
		}
	}
	if n != 1000 {
		t.Errorf("%d images", n)
	}
	for batch := range judge.Batches(t.Context(), levels(1000), model.AnyLabel) {
		if len(batch) > 0 {
			break // which must not leave anybody waiting
		}
	}
}

// An end of the context ends the walk, also while it waits for an image.
func TestBatchesEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waiting := make(chan struct{})
	defer close(waiting)
	images := func(yield func(dataset.Image, error) bool) {
		if yield(dataset.Image{Name: "a", Pixels: []uint8{1}}, nil) {
			<-waiting
		}
	}
	var errs []error
	for _, err := range newJudge(t, level(0), "energy", detect.Rule{}).Batches(ctx, images, model.AnyLabel) {
		errs = append(errs, err)
		time.AfterFunc(10*time.Millisecond, cancel)
	}
	if !slices.Equal(errs, []error{nil, context.Canceled}) {
		t.Errorf("errors %v", errs)
	}
}
