package detect

// This file judges large pictures by a model of tiles. The score of a picture is the highest of its score map (package scoremap),
//
//	s(picture) = max_p s(p),
//
// and it is pictures that calibrate it: the p-value of a picture compares its highest score with the highest scores of good pictures, so
// that the false-alarm rate is that of pictures, however many tiles and pixels they have. A region of the map has the p-value that a
// picture of its highest score would have: of good pictures at most a fraction α has any region with p ≤ α, which is the method of the
// maximum statistic for many tests at once.
//
// Source: Westfall and Young, "Resampling-Based Multiple Testing", 1993; for maps, Nichols and Holmes, "Nonparametric permutation tests
// for functional neuroimaging", Human Brain Mapping 15 (2002).

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/conformal"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/model"
)

// Region is a part of a picture that is called out of distribution.
type Region struct {
	X      int     `json:"x"` // of the smallest rectangle that holds it, in pixels from the left
	Y      int     `json:"y"` // from the top
	Width  int     `json:"width"`
	Height int     `json:"height"`
	Pixels int     `json:"pixels"` // in it
	Score  float32 `json:"score"`  // the highest in it
	P      float64 `json:"p"`
}

// mapDetector is the detector of a model of tiles that scores by a kind of score map.
func mapDetector(name string, c *Calibration) (*Detector, error) {
	names := scoremap.Names()
	if !slices.Contains(names, name) {
		return nil, &UnknownDetector{name, "of a model of tiles, want one of " + strings.Join(names, ", ")}
	}
	d := &Detector{Kind: Kind{Name: name, score: func(model.Measurement, reference) float64 { return math.NaN() }}}
	if c == nil {
		return d, nil
	}
	d.Distribution = c.distributions[name] // nil for a map that it takes long to make
	return d, nil
}

// CalibrateSet is [Calibrate] with the images of a set, in memory or not; of a model of tiles the images are pictures, of any size that
// holds a tile, and the calibration is one of the quick score maps.
func CalibrateSet(ctx context.Context, e engine.Engine, m *model.Model, set *dataset.Set, progress func(int)) (*Calibration, error) {
	if !m.Config.Tiled() {
		return Calibrate(ctx, e, m, set.Name, set.InMemory().Pixels, progress)
	}
	if set.Len() < Fewest || set.Len() > Most {
		return nil, fmt.Errorf("%d pictures to calibrate with: want %d to %d", set.Len(), Fewest, Most)
	}
	c := &Calibration{Data: set.Name, Images: set.Len(), weights: weightsOf(m), tiles: true, distributions: map[string]*conformal.Distribution{}}
	for _, name := range scoremap.Quick() {
		mapper, err := scoremap.New(e, m, name)
		if errors.Is(err, energy.ErrNoPlaces) {
			continue // no judge has that map either
		}
		if err != nil {
			return nil, err
		}
		var scores []float64
		digest := sha256.New()
		for i := range set.Len() {
			picture := set.Image(i)
			digest.Write(picture)
			scored, err := mapper.Map(ctx, picture, set.Size(), model.AnyLabel)
			if err != nil {
				return nil, err
			}
			most, _ := scored.Max()
			if math.IsNaN(most) || math.IsInf(most, 0) {
				return nil, fmt.Errorf("picture %d to calibrate with has score %v: the model is of no use, train it again", i, most)
			}
			if scores = append(scores, most); progress != nil && len(c.distributions) == 0 { // the first map
				progress(1)
			}
		}
		if c.distributions[name], err = conformal.New(scores); err != nil {
			return nil, err
		}
		c.Pixels = hex.EncodeToString(digest.Sum(nil)[:16])
	}
	return c, nil
}

// ErrNoMap says that a judge has no score map: its model is none of tiles.
var ErrNoMap = errors.New("detect: the model judges whole images, not places in pictures")

// Map is the score map of a picture, and what it comes to.
func (j *Judge) Map(ctx context.Context, picture dataset.Image, label int) (*scoremap.Map, Judgement, error) {
	if j.mapper == nil {
		return nil, Judgement{}, ErrNoMap
	}
	scores, err := j.mapper.Map(ctx, picture.Pixels, picture.Size, label)
	if err != nil {
		return nil, Judgement{}, err
	}
	most, _ := scores.Max()
	judgement := Judgement{Energy: float32(scores.Energy)}
	j.decide(&judgement, most, label)
	if judgement.OutOfDistribution != nil && *judgement.OutOfDistribution {
		for _, r := range scores.Regions(j.threshold()) {
			judgement.Regions = append(judgement.Regions, Region{r.X, r.Y, r.Width, r.Height, r.Pixels, float32(r.Score), j.P(r.Score)})
		}
	}
	return scores, judgement, nil
}

// threshold is the score beyond which the rule calls out of distribution what a false-alarm rate decides about.
func (j *Judge) threshold() float64 {
	scores := j.Detector.Distribution.Scores()
	for _, s := range slices.Backward(scores) {
		if j.P(s) > j.Rule.FalseAlarms {
			return s
		}
	}
	return math.Inf(-1)
}

// Pictures judges each of the pictures, as [Judge.Images] does; a model of tiles takes them of any size that holds one. One that is smaller
// is an error.
func (j *Judge) Pictures(ctx context.Context, pictures []dataset.Image, label int) ([]Judgement, error) {
	if j.mapper == nil {
		var pixels []uint8
		for _, p := range pictures {
			pixels = append(pixels, p.Pixels...)
		}
		return j.Images(ctx, pixels, label)
	}
	if err := j.checkLabel(label); err != nil {
		return nil, err
	}
	var judgements []Judgement
	for _, p := range pictures {
		_, judgement, err := j.Map(ctx, p, label)
		if err != nil {
			return nil, err
		}
		judgements = append(judgements, judgement)
	}
	return judgements, nil
}

// Heat is the range of scores that a picture of a score map shows, by the calibration: from the median of good pictures' highest scores, which
// half of them do not reach anywhere, to three times as far above it as the highest of a hundred good pictures. It is false without a
// calibration.
func (d *Detector) Heat() (low, high float64, ok bool) {
	if d.Distribution == nil {
		return 0, 0, false
	}
	scores := d.Distribution.Scores()
	low = median(scores)
	top := scores[(len(scores)-1)*99/100]
	return low, low + 3*max(top-low, 1e-6*math.Abs(low)+1e-12), true
}
