package cpu

import (
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// This file draws noise. The numbers are a function of the seed, the leaf's name, the image and the step of its chain, and of nothing else,
// so that neither tiles nor threads nor restarts change them.

// noise draws each image's random numbers for this step of its chain.
func noise(n *node) func(f *frame) {
	label := uint64(0)
	for _, c := range []byte(n.attr.Name) {
		label = label*257 + uint64(c)
	}
	return func(f *frame) {
		for image := range f.images {
			s := rng.New(f.chain.Seed, label, f.chain.FirstImage+uint64(f.first+image), f.chain.FirstStep+uint64(f.step))
			if dst := f.at(n, image, n.shape.Size()); n.op == expr.OpGaussian {
				s.FillNormal(dst)
			} else {
				s.FillUniform(dst)
			}
		}
	}
}
