// Package inspection says how well a model finds defects: in which pictures they are, and where.
//
//	report, err := inspection.Measure(ctx, judge, tests, inspection.Defaults())
//	err = report.Text(os.Stdout)
//
// The pictures are those of a data set laid out as MVTec AD is, or of the rendered parts (dataset.TestPictures). Figures come for all
// pictures, for each category and for each kind of defect, with intervals of a bootstrap over pictures.
package inspection

// This file judges the pictures and makes the report.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/model"
)

// Options say how to measure.
type Options struct {
	FPRLimit  float64   // of AUPRO
	Resamples int       // of the bootstrap; 0: no intervals
	Seed      uint64    // of the bootstrap
	Rates     []float64 // of false alarms, at which to count what is found; those that the calibration allows
	Progress  eval.Progress
	Warn      func(line string)                                                     // of pictures that are left out; may be nil
	Look      func(dataset.TestPicture, *scoremap.Map, detect.Judgement, int) error // called with each picture and its number; may be nil
}

// Defaults are the customary choices.
func Defaults() Options {
	return Options{FPRLimit: FPRLimit, Resamples: 1000, Seed: 1, Rates: []float64{0.01, 0.05}}
}

// Level is that of all intervals.
const Level = 0.95

// Report is how well defects are found.
type Report struct {
	Data      string  `json:"data"`
	Map       string  `json:"map"` // the kind of score map
	FPRLimit  float64 `json:"fpr_limit"`
	Resamples int     `json:"resamples"`
	Seed      uint64  `json:"seed"`

	All        Figures   `json:"all"`
	Categories []Figures `json:"categories,omitempty"` // where there are several
	Mean       *Figures  `json:"mean,omitempty"`       // of the categories' figures, without intervals
	Defects    []Figures `json:"defects"`              // each kind, with all good pictures

	Alarms []Alarms `json:"alarms,omitempty"` // by a calibrated model
}

// Figures are those of some of the pictures.
type Figures struct {
	Name   string `json:"name"`
	Good   int    `json:"good"`   // pictures
	Faulty int    `json:"faulty"` // pictures
	Masks  int    `json:"masks"`  // faulty pictures whose defects are known by pixel

	Image  *Figure `json:"image_auroc"`
	Pixel  *Figure `json:"pixel_auroc"` // nil without masks
	Region *Figure `json:"aupro"`       // likewise
}

// Figure is an area with its interval.
type Figure struct {
	Value    float64             `json:"value"`
	Interval *benchmark.Interval `json:"interval,omitempty"`
}

// Alarms are the pictures that are called out of distribution at a false-alarm rate.
type Alarms struct {
	Rate    float64 `json:"rate"` // asked for
	False   Count   `json:"false_alarms"`
	Found   Count   `json:"found"` // of those with defects
	Defects []Count `json:"defects"`
}

// Count is a number of pictures among so many, with an interval of the fraction (Clopper and Pearson 1934).
type Count struct {
	Name     string             `json:"name"`
	Count    int                `json:"count"`
	Of       int                `json:"of"`
	Interval benchmark.Interval `json:"interval"`
}

func count(name string, k, n int) Count {
	return Count{Name: name, Count: k, Of: n, Interval: benchmark.Proportion(k, n, Level)}
}

// judged is what is kept of a picture.
type judged struct {
	category, defect string
	score            float64
	p                *float64
	masked           bool // good, or its defects are known by pixel
}

// Measure judges the pictures by their score maps and measures what comes of it. The judge's model must be one of tiles. Pictures that cannot
// be judged are left out, with a warning.
func Measure(ctx context.Context, judge *detect.Judge, data string, tests *dataset.TestSet, o Options) (*Report, error) {
	var all []judged
	var p pixels
	add := o.Progress.Start("inspecting", "pictures", int64(tests.Len()))
	warn := func(line string) {
		if o.Warn != nil {
			o.Warn(line)
		}
	}
	for picture, err := range tests.All(ctx, judge.Model.Config.PictureSize()) {
		if err != nil {
			if picture.Name == "" || ctx.Err() != nil {
				return nil, err
			}
			warn("left out " + err.Error())
			continue
		}
		scores, judgement, err := judge.Map(ctx, picture.Image, model.AnyLabel)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, detect.ErrNoMap) {
				return nil, err
			}
			warn(fmt.Sprintf("left out %s: %v", picture.Name, err))
			continue
		}
		one := judged{picture.Category, picture.Defect, float64(judgement.Score), judgement.P, picture.Defect == "" || picture.Mask != nil}
		if one.masked {
			p.add(len(all), scores, picture.Mask)
		} else {
			warn(fmt.Sprintf("%s has no mask: the figures of pixels and regions leave it out", picture.Name))
		}
		if o.Look != nil {
			if err := o.Look(picture, scores, judgement, len(all)); err != nil {
				return nil, err
			}
		}
		all = append(all, one)
		add(1)
	}
	p.sort()
	r := &Report{Data: data, Map: judge.Detector.Name, FPRLimit: o.FPRLimit, Resamples: o.Resamples, Seed: o.Seed}
	m := measuring{ctx, all, &p, o}
	var err error
	figures := func(name string, in func(judged) bool) (f Figures) {
		if err == nil {
			f, err = m.figures(name, in)
		}
		return f
	}
	r.All = figures("all", func(judged) bool { return true })
	for _, category := range tests.Categories {
		if len(tests.Categories) > 1 {
			r.Categories = append(r.Categories, figures(category, func(j judged) bool { return j.category == category }))
		}
	}
	if len(r.Categories) > 0 {
		r.Mean = mean(r.Categories)
	}
	for _, defect := range tests.Defects {
		r.Defects = append(r.Defects, figures(defect, func(j judged) bool { return j.defect == "" || j.defect == defect }))
	}
	if judge.Detector.Distribution != nil {
		for _, rate := range o.Rates {
			if judge.Detector.Distribution.Smallest() <= rate {
				r.Alarms = append(r.Alarms, alarms(all, tests.Defects, rate))
			}
		}
	}
	return r, err
}

