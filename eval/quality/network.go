package quality

// This file chooses the network that describes images.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/inception"
	"github.com/joule-ebm/joule/eval/features/shipped"
)

// Inception is the network that FID, KID and IS are named after, for all images. The others come with Joule (package shipped).
const Inception = "inception"

// Networks lists the names that [OpenNetwork] knows.
func Networks() []string { return append(shipped.Names(), Inception) }

// OpenNetwork makes the network of that name for images like those of a set; without a name, the one that comes with Joule for their size
// and subject, and inception where there is none. Inception's weights are those in the file named, or those that joule eval
// fetch-inception has put in their place: without them the error is [inception.ErrNoWeights]. The others run on the engine.
func OpenNetwork(e engine.Engine, name string, set *dataset.Set, weights string, o inception.Options) (features.Network, error) {
	if name != "" && !slices.Contains(Networks(), name) {
		return nil, fmt.Errorf("quality: no network %.40q: want one of %s", name, strings.Join(Networks(), ", "))
	}
	switch {
	case name == "" && weights == "":
		small, err := shipped.Sized(e, set)
		if err != nil || small != nil {
			return small, err
		}
	case name != "" && name != Inception:
		small, err := shipped.Named(e, name)
		if err != nil {
			return nil, err
		}
		if err := small.Takes(set.Size()); err != nil {
			return nil, fmt.Errorf("%w; the network %s takes all", err, Inception)
		}
		return small, nil
	}
	if weights != "" {
		return inception.Open(weights, o)
	}
	return inception.OpenDefault(o)
}
