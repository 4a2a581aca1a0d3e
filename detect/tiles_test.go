package detect_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// ofTiles is a model of 8×8 tiles, whose energy is high where a picture is bright.
func ofTiles() *model.Model {
	image := expr.Shape{8, 8, 1}
	c := model.Paper()
	c.Tiles, c.Network.Image = model.Tiles{Side: 8, Stride: 4}, image[:]
	c.Sampler.Steps = 2
	return &model.Model{Config: c, Params: map[string][]float32{"head.weight": {1}, "head.bias": {0}},
		Energy: &energy.Energy{Image: image, Build: func(p *energy.Params, x, _ *expr.Value) []*expr.Value {
			return []*expr.Value{energy.Head(p, "head", expr.Pool(x))}
		}}}
}

// pictures are good ones, of 16×20 pixels: noise, brighter towards a side, some brighter than others.
func pictures(seed uint64, n int) *dataset.Set {
	set := &dataset.Set{Name: "good", Height: 16, Width: 20, Channels: 1}
	for i := range n {
		s := rng.New(seed, uint64(i))
		light := 40 * s.Float32()
		for p := range 16 * 20 {
			set.Pixels = append(set.Pixels, uint8(40+light+float32(p%20)+60*s.Float32()))
		}
	}
	return set
}

// The rate of false alarms is that of pictures, although each has 12 tiles and 320 pixels: asked for 1% and 5%, measured on fresh pictures,
// within the 99.9% interval of the beta distribution of the rate of this calibration, and the binomial one of the count.
func TestFalseAlarmsArePictures(t *testing.T) {
	const calibration, fresh = 399, 1000
	m, e := ofTiles(), &cpu.Engine{Threads: 2}
	c, err := detect.CalibrateSet(t.Context(), e, m, pictures(1, calibration), nil)
	if err == nil {
		err = detect.Attach(m, c)
	}
	if err != nil {
		t.Fatal(err)
	}
	good := pictures(2, fresh)
	for _, rate := range []float64{0.01, 0.05} {
		judge, err := detect.NewJudge(e, m, detect.Default, detect.Rule{FalseAlarms: rate})
		if err != nil {
			t.Fatal(err)
		}
		alarms := 0
		for i := range fresh {
			j, err := judge.Pictures(t.Context(), []dataset.Image{{Size: good.Size(), Pixels: good.Image(i)}}, model.AnyLabel)
			if err != nil {
				t.Fatal(err)
			}
			if called := *j[0].OutOfDistribution; called {
				alarms++
			} else if len(j[0].Regions) > 0 {
				t.Fatal("regions of a picture that is not called out of distribution")
			}
		}
		low, high := judge.Detector.Distribution.FalseAlarms(rate, 0.999)
		spread := 3.3 * math.Sqrt(high*(1-high)/fresh)
		if got := float64(alarms) / fresh; got < low-spread || got > high+spread {
			t.Errorf("asked for %v: %v of good pictures, the calibration's rate is %v to %v", rate, got, low, high)
		}
	}
}

