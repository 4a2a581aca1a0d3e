package model

// This file knows energies by name: those of package energy, and those that a program registers.

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/joule-ebm/joule/energy"
)

// A Builder makes an energy as a configuration describes it. Of the options it may use what it likes: those that it does not know it
// should refuse unless they are zero, but for Image, which is a request: zero stands for the energy's own, and the energy made says what
// it is.
type Builder func(energy.Options) (*energy.Energy, error)

var registered = struct {
	sync.RWMutex
	builders map[string]Builder
}{builders: map[string]Builder{}}

// Register makes an energy of one's own known by name, so that it can be trained as a run (setting network.name), resumed, saved, opened
// again, calibrated and scored like the networks of package energy. Programs register at start, in an init function or before they
// open a model, as for image.RegisterFormat. It is an error if the name is taken or empty.
//
//	err := model.Register("mine", func(o energy.Options) (*energy.Energy, error) {
//		return &energy.Energy{Image: expr.Shape{28, 28, 1}, Classes: o.Classes, Build: build}, nil
//	})
func Register(name string, build Builder) error {
	registered.Lock()
	defer registered.Unlock()
	if name == "" || build == nil || registered.builders[name] != nil || slices.Contains(networks(), name) {
		return fmt.Errorf("model: the name %q of an energy is empty or taken, or there is no function to build it", name)
	}
	registered.builders[name] = build
	return nil
}

// networks are the names of those of package energy.
func networks() (names []string) {
	for _, n := range energy.Networks() {
		names = append(names, n.Name)
	}
	return names
}

// build makes the energy of that name.
func build(name string, o energy.Options) (*energy.Energy, error) {
	registered.RLock()
	own := registered.builders[name]
	known := networks()
	for n := range registered.builders {
		known = append(known, n)
	}
	registered.RUnlock()
	switch {
	case own != nil:
		e, err := own(o)
		if err != nil {
			return nil, err
		}
		_, err = e.Params()
		return e, err
	case slices.Contains(known, name):
		return energy.New(name, o)
	}
	slices.Sort(known[len(networks()):])
	return nil, unknownNetwork{name, known}
}

// unknownNetwork says that nobody has registered the energy that a model or a configuration names.
type unknownNetwork struct {
	name  string
	known []string
}

func (u unknownNetwork) Error() string {
	return fmt.Sprintf("setting network.name is %.40q, and no energy of that name is registered (see model.Register): want one of %s",
		u.name, strings.Join(u.known, ", "))
}
