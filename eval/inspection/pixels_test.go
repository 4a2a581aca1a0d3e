package inspection

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/engine/rng"
)

// reference is written by testdata/make_reference.py.
type reference struct {
	Cases []struct {
		Name          string
		Height, Width int
		Maps          [][]float32
		Masks         [][]int
		ImageAUROC    float64            `json:"image_auroc"`
		PixelAUROC    float64            `json:"pixel_auroc"`
		AUPRO         map[string]float64 `json:"aupro"`
	}
}

func TestAgreesWithAnomalibTorchmetricsAndScikitLearn(t *testing.T) {
	file, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(file, &r); err != nil || len(r.Cases) < 4 {
		t.Fatalf("%d cases (%v)", len(r.Cases), err)
	}
	for _, c := range r.Cases {
		var p pixels
		var good, faulty []float64
		in := make([]bool, len(c.Maps))
		for i, values := range c.Maps {
			in[i] = true
			m := &scoremap.Map{Height: c.Height, Width: c.Width, Values: values}
			mask, any := make([]uint8, len(values)), false
			for k, v := range c.Masks[i] {
				mask[k] = uint8(v)
				any = any || v != 0
			}
			score, _ := m.Max()
			if any {
				faulty = append(faulty, score)
			} else {
				good, mask = append(good, score), nil
			}
			p.add(i, m, mask)
		}
		p.sort()
		d, err := benchmark.Detect(good, faulty)
		if err != nil || math.Abs(d.AUROC-c.ImageAUROC) > 1e-9 {
			t.Errorf("%s: image AUROC %v, want %v (%v)", c.Name, d.AUROC, c.ImageAUROC, err)
		}
		if len(c.AUPRO) < 3 {
			t.Errorf("%s: %d limits", c.Name, len(c.AUPRO))
		}
		for limit, want := range c.AUPRO {
			limit, _ := strconv.ParseFloat(limit, 64)
			auroc, aupro, of := p.areas(in, limit)
			if math.Abs(auroc-c.PixelAUROC) > 1e-9 {
				t.Errorf("%s: pixel AUROC %v, want %v", c.Name, auroc, c.PixelAUROC)
			}
			if math.Abs(aupro-want) > 1e-6 { // theirs is float32
				t.Errorf("%s: AUPRO up to %v is %v, want %v", c.Name, limit, aupro, want)
			}
			// The histograms, of which each resample is made, come to nearly the same where pictures count once, and to the same where all
			// count twice.
			pictures, once, twice := []int{}, []int{}, []int{}
			for i := range c.Maps {
				pictures, once, twice = append(pictures, i), append(once, 1), append(twice, 2)
			}
			roughAUROC, roughAUPRO := areasOf(of, pictures, once, limit)
			if math.Abs(roughAUROC-auroc) > 0.01 || math.Abs(roughAUPRO-aupro) > 0.02 {
				t.Errorf("%s up to %v: by histograms %v and %v, want %v and %v", c.Name, limit, roughAUROC, roughAUPRO, auroc, aupro)
			}
			if a, b := areasOf(of, pictures, twice, limit); math.Abs(a-roughAUROC) > 1e-6 || math.Abs(b-roughAUPRO) > 1e-6 {
				t.Errorf("%s up to %v: all twice %v and %v, once %v and %v", c.Name, limit, a, b, roughAUROC, roughAUPRO)
			}
		}
	}
}

