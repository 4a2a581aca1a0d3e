package study

// This file knows what models are judged by, so that a study that goes on with other images or more samples judges all of them anew.

import (
	"reflect"
	"slices"

	"github.com/joule-ebm/joule/dataset"
)

// Means are what a model was judged by. The seed of its samples is that of its training.
type Means struct {
	In      Set    `json:"in"`
	Out     []Set  `json:"out_of"`
	Samples int    `json:"samples"`
	Steps   int    `json:"steps"` // 0: all rounds that the configuration names
	Build   string `json:"build"` // that judged
}

// Set is a set of images, by name and by content.
type Set struct {
	Name string `json:"name"`
	dataset.Fingerprint
}

// newMeans are those of the images that are open.
func (s *Study) newMeans() Means {
	m := Means{In: Set{s.in.Name, s.in.Fingerprint()}, Samples: s.Samples, Steps: s.Steps, Build: s.Build}
	for _, o := range s.outliers {
		m.Out = append(m.Out, Set{o.Name, o.Fingerprint()})
	}
	return m
}

// judged says whether a row was judged by the study's means, as far as it says: builds of before kept only what the figures need.
func (s *Study) judged(row *Row) bool {
	if row.Means != nil {
		were := *row.Means
		were.Build = s.means.Build
		return reflect.DeepEqual(were, s.means)
	}
	if !slices.EqualFunc(row.AUROC, s.outliers, func(a AUROC, o *dataset.Set) bool { return a.Out == o.Name }) {
		return false
	}
	f := row.Quality.Figures
	if s.network == nil || s.Samples < fewest {
		return f == nil
	}
	return f != nil && f.Network == s.network.Name() && f.Samples == s.Samples && f.Data == s.in.Len()
}
