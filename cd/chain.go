package cd

import (
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/mcmc"
)

// NewChain compiles the Markov chain of a model. A conditional model's chain reads one-hot labels from the input "label".
func NewChain(e engine.Engine, model *energy.Energy, s mcmc.Sampler) (*mcmc.Chain, error) {
	of, err := model.Function()
	if err != nil {
		return nil, err
	}
	return mcmc.NewChain(e, s, of, model.Image)
}

// OneHot encodes labels as N×classes; nil for an unconditional model. A label out of range has no 1.
func OneHot(labels []int32, classes int) []float32 {
	if classes == 0 {
		return nil
	}
	out := make([]float32, len(labels)*classes)
	for i, l := range labels {
		if l >= 0 && int(l) < classes {
			out[i*classes+int(l)] = 1
		}
	}
	return out
}