// A group has the figures of its pictures alone.
func TestGroupsOfPictures(t *testing.T) {
	m := func(values ...float32) *scoremap.Map {
		return &scoremap.Map{Height: 1, Width: len(values), Values: values}
	}
	var p pixels
	p.add(0, m(1, 2, 3, 4), nil)
	p.add(1, m(9, 9, 0, 0), []uint8{1, 1, 0, 0}) // found
	p.add(2, m(0, 1, 5, 6), []uint8{1, 0, 0, 0}) // lost
	p.sort()
	for _, c := range []struct {
		in            []bool
		auroc, aupro1 float64
	}{
		{[]bool{true, true, false}, 1, 1},
		{[]bool{true, false, true}, 0, 0},
		{[]bool{true, true, true}, (9 + 9 + 1) / 27., (1 + 1./9) / 2}, // of the 9 good pixels two are as low as the one lost: half a pair each
	} {
		auroc, aupro, _ := p.areas(c.in, 1)
		if math.Abs(auroc-c.auroc) > 1e-9 || math.Abs(aupro-c.aupro1) > 1e-9 {
			t.Errorf("%v: pixel AUROC %v, AUPRO %v, want %v and %v", c.in, auroc, aupro, c.auroc, c.aupro1)
		}
	}
	if auroc, _, _ := p.areas([]bool{true, false, false}, 0.3); !math.IsNaN(auroc) {
		t.Errorf("without defects the pixel AUROC is %v", auroc)
	}
}

func TestScoresAreOrdered(t *testing.T) {
	values := []float32{float32(math.Inf(-1)), -3, -1e-30, 0, 1e-30, 2, float32(math.Inf(1))}
	for i, v := range values[1:] {
		if ascending(values[i]) >= ascending(v) {
			t.Errorf("%v is not below %v", values[i], v)
		}
	}
	if ascending(float32(math.Copysign(0, -1))) != ascending(0) {
		t.Error("-0 is not 0")
	}
}

// An interval holds the figure that it belongs to, however good the maps are.
func TestIntervalsHoldTheFigure(t *testing.T) {
	for _, c := range []struct {
		name               string
		shift              float32 // of the scores of faulty pixels, in spreads of all
		pictures           int     // of each kind
		side, defect       int     // of pictures and defects, in pixels
		auroc, aupro, near float64 // what they are about
	}{
		{"chance", 0, 6, 64, 12, 0.5, 0.15, 0.05},
		{"poor", 1, 6, 64, 12, 0.76, 0.46, 0.05},
		{"fair", 2, 6, 64, 12, 0.92, 0.79, 0.05},
		{"good", 4, 6, 128, 20, 0.998, 0.993, 0.003},
		{"very good", 5, 6, 128, 20, 0.9998, 0.9993, 0.0003},
		{"perfect", 1000, 6, 64, 12, 1, 1, 0},
		{"perfect, of a large region", 1000, 1, 1000, 1000, 1, 1, 0},
	} {
		s := rng.New(5)
		var p pixels
		var good, faulty []int
		for i := range 2 * c.pictures {
			m := &scoremap.Map{Height: c.side, Width: c.side, Values: make([]float32, c.side*c.side)}
			for k := range m.Values {
				m.Values[k] = float32(s.Normal())
			}
			if i < c.pictures {
				good = append(good, i)
				p.add(i, m, nil)
				continue
			}
			faulty = append(faulty, i)
			mask := make([]uint8, len(m.Values))
			for k := range mask {
				if k/c.side < c.defect && k%c.side < c.defect {
					mask[k] = 1
					m.Values[k] += c.shift
				}
			}
			p.add(i, m, mask)
		}
		p.sort()
		all := make([]bool, 2*c.pictures)
		for i := range all {
			all[i] = true
		}
		auroc, aupro, of := p.areas(all, FPRLimit)
		pixel, region, err := (&measuring{ctx: t.Context(), options: Options{FPRLimit: FPRLimit, Resamples: 200, Seed: 1}}).bootstrap(of, good, faulty)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []struct {
			name        string
			value, want float64
			interval    *benchmark.Interval
		}{{"pixel AUROC", auroc, c.auroc, pixel}, {"AUPRO", aupro, c.aupro, region}} {
			const rounding = 1e-9
			if math.Abs(f.value-f.want) > c.near+rounding || !(f.interval[0] <= f.value+rounding && f.value <= f.interval[1]+rounding) || f.interval[1] > 1+rounding {
				t.Errorf("%s: %s %v, about %v, with the interval %v", c.name, f.name, f.value, f.want, *f.interval)
			}
		}
	}
}
