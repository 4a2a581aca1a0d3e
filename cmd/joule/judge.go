package main

// This file judges images by a detector: scores, p-values, decisions.

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/conformal"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/model"
)

// judge scores images by one detector and decides.
type judge struct {
	meter    *model.Meter
	detector *detect.Detector
	label    int
	rate     float64 // of false alarms; 0: no decision
	fdr      float64 // of false discoveries; 0: no decision
	delta    float64 // 1 - confidence that the rates hold for the calibration at hand; 0: on average over calibrations
}

// judgement is what a model says of an image.
type judgement struct {
	Energy  float32  `json:"energy"`
	Score   float32  `json:"score"`             // the detector's; the energy's is the energy
	P       *float64 `json:"p,omitempty"`       // of a calibrated model
	Q       *float64 `json:"q,omitempty"`       // with a false-discovery rate: the lowest one at which the image is called unusual
	Unusual *bool    `json:"unusual,omitempty"` // if somebody decides
}

// newJudge compiles what a detector needs. Given a label there are no p-values: calibrations know the mixture of the classes alone.
func newJudge(e engine.Engine, trained *model.Model, o scoreOptions, label int) (*judge, error) {
	scales, err := trained.Energy.Scales()
	if err != nil {
		return nil, err
	}
	calibration, notCalibrated := detect.CalibrationOf(trained)
	if o.label != "" {
		calibration = nil
	}
	d, err := detect.Named(o.detector, scales, calibration)
	wanted := o.falseAlarm != 0 || o.fdr != 0 || o.confidence != 0
	switch {
	case err != nil && !detect.Known(o.detector, scales):
		return nil, usageErrorf("--detector: %w", err)
	case o.label != "" && (err != nil || wanted):
		return nil, usageErrorf("--label cannot go with --false-alarm, --fdr, --confidence or a detector that needs a calibration: calibrations are of the mixture of the classes")
	case calibration == nil && (err != nil || wanted):
		return nil, calibrateFirst(trained, notCalibrated)
	case err != nil:
		return nil, fmt.Errorf("%s: %w; calibrate it again: joule calibrate %s --data good/", trained.Path, err, shellWord(trained.Path))
	}
	meter, err := trained.NewMeter(e, d.Gradients)
	if err != nil {
		return nil, err
	}
	j := &judge{meter: meter, detector: d, label: label, rate: float64(o.falseAlarm), fdr: float64(o.fdr)}
	if o.confidence != 0 {
		j.delta = 1 - float64(o.confidence)
	}
	return j, nil
}

// p is the p-value of a score.
func (j *judge) p(score float64) float64 { return j.adjusted(j.detector.Distribution.P(score)) }

// adjusted is a p-value with the confidence asked for.
func (j *judge) adjusted(p float64) float64 {
	if j.delta == 0 {
		return p
	}
	return j.detector.Distribution.Conditional(p, j.delta)
}

// calibrateFirst says what to do about a model that is not calibrated.
func calibrateFirst(trained *model.Model, why error) error {
	return fmt.Errorf("%s: %w; give it images that are usual: joule calibrate %s --data good/", trained.Path, why, shellWord(trained.Path))
}

// warn says if the rate asked for cannot be had from so few calibration images.
func (j *judge) warn(stderr io.Writer) {
	rate, smallest := max(j.rate, j.fdr), j.adjusted(j.detector.Distribution.Smallest())
	if rate == 0 || smallest <= rate {
		return
	}
	enough := "more images"
	if j.delta == 0 {
		enough = fmt.Sprintf("%d images or more", conformal.Needed(rate))
	}
	fmt.Fprintf(stderr, "joule: warning: with %d calibration images no p-value is below %.3g: at %s nothing is ever unusual; calibrate with %s\n",
		len(j.detector.Distribution.Scores()), smallest, percent(rate), enough)
}

// all judges each image in pixels, N,H,W,C. With a false-discovery rate the decision has to wait for all images.
func (j *judge) all(ctx context.Context, pixels []uint8) ([]judgement, error) {
	measured, err := j.meter.Measure(ctx, pixels, j.label)
	if err != nil {
		return nil, err
	}
	judgements := make([]judgement, len(measured))
	for i, m := range measured {
		score := j.detector.Score(m)
		judgements[i] = judgement{Energy: float32(m.Energy), Score: float32(score)}
		if j.detector.Distribution == nil {
			continue
		}
		p := j.p(score)
		judgements[i].P = &p
		if j.rate != 0 {
			unusual := p <= j.rate
			judgements[i].Unusual = &unusual
		}
	}
	return judgements, nil
}

// check is an error if the model is of no use.
func (v judgement) check() error {
	if e := float64(v.Energy) + float64(v.Score); math.IsNaN(e) || math.IsInf(e, 0) {
		return fmt.Errorf("its energy is %v: the model is of no use, train it again", v.Energy)
	}
	return nil
}

// discoveries keeps the rows of a table until all p-values are known, and then decides.
type discoveries struct {
	table
	rate float64
	rows []scored
}

func (d *discoveries) add(s scored) error {
	d.rows = append(d.rows, s)
	return nil
}

func (d *discoveries) end() error {
	p := make([]float64, len(d.rows))
	for i, row := range d.rows {
		p[i] = *row.P
	}
	for i, q := range conformal.Adjust(p) {
		unusual := q <= d.rate
		d.rows[i].Q, d.rows[i].Unusual = &q, &unusual
		if err := d.table.add(d.rows[i]); err != nil {
			return err
		}
	}
	return d.table.end()
}

// decidedTable says at the end, for people, what was decided.
type decidedTable struct {
	table
	judge          *judge
	stderr         io.Writer
	images, called int
}

func (t *decidedTable) add(s scored) error {
	if t.images++; *s.Unusual {
		t.called++
	}
	return t.table.add(s)
}

func (t *decidedTable) end() error {
	if err := t.table.end(); err != nil {
		return err
	}
	what := fmt.Sprintf("at a false-alarm rate of %s: %.3g would be called so if all were usual", percent(t.judge.rate), t.judge.rate*float64(t.images))
	if t.judge.fdr != 0 {
		what = fmt.Sprintf("at a false-discovery rate of %s: of them at most about %.3g are usual", percent(t.judge.fdr), t.judge.fdr*float64(t.called))
	}
	_, err := fmt.Fprintf(t.stderr, "joule: %d of %d images are unusual %s\n", t.called, t.images, what)
	return err
}
