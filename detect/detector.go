package detect

// This file lists the detectors: ways to make one score, high where an image is out of distribution, of what an energy says of it.
//
// Sources: the norm of the gradient as the lack of "approximate mass", Grathwohl et al., "Your Classifier Is Secretly an Energy Based
// Model and You Should Treat It Like One", ICLR 2020; typicality, Nalisnick et al., "Detecting Out-of-Distribution Inputs to Deep
// Generative Models Using Typicality", 2019. Their combination is plain standardisation.

import (
	"fmt"
	"math"
	"strings"

	"github.com/joule-ebm/joule/detect/conformal"
	"github.com/joule-ebm/joule/model"
)

// Default is the detector to use where none is named.
const Default = "energy"

// A Kind is one way to score images.
type Kind struct {
	Name, About string
	Needs       model.Quantities // of the meter that measures for it
	Reference   bool             // it needs figures of in-distribution images, and so a calibration

	score func(m model.Measurement, r reference) float64
}

// kinds are all but those of single scales.
var kinds = []Kind{
	{Name: "energy", About: "E(x): images unlike any seen in training; the first to try",
		score: func(m model.Measurement, _ reference) float64 { return m.Energy }},
	{Name: "typicality", About: "|E(x) - median|: also images that are too likely: empty, blurred, simpler than all calibration images",
		Reference: true,
		score:     func(m model.Measurement, r reference) float64 { return math.Abs(m.Energy - r.Energy.Centre) }},
	{Name: "gradient-norm", About: "the length of dE/dx: images just beside the calibration images: blurred, mixed, retouched; blind to what is far away, where energies are flat",
		Needs: model.Quantities{Gradients: true},
		score: func(m model.Measurement, _ reference) float64 { return m.Norm }},
	{Name: "combined", About: "energy and log gradient-norm, each in units of its spread over calibration images, added: far and near together",
		Needs: model.Quantities{Gradients: true}, Reference: true,
		score: func(m model.Measurement, r reference) float64 {
			return r.Energy.standardise(m.Energy) + r.LogNorm.standardise(logNorm(m))
		}},
	{Name: typicalSetName, About: "how far all figures of an image together are from those of calibration images - energies of the scales, log gradient-norm, compressed size - plus the energy in units of its spread: for photographs, against what is simpler or busier than these",
		Needs: model.Quantities{Gradients: true}, Reference: true,
		score: func(m model.Measurement, r reference) float64 {
			return r.Typical.distance(statistics(m)) + r.Energy.standardise(m.Energy)
		}},
	{Name: typicalDescentName, About: "the same with how steep the energy is, and how far a chain of training without noise moves the image, each by octaves of frequency: for photographs, also against averages, textures and pieces; takes as many times as long as a chain has steps",
		Needs: model.Quantities{Gradients: true, Descent: true}, Reference: true,
		score: func(m model.Measurement, r reference) float64 {
			return r.Descent.distance(descentStatistics(m)) + r.Energy.standardise(m.Energy)
		}},
}

// renamed are detectors that had another name: calibrations in model files may still have it.
var renamed = map[string]string{"score-norm": "gradient-norm"}

// logNorm is log ‖∂E/∂x‖; a flat energy counts as the smallest gradient that a float32 can hold.
func logNorm(m model.Measurement) float64 { return math.Log(max(m.Norm, math.SmallestNonzeroFloat32)) }

// Kinds lists the detectors for an energy of so many scales.
func Kinds(scales int) []Kind {
	list := kinds[:len(kinds):len(kinds)]
	for s := range scales {
		if scales > 1 {
			list = append(list, Kind{Name: fmt.Sprintf("scale:%d", s+1), About: "the energy of this scale alone",
				score: func(m model.Measurement, _ reference) float64 { return m.Scales[s] }})
		}
	}
	return list
}

// Usage explains the detectors, for a program's help.
func Usage() string {
	var list strings.Builder
	for _, k := range kinds {
		fmt.Fprintf(&list, "  %-14s %s\n", k.Name, strings.ReplaceAll(wrap(k.About, 80), "\n", "\n                 "))
	}
	fmt.Fprintf(&list, "  %-14s the energy of one scale of a multi-scale model, 1 the coarsest: what is wrong as a\n"+
		"                 whole (1) or in its details (the last)\n", "scale:N")
	return list.String()
}

// wrap breaks a text into lines of at most width characters.
func wrap(text string, width int) string {
	var lines strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			lines.WriteByte('\n')
			column = 0
		default:
			lines.WriteByte(' ')
			column++
		}
		lines.WriteString(word)
		column += len(word)
	}
	return lines.String()
}

// A Detector scores images.
type Detector struct {
	Kind
	Distribution *conformal.Distribution // of the calibration images' scores; nil without a calibration
	reference    reference
}

// Score is high for images that are out of distribution. It is a float32's value, as calibration scores are stored as such. Of a model of
// tiles it is NaN: pictures have a score there ([Judge.Map]), by places, and no single measurement has.
func (d *Detector) Score(m model.Measurement) float64 { return d.score32(m, d.reference) }

func (k Kind) score32(m model.Measurement, r reference) float64 {
	return float64(float32(k.score(m, r)))
}

// UnknownDetector says that no detector has that name.
type UnknownDetector struct {
	Name   string
	advice string
}

func (e *UnknownDetector) Error() string {
	return fmt.Sprintf("no detector %.40q: %s", e.Name, e.advice)
}

// Named is the detector of that name for an energy of so many scales, calibrated by c; c may be nil. The error is an [*UnknownDetector]
// if there is none, and wraps [ErrNotCalibrated] if it needs a calibration that is not there, or c is one of other scales.
func Named(name string, scales int, c *Calibration) (*Detector, error) {
	var names []string
	for _, k := range Kinds(scales) {
		if k.Name != name {
			names = append(names, k.Name)
			continue
		}
		if c == nil {
			if k.Reference {
				return nil, fmt.Errorf("%w, and detector %s needs it to be", ErrNotCalibrated, name)
			}
			return &Detector{Kind: k}, nil
		}
		if err := c.check(scales); err != nil {
			return nil, err
		}
		d, ok := c.distributions[name]
		if !ok {
			return nil, fmt.Errorf("%w: detector %s is not in its calibration", ErrNotCalibrated, name)
		}
		return &Detector{k, d, c.reference}, nil
	}
	switch now := renamed[name]; {
	case now != "":
		return nil, &UnknownDetector{name, "it is called " + now + " now"}
	case scales == 1 && strings.HasPrefix(name, "scale:"):
		return nil, &UnknownDetector{name, "the model has one scale, whose energy is detector energy"}
	}
	return nil, &UnknownDetector{name, "want one of " + strings.Join(names, ", ")}
}
