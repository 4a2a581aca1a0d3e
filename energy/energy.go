// Package energy says what E is: a function of an image, low where the image is likely,
//
//	p(x) ∝ exp(-E(x)),
//
// written over package expr. An [Energy] is an image shape and one Go function; [New] makes the networks of Du et al., "Improved
// Contrastive Divergence Training of Energy-Based Models" (ICML 2021), which networks.go lists block by block. The blocks
// ([Conv], [Residual], [Down], [Attention], [Head], ...) can be put together in other ways, or left aside for plain expr.
//
// Energies have no unit. Images are height × width × channels with intensities in [0, 1].
package energy

import (
	"errors"
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// Func builds the energy of an image x: a number per image (a sample value of shape 1×1×1) for each scale at which the energy
// looks at the image; the order of the networks of this package is small, mid, large. The label is a one-hot vector,
// 1×1×classes, and nil where the energy is unconditional. A Func takes all its parameters from p and has no other state: it is
// called again wherever the energy occurs in a loss.
type Func func(p *Params, x, label *expr.Value) []*expr.Value

// Energy is a network.
type Energy struct {
	Name    string     // what messages call it; may be empty
	Image   expr.Shape // of the images
	Classes int        // length of the label; 0: unconditional
	Build   Func
}

// Label is the input "label", a one-hot vector for each image; nil where the energy is unconditional.
func (e *Energy) Label() *expr.Value {
	if e.Classes == 0 {
		return nil
	}
	return expr.Input("label", expr.Shape{1, 1, e.Classes})
}

// build is Build; of an energy that has none, a mistake as its only scale.
func (e *Energy) build(p *Params, x, label *expr.Value) []*expr.Value {
	if e.Build == nil {
		return []*expr.Value{expr.Invalid(errors.New("energy: no function to build it"))}
	}
	return e.Build(p, x, label)
}

// Params builds the energy once to see which parameters it has. The error is the first mistake made in building.
func (e *Energy) Params() (*Params, error) {
	if e.Build == nil {
		return nil, errors.New("energy: no function to build it")
	}
	if e.Classes < 0 {
		return nil, fmt.Errorf("energy: %d classes: want 0 (unconditional) or more", e.Classes)
	}
	x := expr.Input("x", e.Image)
	label := e.Label()
	if err := expr.Err(x); err != nil {
		return nil, fmt.Errorf("energy: the image: %w", err)
	}
	p := NewParams()
	scales := e.Build(p, x, label)
	if p.known.err != nil {
		return nil, p.known.err
	}
	if len(scales) == 0 {
		return nil, errors.New("energy: no scales: the function must return at least one")
	}
	for i, s := range scales {
		if err := expr.Err(s); err != nil {
			return nil, fmt.Errorf("energy: scale %d: %w", i, err)
		}
		if s.Kind() != expr.Sample || s.Shape() != expr.Scalar {
			return nil, fmt.Errorf("energy: scale %d is a %v value of shape %v: want a sample value of shape %v", i, s.Kind(), s.Shape(), expr.Scalar)
		}
	}
	return p, nil
}

// Scales is the number of scales at which the energy looks at an image.
func (e *Energy) Scales() (int, error) {
	if _, err := e.Params(); err != nil {
		return 0, err
	}
	return len(e.Build(NewParams(), expr.Input("x", e.Image), e.Label())), nil
}

// Function is x ↦ E(x), the sum over the scales, with parameters to bind and, of a conditional energy, the input "label".
func (e *Energy) Function() (func(x *expr.Value) *expr.Value, error) {
	params, err := e.Params()
	if err != nil {
		return nil, err
	}
	label := e.Label()
	return func(x *expr.Value) *expr.Value { return Sum(e.Build(params, x, label)) }, nil
}

// Sum is the energy of an image, E(x) = Σ over the scales: what samplers descend.
func Sum(scales []*expr.Value) *expr.Value {
	if len(scales) == 0 {
		return expr.Total(nil) // an invalid value
	}
	sum := scales[0]
	for _, s := range scales[1:] {
		sum = expr.Add(sum, s)
	}
	return sum
}

// Mean is the mean over the scales: what the losses weigh.
func Mean(scales []*expr.Value) *expr.Value {
	return expr.Affine(Sum(scales), 1/float64(max(len(scales), 1)), 0)
}
