// Package quality compares samples with data by the features that a network gives them: how far apart the two are (FID, KID), how
// much of each lies where the other does (precision, recall, density, coverage), and how surely and how evenly a classifier tells
// the samples apart (Inception Score).
//
//	r, err := quality.Defaults().Run(ctx, &cpu.Engine{}, m)          // samples of a model against its data's test split
//	fmt.Println(r.FID.Value, r.KID.Interval, r.Real.FID.Value)
//
// [Plan.Run] opens or generates images, chooses a network ([OpenNetwork]) and compares; [Compare] takes images that are there already,
// [Measure] what a network of package eval/features says of them, and [MeasureFID], [MeasureKID], [MeasureInceptionScore] and
// [MeasureManifold] numbers from anywhere.
//
// All sums are in float64. Figures depend on the network and on the numbers of images: only those made with the same network, the
// same numbers and the same data compare. Each says how sure it is where that can be said.
package quality

import (
	"context"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/eval/features"
)

// Features are those of N images, a row each.
type Features struct {
	Dim    int
	Values []float32 // N × Dim
}

// Len is the number of images.
func (f Features) Len() int { return len(f.Values) / f.Dim }

// first takes the first n images.
func (f Features) first(n int) Features { return Features{f.Dim, f.Values[:n*f.Dim]} }

// row is image i's features.
func (f Features) row(i int) []float32 { return f.Values[i*f.Dim:][:f.Dim] }

// check says what is wrong with features that are to be compared, with at least so many images of each, if anything.
func check(samples, data Features, least int) error {
	for _, side := range []struct {
		name string
		Features
	}{{"samples", samples}, {"data", data}} {
		switch f := side.Features; {
		case f.Dim < 1 || len(f.Values)%f.Dim != 0:
			return fmt.Errorf("quality: %d numbers are not rows of %d features", len(f.Values), f.Dim)
		case f.Dim != samples.Dim:
			return fmt.Errorf("quality: samples have %d features and data %d: take both from one network", samples.Dim, f.Dim)
		case f.Len() < least:
			return fmt.Errorf("quality: %d images of %s: want at least %d", f.Len(), side.name, least)
		}
		for i, v := range side.Values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("quality: a feature of image %d of the %s is %v", i/side.Dim, side.name, v)
			}
		}
	}
	return nil
}

// An Interval is one that a figure is in with 95% confidence, as far as the images in hand can tell.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// normal is the interval of a figure with a standard error.
func normal(value, standardError float64) *Interval {
	const z = 1.959963984540054
	return &Interval{value - z*standardError, value + z*standardError}
}

// An Estimate is a figure with its interval.
type Estimate struct {
	Value    float64   `json:"value"`
	Interval *Interval `json:"interval"`
}

// Figures are all those of one comparison.
type Figures struct {
	Network        string         `json:"network"`
	Samples        int            `json:"samples"` // images
	Data           int            `json:"data"`
	FID            FID            `json:"fid"`
	KID            KID            `json:"kid"`
	InceptionScore InceptionScore `json:"inception_score"`
	Manifold       Manifold       `json:"manifold"`
	Classes        Classes        `json:"classes"` // of the network's own; those of Inception are ImageNet's
	Warnings       []string       `json:"warnings,omitempty"`
}

// Measure computes every figure of samples against data, both described by the network. Seed chooses the subsets of KID. Progress, if
// not nil, is called now and then with how much of the work is done, from 0 to all.
func Measure(ctx context.Context, net features.Network, samples, data features.Description, seed uint64, progress func(done, all int64)) (Figures, error) {
	s, d := Features{net.Dim(), samples.Features}, Features{net.Dim(), data.Features}
	r := Figures{Network: net.Name()}
	if err := check(s, d, leastImages); err != nil {
		return r, err
	}
	r.Samples, r.Data = s.Len(), d.Len()
	r.Warnings = warnings(net.Name(), r.Samples, r.Data, s.Dim)
	w := work{ctx: ctx}
	if progress != nil {
		few, done := min(r.Samples, r.Data), int64(0)
		all := pairs(r.Samples, r.Samples, true) + pairs(r.Data, r.Data, true) + pairs(r.Samples, r.Data, false) +
			2*pairs(few, few, true) + pairs(few, few, false)
		w.progress = func(pairs int) {
			done += int64(pairs)
			progress(min(done, all), all)
		}
	}
	var err error
	if r.KID, err = w.kid(s, d, seed); err != nil {
		return r, err
	}
	if r.Manifold, err = w.manifold(s, d, Neighbours); err != nil {
		return r, err
	}
	if r.InceptionScore, err = MeasureInceptionScore(samples.Probabilities, net.Classes(), Splits); err != nil {
		return r, err
	}
	if r.Classes, err = MeasureClasses(samples.Probabilities, data.Probabilities, net.Classes()); err != nil {
		return r, err
	}
	r.FID, err = MeasureFID(s, d)
	return r, err
}

const (
	leastImages = 20     // of samples and of data
	enoughFID   = 10_000 // images of each that FID is customarily computed with
	fewestFID   = 2_048  // below which nobody should
)

// warnings say what the figures suffer from.
func warnings(network string, samples, data, dim int) (w []string) {
	if network != "inception" {
		w = append(w, fmt.Sprintf("features are those of the network %q: no figure compares with Inception's, such as published FIDs", network))
	}
	n := min(samples, data)
	switch {
	case n <= dim:
		w = append(w, fmt.Sprintf("FID: %d images are no more than the %d features: the covariance is singular and FID far too high; take more images",
			n, dim))
	case network == "inception" && n < fewestFID, network != "inception" && n < 20*dim:
		w = append(w, fmt.Sprintf("FID: with %d images it is much too high; compare it only with that of as many, or take more images", n))
	case network == "inception" && n < enoughFID:
		w = append(w, fmt.Sprintf("FID: customarily computed with at least %d images of each; with %d it is higher", enoughFID, n))
	}
	if samples < 50*Splits {
		w = append(w, fmt.Sprintf("Inception Score: with %d images in %d splits it is too low; compare it only with that of as many", samples, Splits))
	}
	return w
}
