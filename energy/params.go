package energy

// This file hands out parameters by name while a network is built, and remembers them.

import (
	"fmt"
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// Params are the parameters of a network. They come into being as the network is built, in the order in which it first asks for
// them. A Params is used by one goroutine at a time.
type Params struct {
	known  *registry
	scope  string // before the names
	frozen bool
	local  func(*expr.Value) // takes the energies of the places of a head, where they are wanted: see Local
}

// registry is what a Params, its frozen twin and its scopes share.
type registry struct {
	specs []Spec
	index map[string]int // into specs and values
	// Each parameter, and the same held fixed.
	values []struct{ live, frozen *expr.Value }
	err    error // the first mistake
}

// Spec describes a parameter.
type Spec struct {
	Name   string
	Shape  expr.Shape
	Init   Init
	Layout Layout
}

// Numbers is how many numbers parameters have in all.
func Numbers(specs []Spec) int {
	n := 0
	for _, s := range specs {
		n += s.Shape.Size()
	}
	return n
}

// Named gives names to the parts of a flat vector of so many numbers. The slices share its memory.
func Named(specs []Spec, flat []float32) map[string][]float32 {
	views := make(map[string][]float32, len(specs))
	for _, s := range specs {
		n := s.Shape.Size()
		views[s.Name], flat = flat[:n:n], flat[n:]
	}
	return views
}

// NewParams returns an empty set.
func NewParams() *Params { return &Params{known: &registry{index: map[string]int{}}} }

// Get is the parameter of that name, always the same value. The first call makes the parameter and decides how it starts. To ask
// for another shape later, or for a shape that the layout of init cannot hold, gives an invalid value.
func (p *Params) Get(name string, shape expr.Shape, init Init) *expr.Value {
	k, name := p.known, p.scope+name
	i, ok := k.index[name]
	if !ok {
		live := expr.Param(name, shape)
		if expr.Err(live) != nil {
			return live
		}
		if !init.layout.holds(shape) {
			return k.fail(fmt.Errorf("energy: parameter %s of shape %v cannot be laid out as a %v", name, shape, init.layout))
		}
		i = len(k.specs)
		k.index[name] = i
		k.specs = append(k.specs, Spec{Name: name, Shape: shape, Init: init, Layout: init.layout})
		k.values = append(k.values, struct{ live, frozen *expr.Value }{live, expr.Stop(live)})
	}
	if s := k.specs[i]; s.Shape != shape {
		return k.fail(fmt.Errorf("energy: parameter %s has shape %v, but is also used with shape %v", name, s.Shape, shape))
	}
	if p.frozen {
		return k.values[i].frozen
	}
	return k.values[i].live
}

// fail records a mistake and gives a value that carries it.
func (k *registry) fail(err error) *expr.Value {
	if k.err == nil {
		k.err = err
	}
	return expr.Invalid(err)
}

// Frozen gives the same parameters held fixed, E_sg(θ): an energy built from them has no derivative with respect to them.
func (p *Params) Frozen() *Params {
	return &Params{known: p.known, scope: p.scope, frozen: true, local: p.local}
}

// Scope gives a part of an energy parameters of its own: those it asks for have the name before theirs, with a dot. Two networks that
// are added have two sets of parameters only in two scopes; in one they share what has the same name:
//
//	func(p *energy.Params, x, label *expr.Value) []*expr.Value {
//		return append(a.Build(p.Scope("a"), x, label), b.Build(p.Scope("b"), x, label)...) // a.fc.weight, b.fc.weight
//	}
func (p *Params) Scope(name string) *Params {
	return &Params{known: p.known, scope: p.scope + name + ".", frozen: p.frozen, local: p.local}
}

// Specs describes the parameters in order of first use.
func (p *Params) Specs() []Spec { return slices.Clone(p.known.specs) }
