package study

// This file knows what models are judged by, so that a study that goes on with other images or more samples judges all of them anew.

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/run"
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

// judgedAlike is an error unless models of a configuration can be judged by the images that those of the first one are judged by.
func (s *Study) judgedAlike(first, c *run.Config) error {
	switch {
	case c.ImageSize() != first.ImageSize() || c.PictureSize() != first.PictureSize():
		return fmt.Errorf("study: images of %v, where those of the first configuration are of %v: all are judged by the same, so give all one size", c.ImageSize(),
			first.ImageSize())
	case s.Images.In == "" && (c.Data != first.Data || c.Exclude != first.Exclude):
		return fmt.Errorf("study: other data or exclude than the first configuration, and all are judged by the same images: say with --in by which")
	}
	return nil
}

// warnOfSeen tells which configurations learn from images that they are judged by, but for the first, of which opening them tells.
func (s *Study) warnOfSeen(ctx context.Context, first *run.Config) error {
	for _, v := range s.Variants[1:] {
		config, err := v.Config(s.Base, first.Seed)
		if err != nil || config.Data == first.Data {
			continue // Check has told the error
		}
		n, err := config.Seen(ctx, s.in)
		if err != nil {
			return err
		}
		if n > 0 {
			s.Log.Warn("trained on some of the images to judge by, which look better to it than others do", "name", v.Name, "images", n, "of", s.in.Len())
		}
	}
	return nil
}

// noImages says why there are no in-distribution images to judge by: the data themselves cannot be opened, or have no such images.
func noImages(ctx context.Context, c *run.Config, err error) error {
	none := (*benchmark.NoTestImages)(nil)
	if !errors.As(err, &none) {
		return err
	}
	source, located := dataset.Locate(ctx, c.Source().String())
	if located != nil {
		return located
	}
	source.Close()
	return fmt.Errorf("study: %s has no test images to judge by: name others with --in: %w", c.Data, none.Err)
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
