package detect

// This file judges images by a detector: scores, p-values, decisions.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/conformal"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/model"
)

// A Rule says what to decide. Rates are fractions, such as 0.01; the zero value decides nothing.
type Rule struct {
	// FalseAlarms calls out of distribution what has a p-value of at most this: at most this fraction of in-distribution images, on
	// average.
	FalseAlarms float64
	// FalseDiscoveries judges all images together, by [Discover]: at most this fraction of those called out of distribution is not, on
	// average. Either rate may be given, not both.
	FalseDiscoveries float64
	// Confidence makes p-values larger, so that the rates hold with this probability for the calibration at hand, and not only on average
	// over calibrations (see [conformal.Distribution.Conditional]). 0: on average.
	Confidence float64
}

// decides says whether the rule needs p-values.
func (r Rule) decides() bool { return r != Rule{} }

func (r Rule) check() error {
	for _, rate := range []float64{r.FalseAlarms, r.FalseDiscoveries, r.Confidence} {
		if !(rate >= 0 && rate < 1) {
			return fmt.Errorf("detect: rates and confidence are between 0 and 1: not %v", rate)
		}
	}
	if r.FalseAlarms != 0 && r.FalseDiscoveries != 0 {
		return errors.New("detect: a rate of false alarms and one of false discoveries are two ways to decide: give one of them")
	}
	return nil
}

// Judgement is what a model says of an image.
type Judgement struct {
	Energy            float32  `json:"energy"`
	Score             float32  `json:"score"`                         // the detector's, high for out-of-distribution images
	P                 *float64 `json:"p,omitempty"`                   // the p-value, by a calibrated model
	Q                 *float64 `json:"q,omitempty"`                   // the lowest false-discovery rate at which the image is called so
	OutOfDistribution *bool    `json:"out_of_distribution,omitempty"` // the decision, where a rule makes one
	Regions           []Region `json:"regions,omitempty"`             // that are, by a model of tiles and a rate of false alarms
}

// Err is an error if the numbers are not finite, which is the fault of the model.
func (j Judgement) Err() error {
	if e := float64(j.Energy) + float64(j.Score); math.IsNaN(e) || math.IsInf(e, 0) {
		return fmt.Errorf("its energy is %v: the model is of no use, train it again", j.Energy)
	}
	return nil
}

// A Judge scores images by one detector, and decides. It is for one goroutine at a time; the engine uses its threads.
type Judge struct {
	Model    *model.Model
	Detector *Detector
	Rule     Rule

	// Full makes batches wait until they are full, so that they are the same in all processes that share the work (engine.Group).
	Full bool

	// Uncalibrated is why there are no p-values: [ErrNotCalibrated], or an error that wraps it. Nil if there are.
	Uncalibrated error

	meter  *model.Meter
	mapper *scoremap.Mapper // instead, of a model of tiles
}

// NewJudge compiles what the detector of that name (see [Kinds], and [ForModel] for "") needs of a model. The error is an [*UnknownDetector] if there is none,
// and wraps [ErrNotCalibrated] where the detector or the rule needs a calibration that is not there.
func NewJudge(e engine.Engine, m *model.Model, detector string, rule Rule) (*Judge, error) {
	if err := rule.check(); err != nil {
		return nil, err
	}
	d, err := ForModel(m, detector)
	if err != nil {
		return nil, err
	}
	_, uncalibrated := CalibrationOf(m)
	if uncalibrated == nil && d.Distribution == nil {
		uncalibrated = fmt.Errorf("%w for score map %s", ErrNotCalibrated, d.Name)
	}
	j := &Judge{Model: m, Detector: d, Rule: rule, Uncalibrated: uncalibrated}
	if m.Config.Tiled() {
		j.mapper, err = scoremap.New(e, m, d.Name)
	} else {
		j.meter, err = m.NewMeterOf(e, d.Needs)
	}
	if err != nil { // first: of an energy that has no such map, to calibrate it is no help
		return nil, err
	}
	if uncalibrated != nil && rule.decides() {
		return nil, uncalibrated
	}
	return j, nil
}

// ErrOneClass says that there are no p-values of images given a class: calibrations are of the mixture of the classes.
var ErrOneClass = errors.New("calibrations are of the mixture of the classes: given a class there are no p-values, decisions or detectors that need a calibration")

// Images judges each image in pixels (N,H,W,C), given the label: a class, or [model.AnyLabel]. Given a class there are scores alone, and
// the error is [ErrOneClass] if more is asked for.
func (j *Judge) Images(ctx context.Context, pixels []uint8, label int) ([]Judgement, error) {
	if j.mapper != nil { // pictures of one tile
		size := j.Model.Config.ImageSize()
		var pictures []dataset.Image
		for n := size.Len(); len(pixels) >= n; pixels = pixels[n:] {
			pictures = append(pictures, dataset.Image{Size: size, Pixels: pixels[:n]})
		}
		return j.Pictures(ctx, pictures, label)
	}
	if err := j.checkLabel(label); err != nil {
		return nil, err
	}
	measured, err := j.meter.Measure(ctx, pixels, label)
	if err != nil {
		return nil, err
	}
	judgements := make([]Judgement, len(measured))
	for i, m := range measured {
		judgements[i] = Judgement{Energy: float32(m.Energy)}
		j.decide(&judgements[i], j.Detector.Score(m), label)
	}
	return judgements, nil
}

// checkLabel is an error if more is asked for than there is of images given a class.
func (j *Judge) checkLabel(label int) error {
	if label != model.AnyLabel && (j.Rule.decides() || j.Detector.Reference) {
		return ErrOneClass
	}
	return nil
}

