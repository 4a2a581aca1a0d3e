package detect

// This file calibrates detectors with in-distribution images that the model was not trained on.
//
// Some detectors need figures of such images: a median, a spread. To take them from the images whose scores become the calibration
// scores would break what the p-values rest on, that an in-distribution image is exchangeable with the calibration images: those would
// have had a say in how they are scored, it not. So a fifth of the images, chosen at random, are reference images: the figures come from them
// alone, and the calibration scores of such detectors from the others alone. Detectors that need no figures are calibrated with all.

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/joule-ebm/joule/detect/conformal"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/model"
)

const (
	// Fewest is the least number of images to calibrate with.
	Fewest = 20
	// Most bounds the size of a calibration.
	Most = 1_000_000
	// referenceShare is how many images there are to one reference image.
	referenceShare = 5
)

// Calibration is what calibration images made of the detectors.
type Calibration struct {
	Data   string // the calibration images, for people
	Images int    // how many there were, reference images included
	Pixels string // the digest of the images; empty: not known

	weights string // the digest of the model's parameters; empty: not known

	scales        int  // of the energy
	tiles         bool // scores are those of pictures, by a model of tiles
	reference     reference
	distributions map[string]*conformal.Distribution // by the names of detectors
}

// Scales is the number of scales of the energy.
func (c *Calibration) Scales() int { return c.scales }

// check is an error if the calibration is none of an energy of so many scales.
func (c *Calibration) check(scales int) error {
	if c.scales != scales {
		return fmt.Errorf("%w: its calibration is one of %d scales, its energy has %d: calibrate it again", ErrNotCalibrated, c.scales, scales)
	}
	return nil
}

// MedianNorm is the median ‖∂E/∂x‖₂ of the calibration images.
func (c *Calibration) MedianNorm() float64 {
	if d, ok := c.distributions["gradient-norm"]; ok {
		return median(d.Scores())
	}
	return 0
}

// reference are the figures of the reference images.
type reference struct {
	Energy  spread     `json:"energy"`
	LogNorm spread     `json:"log_norm"`
	Typical typicalSet `json:"typical_set,omitzero"`
	Descent typicalSet `json:"typical_descent,omitzero"`
}

// spread is where values lie, by figures that a few outliers among them do not move.
type spread struct {
	Centre float64 `json:"centre"` // median
	Width  float64 `json:"width"`  // 1.4826 × the median distance from it: the standard deviation where values are normal
}

func spreadOf(values []float64) spread {
	centre := median(values)
	var distances []float64
	for _, v := range values {
		distances = append(distances, math.Abs(v-centre))
	}
	return spread{centre, 1.4826 * median(distances)}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return sorted[(n-1)/2]/2 + sorted[n/2]/2
}

// standardise is v in units of the width from the centre. Where more than half of the values are alike there is no width: the unit
// is then 1.
func (s spread) standardise(v float64) float64 {
	if s.Width == 0 {
		return v - s.Centre
	}
	return (v - s.Centre) / s.Width
}

