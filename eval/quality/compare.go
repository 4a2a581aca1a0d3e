package quality

// This file compares images with images, by a network, and real ones with each other for a scale.

import (
	"context"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/inception"
)

// Report says how near samples are to data.
type Report struct {
	SamplesFrom string `json:"samples_from"`
	Steps       int    `json:"steps,omitempty"` // of each chain that made a sample
	DataFrom    string `json:"data_from"`
	Input       string `json:"inception_input,omitempty"` // how images were resized for Inception
	Figures
	// Real are the figures of real images in place of samples, what a perfect model would get with as many; nil: none.
	Real *Real `json:"real,omitempty"`
}

// Real are figures of real images.
type Real struct {
	From string `json:"samples_from"`
	Figures
}

// Compare describes samples and data by a network and compares them, and so again with real images in place of the samples, if there
// are any (real may be nil). Seed chooses the subsets of KID. Progress may be nil.
func Compare(ctx context.Context, net features.Network, samples, data, real *dataset.Set, seed uint64, progress eval.Progress) (*Report, error) {
	r := &Report{SamplesFrom: samples.Name, DataFrom: data.Name}
	if n, ok := net.(*inception.Network); ok {
		r.Input = n.Input().String()
	}
	describe := func(set *dataset.Set) (features.Description, error) {
		return features.Describe(ctx, net, set, progress.Start("describing "+set.Name, "images", int64(set.Len())))
	}
	described, err := describe(data)
	if err != nil {
		return nil, err
	}
	measure := func(set *dataset.Set) (Figures, error) {
		d, err := describe(set)
		if err != nil {
			return Figures{}, err
		}
		return Measure(ctx, net, d, described, seed, func(done, all int64) {
			if progress != nil {
				progress("comparing", "%", 100*done/all, 100)
			}
		})
	}
	if r.Figures, err = measure(samples); err != nil || real == nil {
		return r, err
	}
	r.Real = &Real{From: real.Name}
	r.Real.Figures, err = measure(real)
	r.Real.Warnings = nil // those of the samples
	return r, err
}
