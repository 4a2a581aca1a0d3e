// Package shipped knows the feature networks that come with Joule, and which of them is for which images.
package shipped

import (
	"fmt"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/digits"
	"github.com/joule-ebm/joule/eval/features/photographs"
	"github.com/joule-ebm/joule/eval/features/scenes"
)

// networks are those that come with Joule.
var networks = []struct {
	name    string
	subject string // of the images that it is for, as [dataset.Set] has it
	general bool   // whether it serves for other images of its size too
	takes   func(dataset.Size) error
	open    func(engine.Engine) (features.Network, error)
}{
	{"digits", dataset.Digits, true, digits.Takes, func(e engine.Engine) (features.Network, error) { return digits.New(e) }},
	{"photographs", "", true, photographs.Takes, func(e engine.Engine) (features.Network, error) { return photographs.New(e) }},
	{"scenes", dataset.Objects, false, (*scenes.Reader)(nil).Takes, func(e engine.Engine) (features.Network, error) { return scenes.New(e) }},
}

// Names lists the networks.
func Names() (names []string) {
	for _, n := range networks {
		names = append(names, n.name)
	}
	return names
}

// Named makes the network of that name.
func Named(e engine.Engine, name string) (features.Network, error) {
	for _, n := range networks {
		if n.name == name {
			return n.open(e)
		}
	}
	return nil, fmt.Errorf("no network %.40q comes with joule: want one of %s", name, strings.Join(Names(), ", "))
}

// For makes the network that is for images of such a subject and size, nil if none is: digits for those of MNIST, scenes for objects, and
// photographs for images in colour of CIFAR-10's size of which nothing else is known.
func For(e engine.Engine, set *dataset.Set) (features.Network, error) {
	for _, n := range networks {
		if n.subject == set.Subject && n.takes(set.Size()) == nil {
			return n.open(e)
		}
	}
	return nil, nil
}

// Sized is For, and where that is none, a network that serves for other images of such a size, though they may show something else than what it
// has learnt to tell apart: clothes, say, in the eyes of the classifier of digits.
func Sized(e engine.Engine, set *dataset.Set) (features.Network, error) {
	if net, err := For(e, set); net != nil || err != nil {
		return net, err
	}
	for _, n := range networks {
		if n.general && n.takes(set.Size()) == nil {
			return n.open(e)
		}
	}
	return nil, nil
}
