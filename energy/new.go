package energy

// This file makes networks by name.

import (
	"errors"
	"fmt"
	"strings"

	"github.com/joule-ebm/joule/expr"
)

// Options are the choices within a network.
type Options struct {
	Filters    int        // f: the width of the network; 0: the network's own
	MultiScale bool       // also look at the image at half and quarter resolution
	Attention  bool       // self-attention, at the largest scale
	Classes    int        // length of the label; 0: unconditional
	Norm       Norm       // in residual blocks
	Kernel     Kernel     // of the convolutions in residual blocks
	Image      expr.Shape // height, width, channels; zero: the network's own
}

// Network tells about a network that New can make.
type Network struct {
	Name, About string
	Image       expr.Shape // the images it was made for
	Filters     int        // its usual number
	MultiScale  bool       // whether it has several scales to use
	Attention   bool       // whether attention is part of it as the paper has it; all have a place for it
}

// Networks lists the networks that New can make.
func Networks() []Network {
	list := make([]Network, len(networks))
	for i, n := range networks {
		list[i] = n.Network
	}
	return list
}

// The largest sizes that are no mistake.
const (
	mostFilters  = 4096
	mostClasses  = 1 << 20
	longestSide  = 4096
	mostChannels = 1024
)

// New makes a network by name, or says why it cannot work.
func New(name string, o Options) (*Energy, error) {
	var names []string
	for _, n := range networks {
		if n.Name != name {
			names = append(names, n.Name)
			continue
		}
		if o.Image == (expr.Shape{}) {
			o.Image = n.Image
		}
		if o.Filters == 0 {
			o.Filters = n.Filters
		}
		if err := n.check(o); err != nil {
			return nil, fmt.Errorf("energy: network %s: %w", name, err)
		}
		return &Energy{Image: o.Image, Classes: o.Classes, Build: n.build(o)}, nil
	}
	return nil, fmt.Errorf("energy: no network %.40q: want one of %s", name, strings.Join(names, ", "))
}

func (n network) build(o Options) Func {
	towers := n.used(o)
	return func(p *Params, x, label *expr.Value) []*expr.Value {
		scales := make([]*expr.Value, len(towers))
		for i, t := range towers {
			scales[i] = t.energy(p, x, label, o)
		}
		return scales
	}
}

func (n network) check(o Options) error {
	if err := between("the number of filters", o.Filters, 1, mostFilters); err != nil {
		return err
	}
	if err := between("the number of classes", o.Classes, 0, mostClasses); err != nil {
		return err
	}
	for _, side := range o.Image[:2] {
		if err := between("the height and width of the image", side, 1, longestSide); err != nil {
			return err
		}
	}
	if err := between("the number of the image's channels", o.Image[2], 1, mostChannels); err != nil {
		return err
	}
	switch o.Norm {
	case "", ReferenceNorm, LayerNorm, NoNorm:
	default:
		return fmt.Errorf("no norm %.40q: want %s, %s or %s", string(o.Norm), ReferenceNorm, LayerNorm, NoNorm)
	}
	switch o.Kernel {
	case "", StandardisedKernel, SpectralKernel, PlainKernel:
	default:
		return fmt.Errorf("no kernel %.40q: want %s, %s or %s", string(o.Kernel), StandardisedKernel, SpectralKernel, PlainKernel)
	}
	if o.MultiScale && !n.MultiScale {
		return errors.New("it has one scale: turn multi-scale off")
	}
	for _, t := range n.used(o) {
		if err := t.check(o); err != nil {
			return err
		}
	}
	return nil
}

// between is an error unless lo ≤ v ≤ hi.
func between(what string, v, lo, hi int) error {
	if v < lo || v > hi {
		return fmt.Errorf("%s must be between %d and %d, got %d", what, lo, hi, v)
	}
	return nil
}