// A picture has the p-value of its oddest region, and regions are where the defects are.
func TestRegionsHavePValues(t *testing.T) {
	m, e := ofTiles(), &cpu.Engine{Threads: 2}
	c, err := detect.CalibrateSet(t.Context(), e, m, pictures(1, 199), nil)
	if err == nil {
		err = detect.Attach(m, c)
	}
	if err != nil {
		t.Fatal(err)
	}
	judge, err := detect.NewJudge(e, m, detect.Default, detect.Rule{FalseAlarms: 0.01})
	if err != nil {
		t.Fatal(err)
	}
	faulty := pictures(3, 1)
	for _, at := range [][2]int{{2, 3}, {11, 14}} { // two spots
		for y := range 3 {
			for x := range 3 {
				faulty.Pixels[(at[0]+y)*20+at[1]+x] = 250
			}
		}
	}
	image := dataset.Image{Size: faulty.Size(), Pixels: faulty.Image(0)}
	scores, j, err := judge.Map(t.Context(), image, model.AnyLabel)
	if err != nil {
		t.Fatal(err)
	}
	most, _ := scores.Max()
	if !*j.OutOfDistribution || len(j.Regions) != 2 || float64(j.Score) != most || *j.P != j.Regions[0].P || *j.P > 0.01 {
		t.Fatalf("%+v", j)
	}
	for _, r := range j.Regions {
		top := r.X <= 4 && 4 < r.X+r.Width && r.Y <= 3 && 3 < r.Y+r.Height
		bottom := r.X <= 15 && 15 < r.X+r.Width && r.Y <= 12 && 12 < r.Y+r.Height
		if top == bottom || r.P > 0.01 || r.Pixels > 80 {
			t.Errorf("region %+v", r)
		}
	}
	// The calibration is read as it was written; a model of whole images cannot use it.
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again detect.Calibration
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range again.Summary() {
		names = append(names, s.Detector)
	}
	if !slices.Equal(names, scoremap.Quick()) {
		t.Errorf("detectors %q", names)
	}
	// A map that it takes long to make has no p-values, and no decisions.
	if j, err := detect.NewJudge(e, m, scoremap.Difference, detect.Rule{}); err != nil || j.Uncalibrated == nil {
		t.Errorf("a map without calibration: %v", err)
	}
	if _, err := detect.NewJudge(e, m, scoremap.Difference, detect.Rule{FalseAlarms: 0.1}); !errors.Is(err, detect.ErrNotCalibrated) {
		t.Errorf("decisions by a map without calibration: %v", err)
	}
	if sum := sha256.Sum256(pictures(1, 199).Pixels); again.Pixels != hex.EncodeToString(sum[:16]) {
		t.Errorf("the digest of the pictures is %q", again.Pixels)
	}
	m.Params["head.bias"] = []float32{1}
	if _, err := detect.CalibrationOf(m); !errors.Is(err, detect.ErrNotCalibrated) || !strings.Contains(err.Error(), "other weights") {
		t.Errorf("of other weights: %v", err)
	}
	m.Params["head.bias"] = []float32{0}
	m.Config.Tiles = model.Tiles{}
	if _, err := detect.CalibrationOf(m); !errors.Is(err, detect.ErrNotCalibrated) {
		t.Errorf("a model of whole images: %v", err)
	}
}

// A mixture, of whose energy places have no shares, is calibrated by the maps that it has.
func TestMixturesOfTiles(t *testing.T) {
	m, e := ofTiles(), &cpu.Engine{Threads: 2}
	mixture, err := energy.Or(energy.Mixture{}, m.Energy, energy.Weighted(2, m.Energy))
	if err != nil {
		t.Fatal(err)
	}
	m.Energy = mixture
	pictured := 0
	c, err := detect.CalibrateSet(t.Context(), e, m, pictures(1, 20), func(n int) { pictured += n })
	if err != nil || pictured != 20 {
		t.Fatalf("%d pictures, %v", pictured, err)
	}
	if s := c.Summary(); len(s) != 1 || s[0].Detector != scoremap.GradientNorm {
		t.Errorf("calibrated by %+v", s)
	}
	for range 2 { // before it is calibrated, and then
		for _, rule := range []detect.Rule{{}, {FalseAlarms: 0.1}} {
			if _, err := detect.NewJudge(e, m, scoremap.Energy, rule); !errors.Is(err, energy.ErrNoPlaces) {
				t.Errorf("a map of places, by %+v: %v", rule, err)
			}
		}
		if err := detect.Attach(m, c); err != nil {
			t.Fatal(err)
		}
	}
}

// A picture that is smaller than a tile costs itself.
func TestSmallPictures(t *testing.T) {
	judge, err := detect.NewJudge(&cpu.Engine{}, ofTiles(), detect.Default, detect.Rule{})
	if err != nil {
		t.Fatal(err)
	}
	images := func(yield func(dataset.Image, error) bool) {
		for _, h := range []int{7, 9} {
			if !yield(dataset.Image{Name: "one", Size: dataset.Size{Height: h, Width: 8, Channels: 1}, Pixels: make([]uint8, 8*h)}, nil) {
				return
			}
		}
	}
	var failed []bool
	for batch, err := range judge.Batches(t.Context(), images, model.AnyLabel) {
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range batch {
			failed = append(failed, one.Err != nil)
		}
	}
	if !slices.Equal(failed, []bool{true, false}) {
		t.Errorf("failed: %v", failed)
	}
	if _, err := detect.NewJudge(&cpu.Engine{}, ofTiles(), "typicality", detect.Rule{}); err == nil {
		t.Error("a detector of whole images: no error")
	}
}
