package quality

// This file chooses the network that describes images.

import (
	"fmt"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/digits"
	"github.com/joule-ebm/joule/eval/features/inception"
)

// The networks that [OpenNetwork] knows.
const (
	Digits    = "digits"    // a classifier that Joule has trained on MNIST, for gray images of 28×28
	Inception = "inception" // the network that FID, KID and IS are named after, for all images
)

// OpenNetwork makes the network of that name for images of a size; without a name, digits where it takes them and inception elsewhere.
// Inception's weights are those in the file named, or those that joule eval fetch-inception has put in their place: without them the
// error is [inception.ErrNoWeights]. Digits runs on the engine.
func OpenNetwork(e engine.Engine, name string, size dataset.Size, weights string, o inception.Options) (features.Network, error) {
	if name != "" && name != Digits && name != Inception {
		return nil, fmt.Errorf("quality: no network %.40q: want %s or %s", name, Digits, Inception)
	}
	if name != Inception && (name == Digits || weights == "") {
		small, err := digits.New(e)
		if err != nil {
			return nil, err
		}
		err = small.Takes(size)
		switch {
		case err == nil:
			return small, nil
		case name == Digits:
			return nil, fmt.Errorf("%w; the network %s takes all", err, Inception)
		}
	}
	if weights != "" {
		return inception.Open(weights, o)
	}
	return inception.OpenDefault(o)
}