// decide completes a judgement by its score.
func (j *Judge) decide(judgement *Judgement, score float64, label int) {
	judgement.Score = float32(score)
	if j.Detector.Distribution == nil || label != model.AnyLabel {
		return
	}
	p := j.P(score)
	judgement.P = &p
	if j.Rule.FalseAlarms != 0 {
		out := p <= j.Rule.FalseAlarms
		judgement.OutOfDistribution = &out
	}
}

// batch is how many images to judge at a time.
func (j *Judge) batch() int {
	if j.mapper != nil {
		return 1 // whose tiles are a batch
	}
	return j.meter.Batch()
}

// P is the p-value of a score, with the rule's confidence. The judge must have a calibration.
func (j *Judge) P(score float64) float64 { return j.confident(j.Detector.Distribution.P(score)) }

func (j *Judge) confident(p float64) float64 {
	if j.Rule.Confidence == 0 {
		return p
	}
	return j.Detector.Distribution.Conditional(p, 1-j.Rule.Confidence)
}

// Discover decides about all images together: it fills in Q and OutOfDistribution, so that at most the given fraction of the images called
// out of distribution, on average, is not (Benjamini and Hochberg; see [conformal.Adjust]). All must have p-values.
func Discover(judgements []*Judgement, rate float64) {
	p := make([]float64, len(judgements))
	for i, j := range judgements {
		p[i] = *j.P
	}
	for i, q := range conformal.Adjust(p) {
		out := q <= rate
		judgements[i].Q, judgements[i].OutOfDistribution = &q, &out
	}
}

// TooFewImages says that a rule can never call anything out of distribution, since there are too few calibration images.
type TooFewImages struct {
	Images   int     // that the p-values rest on
	Smallest float64 // the smallest p-value there can be
	Rate     float64 // asked for
	Needed   int     // images for that rate; 0: more, but it is not known how many
}

func (e *TooFewImages) Error() string {
	enough := "more images"
	if e.Needed > 0 {
		enough = fmt.Sprintf("%d images or more", e.Needed)
	}
	return fmt.Sprintf("with %d calibration images no p-value is below %.3g: at %.3g%% nothing is ever out of distribution; calibrate with %s",
		e.Images, e.Smallest, 100*e.Rate, enough)
}

// Check is a [*TooFewImages] if the rule's rate cannot be had.
func (j *Judge) Check() error {
	rate := max(j.Rule.FalseAlarms, j.Rule.FalseDiscoveries)
	if rate == 0 {
		return nil
	}
	e := &TooFewImages{Images: len(j.Detector.Distribution.Scores()), Smallest: j.confident(j.Detector.Distribution.Smallest()), Rate: rate}
	if e.Smallest <= rate {
		return nil
	}
	if j.Rule.Confidence == 0 {
		e.Needed = conformal.Needed(rate)
	}
	return e
}

// Judged is an image with its judgement, or the reason why it has none: it cannot be read, or its energy is not finite.
type Judged struct {
	dataset.Image
	Judgement
	Err error
}

// Batches judges images as they come, as many at a time as are there, and yields them in order. An error of an image, which is one of a
// whole source where the name is empty, is that of its Judged, and the walk goes on; an error of the judge ends it, as the end of ctx does.
// The images, of the model's size (model.Config.PictureSize), are walked in another goroutine, some way ahead; dataset.Images and dataset.Pictures yield such.
func (j *Judge) Batches(ctx context.Context, images iter.Seq2[dataset.Image, error], label int) iter.Seq2[[]Judged, error] {
	return func(yield func([]Judged, error) bool) {
		ended := make(chan struct{})
		defer close(ended)
		arrivals := make(chan Judged, j.batch())
		go func() {
			defer close(arrivals)
			for img, err := range images {
				select {
				case arrivals <- Judged{Image: img, Err: err}:
				case <-ended:
					return
				}
			}
		}()
		for {
			batch := j.gather(ctx, arrivals)
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if len(batch) == 0 {
				return
			}
			if err := j.judge(ctx, batch, label); err != nil {
				yield(nil, err)
				return
			}
			if !yield(batch, nil) {
				return
			}
		}
	}
}

// gather waits for an image and takes those that are there already, at most a batch; or waits for a full one.
func (j *Judge) gather(ctx context.Context, arrivals <-chan Judged) (batch []Judged) {
	for len(batch) < j.batch() {
		next, ok := receive(ctx, arrivals, len(batch) == 0 || j.Full)
		if !ok {
			break
		}
		batch = append(batch, next)
	}
	return batch
}

// receive takes an image, if there is one, or waits until there is; false if there is none, none is left or ctx ends.
func receive(ctx context.Context, arrivals <-chan Judged, wait bool) (next Judged, ok bool) {
	if !wait {
		select {
		case next, ok = <-arrivals:
		default:
		}
		return next, ok
	}
	select {
	case next, ok = <-arrivals:
	case <-ctx.Done():
	}
	return next, ok
}

func (j *Judge) judge(ctx context.Context, batch []Judged, label int) error {
	var pictures []dataset.Image
	for i := range batch {
		one := &batch[i]
		if one.Err == nil && j.mapper != nil {
			if err := j.mapper.Check(one.Size); err != nil {
				one.Err = fmt.Errorf("%s: %w", one.Name, err)
			}
		}
		if one.Err == nil {
			pictures = append(pictures, one.Image)
		}
	}
	judgements, err := j.Pictures(ctx, pictures, label)
	if err != nil {
		return err
	}
	for i := range batch {
		one := &batch[i]
		if one.Err != nil {
			continue
		}
		one.Judgement, judgements = judgements[0], judgements[1:]
		if err := one.Judgement.Err(); err != nil {
			one.Err = fmt.Errorf("%s: %w", one.Name, err)
		}
	}
	return nil
}