// CalibrateWith calibrates all detectors with images measured by a meter with gradients; data describes them. Those that need descents are
// left out where the meter had none.
func CalibrateWith(data string, images []model.Measurement) (*Calibration, error) {
	if len(images) < Fewest || len(images) > Most {
		return nil, fmt.Errorf("%d images to calibrate with: want %d to %d", len(images), Fewest, Most)
	}
	var energies, norms []float64
	var rows, descents [][]float64
	isReference, descended := chooseReference(len(images)), images[0].Moves != nil
	for i, m := range images {
		for _, v := range append([]float64{m.Energy, m.Norm}, m.Scales...) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("image %d to calibrate with has energy %v, gradient %v: the model is of no use, train it again", i, m.Energy, m.Norm)
			}
		}
		if isReference[i] {
			energies, norms, rows = append(energies, m.Energy), append(norms, logNorm(m)), append(rows, statistics(m))
			descents = append(descents, descentStatistics(m))
		}
	}
	typical, err := typicalSetOf(rows)
	if err != nil {
		return nil, err
	}
	var descent typicalSet
	if descended {
		if descent, err = typicalSetOf(descents); err != nil {
			return nil, err
		}
	}
	c := &Calibration{Data: data, Images: len(images), scales: len(images[0].Scales),
		reference: reference{spreadOf(energies), spreadOf(norms), typical, descent}, distributions: map[string]*conformal.Distribution{}}
	for _, k := range Kinds(c.scales) {
		if k.Needs.Descent && !descended {
			continue
		}
		var scores []float64
		for i, m := range images {
			if !k.Reference || !isReference[i] {
				scores = append(scores, k.score32(m, c.reference))
			}
		}
		if c.distributions[k.Name], err = conformal.New(scores); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Summary is what a calibration makes of one detector.
type Summary struct {
	Detector string         `json:"name"`
	Images   int            `json:"images"`     // that the p-values rest on
	Smallest float64        `json:"smallest_p"` // the smallest p-value there can be
	Rates    []RateOfAlarms `json:"rates"`
}

// RateOfAlarms is what a false-alarm rate means for a detector: see [conformal.Distribution.Threshold] and
// [conformal.Distribution.FalseAlarms].
type RateOfAlarms struct {
	Rate      float64 `json:"rate"`      // asked for
	Threshold float64 `json:"threshold"` // exactly the images that score above it are called out of distribution
	Low       float64 `json:"low"`       // the rate of the calibration at hand lies between Low and High with 95% confidence
	High      float64 `json:"high"`
}

// Summary says for each detector what false-alarm rates mean: those given that so many images allow, or 0.1%, 1% and 5%.
func (c *Calibration) Summary(rates ...float64) []Summary {
	if len(rates) == 0 {
		rates = []float64{0.001, 0.01, 0.05}
	}
	var all []Summary
	names := scoremap.Names()
	if !c.tiles {
		names = nil
		for _, k := range Kinds(c.scales) {
			names = append(names, k.Name)
		}
	}
	for _, name := range names {
		d, ok := c.distributions[name]
		if !ok {
			continue
		}
		s := Summary{Detector: name, Images: len(d.Scores()), Smallest: d.Smallest()}
		for _, rate := range rates {
			if s.Images >= conformal.Needed(rate) {
				low, high := d.FalseAlarms(rate, 0.95)
				s.Rates = append(s.Rates, RateOfAlarms{rate, d.Threshold(rate), low, high})
			}
		}
		all = append(all, s)
	}
	return all
}

// chooseReference marks the reference images among n: the same ones each time, in no order.
func chooseReference(n int) []bool {
	chosen, s := make([]bool, n), rng.New(0, streamReference)
	// Each image is taken with the chance that leaves the wanted number in all (Knuth, The Art of Computer Programming, 3.4.2 S).
	for i, wanted := 0, n/referenceShare; wanted > 0; i++ {
		if s.IntN(n-i) < wanted {
			chosen[i] = true
			wanted--
		}
	}
	return chosen
}

// streamReference names the random stream of the choice.
const streamReference = 0x63616c // "cal"

// stored is the form of a calibration in a model file. Scores are float32, ascending, little-endian, in base64.
type stored struct {
	Version   int            `json:"version"`
	Data      string         `json:"data"`
	Images    int            `json:"images"`
	Pixels    string         `json:"pixels,omitempty"`
	Weights   string         `json:"weights,omitempty"`
	Scales    int            `json:"scales"`
	Tiles     bool           `json:"tiles,omitempty"`
	Reference reference      `json:"reference"`
	Scores    []storedScores `json:"scores"`
}

type storedScores struct {
	Detector string `json:"detector"`
	Scores   string `json:"scores"`
}

// version is that of the stored form, and of the detectors: a change of either makes another.
const version = 1

// MarshalJSON writes the calibration down. Equal ones give equal bytes.
func (c *Calibration) MarshalJSON() ([]byte, error) {
	s := stored{Version: version, Data: c.Data, Images: c.Images, Pixels: c.Pixels, Weights: c.weights, Scales: c.scales, Tiles: c.tiles, Reference: c.reference}
	for name, d := range c.distributions {
		var data []byte
		for _, v := range d.Scores() {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(v)))
		}
		s.Scores = append(s.Scores, storedScores{name, base64.StdEncoding.EncodeToString(data)})
	}
	slices.SortFunc(s.Scores, func(a, b storedScores) int {
		if a.Detector < b.Detector {
			return -1
		}
		return 1
	})
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Calibration) UnmarshalJSON(text []byte) error {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if s.Version != version {
		return fmt.Errorf("of version %d, this program knows %d: calibrate again", s.Version, version)
	}
	if s.Scales < 0 || s.Scales > max(1, len(s.Scores)) { // each of several has scores
		return fmt.Errorf("of %d scales, with the scores of %d detectors: calibrate again", s.Scales, len(s.Scores))
	}
	*c = Calibration{Data: s.Data, Images: s.Images, Pixels: s.Pixels, weights: s.Weights, scales: s.Scales, tiles: s.Tiles, reference: s.Reference, distributions: map[string]*conformal.Distribution{}}
	for _, stored := range s.Scores {
		if now, ok := renamed[stored.Detector]; ok {
			stored.Detector = now
		}
		data, err := base64.StdEncoding.DecodeString(stored.Scores)
		if err != nil {
			return err
		}
		if len(data)%4 != 0 {
			return fmt.Errorf("the scores of %.40q are cut short", stored.Detector)
		}
		scores := make([]float64, 0, len(data)/4)
		for ; len(data) > 0; data = data[4:] {
			scores = append(scores, float64(math.Float32frombits(binary.LittleEndian.Uint32(data))))
		}
		if c.distributions[stored.Detector], err = conformal.New(scores); err != nil {
			return err
		}
	}
	if c.distributions[typicalSetName] != nil {
		return c.reference.Typical.check(len(statistics(nothing(c.scales, 0))))
	}
	return nil
}