// mean is that of the figures of categories, as far as all have them.
func mean(categories []Figures) *Figures {
	m := &Figures{Name: "mean of categories"}
	of := func(pick func(*Figures) *Figure) *Figure {
		sum := 0.0
		for i := range categories {
			f := pick(&categories[i])
			if f == nil {
				return nil
			}
			sum += f.Value
		}
		return &Figure{Value: sum / float64(len(categories))}
	}
	for _, c := range categories {
		m.Good, m.Faulty, m.Masks = m.Good+c.Good, m.Faulty+c.Faulty, m.Masks+c.Masks
	}
	m.Image = of(func(f *Figures) *Figure { return f.Image })
	m.Pixel = of(func(f *Figures) *Figure { return f.Pixel })
	m.Region = of(func(f *Figures) *Figure { return f.Region })
	return m
}

// alarms counts those at a rate.
func alarms(all []judged, defects []string, rate float64) Alarms {
	counted := func(name string, in func(judged) bool) Count {
		k, n := 0, 0
		for _, j := range all {
			if in(j) {
				n++
				if *j.p <= rate {
					k++
				}
			}
		}
		return count(name, k, n)
	}
	a := Alarms{Rate: rate, False: counted("good", func(j judged) bool { return j.defect == "" }),
		Found: counted("faulty", func(j judged) bool { return j.defect != "" })}
	for _, defect := range defects {
		a.Defects = append(a.Defects, counted(defect, func(j judged) bool { return j.defect == defect }))
	}
	return a
}

// measuring is what figures are made of.
type measuring struct {
	ctx     context.Context
	all     []judged
	pixels  *pixels
	options Options
}

// figures are those of the pictures that are in.
func (m *measuring) figures(name string, in func(judged) bool) (Figures, error) {
	f := Figures{Name: name}
	var good, faulty []float64
	var goodAt, faultyAt []int // with known pixels
	chosen := make([]bool, len(m.all))
	for i, j := range m.all {
		if !in(j) {
			continue
		}
		chosen[i] = true
		if j.defect == "" {
			good, goodAt = append(good, j.score), append(goodAt, i)
			continue
		}
		if faulty = append(faulty, j.score); j.masked {
			faultyAt = append(faultyAt, i)
		}
	}
	f.Good, f.Faulty, f.Masks = len(good), len(faulty), len(faultyAt)
	if f.Good == 0 || f.Faulty == 0 {
		return f, fmt.Errorf("inspection: of %s there are %d good pictures and %d with defects: both are needed", name, f.Good, f.Faulty)
	}
	d, err := benchmark.Detect(good, faulty)
	if err != nil {
		return f, err
	}
	f.Image = &Figure{Value: d.AUROC}
	if m.options.Resamples > 0 {
		s := rng.New(m.options.Seed, 0)
		i, err := benchmark.Bootstrap(m.ctx, good, faulty, Level, m.options.Resamples, &s)
		if err != nil {
			return f, err
		}
		f.Image.Interval = &i.AUROC
	}
	auroc, aupro, of := m.pixels.areas(chosen, m.options.FPRLimit)
	if math.IsNaN(auroc) {
		return f, m.ctx.Err()
	}
	f.Pixel, f.Region = &Figure{Value: auroc}, &Figure{Value: aupro}
	if m.options.Resamples > 0 {
		f.Pixel.Interval, f.Region.Interval, err = m.bootstrap(of, goodAt, faultyAt)
	}
	return f, err
}

// bootstrap draws good pictures and those with defects again, with replacement and as many, and computes the figures of their pixels anew, by
// histograms.
func (m *measuring) bootstrap(of map[int]*histogram, good, faulty []int) (pixel, region *benchmark.Interval, err error) {
	pictures := slices.Concat(good, faulty)
	times := make([]int, len(pictures))
	s := rng.New(m.options.Seed, 1)
	var aurocs, aupros []float64
	for range m.options.Resamples {
		if err := m.ctx.Err(); err != nil {
			return nil, nil, err
		}
		clear(times)
		for range good {
			times[s.IntN(len(good))]++
		}
		for range faulty {
			times[len(good)+s.IntN(len(faulty))]++
		}
		auroc, aupro := areasOf(of, pictures, times, m.options.FPRLimit)
		if !math.IsNaN(auroc) {
			aurocs, aupros = append(aurocs, auroc), append(aupros, aupro)
		}
	}
	return between(aurocs), between(aupros), nil
}

// between are the quantiles of an interval.
func between(values []float64) *benchmark.Interval {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	at := func(q float64) float64 { return values[int(math.Round(q*float64(len(values)-1)))] }
	return &benchmark.Interval{at((1 - Level) / 2), at((1 + Level) / 2)}
}
