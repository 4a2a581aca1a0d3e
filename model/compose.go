package model

// This file makes a model of models: their energies composed as an expression says, with all their parameters, in one file that needs
// none of theirs. It is sampled by steps of λ/M, M models that are wanted; and as Du et al. (2021) sample such, in ten rounds of 20 steps that
// an augmentation ends and 80 steps without, unless its parts know the way from noise, each round going some way back there, or start from
// noise with the spectrum of images, which is near.

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// Composed is the name of the network of a composed model.
const Composed = "composed"

// deepestComposition bounds how often what is composed is composed again.
const deepestComposition = 16

// Composition says how a model is made of others.
type Composition struct {
	// Expression joins the parts by their names: NAME or NAME:LABEL, & (and), | (or), ! (not), 0.5*NAME, parentheses.
	Expression  string
	Temperature float64 // T of |, see energy.Mixture
	ByScale     bool    // | joins scale by scale
	// LogZ has log Z at the temperature T of alternatives of |, by their expressions, where it is known: see [Model.Weigh].
	LogZ  map[string]float64
	Parts []Part // in the order of the expression
}

// Part is a model of which another is made. Its parameters are those of the whole whose names begin with its name and a dot.
type Part struct {
	Name       string
	Config     Config
	Training   string
	Classes    []string
	Unlearnt   []string // see [Model.Unlearnt]
	Numbers    []Number
	Iterations int64
}

func (p *Part) condition() condition { return condition{p.Classes, p.Unlearnt, p.Numbers} }

// DefaultMixture is how compositions join alternatives: at the temperature of Du et al. (2021).
var DefaultMixture = energy.Mixture{Temperature: 0.01}

// Compose makes a model of others, as an expression over their names says; see [Composition]. A part that is conditional is given a label,
// or else its label becomes that of the whole. The mixture says how | joins; weights are part of the expression.
//
// A single model stays as it is, but for the names of its parameters. How several are sampled, Config says, and can be changed: by default
// as Du et al. (2021) do; by restarts if all parts are; and as one part is if all start from noise with the spectrum of images. Errors are one
// line; those about the expression name the character.
func Compose(expression string, mixture energy.Mixture, models map[string]*Model) (*Model, error) {
	n, err := parse(expression)
	if err != nil {
		return nil, err
	}
	c := &Composition{Expression: n.String(), Temperature: mixture.Temperature, ByScale: mixture.ByScale}
	m := &Model{Params: map[string][]float32{}}
	for _, leaf := range n.parts() {
		part, ok := models[leaf.name]
		if !ok {
			return nil, wrongAt(expression, leaf.at, "there is no model %s: give it as %s=RUN", leaf.name, leaf.name)
		}
		if leaf.labelled {
			if _, err := part.Condition(leaf.label); err != nil {
				return nil, wrongAt(expression, leaf.labelAt, "%s: %w", leaf.name, err)
			}
		}
		if slices.ContainsFunc(c.Parts, func(p Part) bool { return p.Name == leaf.name }) {
			continue
		}
		c.Parts = append(c.Parts, Part{leaf.name, part.Config, part.Training, part.Classes, part.Unlearnt, part.Numbers, part.Iterations})
		m.Iterations = max(m.Iterations, part.Iterations)
		for name, values := range part.Params {
			m.Params[leaf.name+"."+name] = values
		}
	}
	for name := range models {
		if !slices.ContainsFunc(c.Parts, func(p Part) bool { return p.Name == name }) {
			return nil, fmt.Errorf("the model %s is not in the expression %s: leave it out", name, n)
		}
	}
	open, err := c.open()
	if err != nil {
		return nil, err
	}
	m.Classes, m.Unlearnt, m.Numbers = open.classes, open.unlearnt, open.numbers
	pace := c.paceOfAll(n)
	m.Config = pace.lead.Config
	m.Config.Sampler = m.Config.Sampler.withGradientStep(pace.lambda)
	m.Config.Composition = c
	m.Config.Network = Network{Name: Composed, Conditional: open.width() > 0}
	if pace.together > 1 {
		m.Config.Sampler.Steps, m.Config.Generation = pace.generation()
	}
	if err := m.Config.Validate(); err != nil {
		return nil, err
	}
	if m.Energy, err = m.Config.NewEnergy(open.width()); err != nil {
		return nil, err
	}
	return m, m.check()
}

// pace is how chains of an expression run. Negations, which have small weights and take chains nowhere, have no say in it: a & !b is sampled as
// a is.
type pace struct {
	lead     *Part   // the first model that is wanted: the whole has what it has where there can be but one; nil where all are negations
	lambda   float64 // the step, times a gradient: of samplers whose step_size is another, as As has it
	together int     // how many models add up
	renoised bool    // whether all of them are sampled with noise mixed in
	spectrum bool    // whether chains of all of them start from noise with the spectrum of images
}

// pace is λ/M for M models alike that add up. The gradient of a mixture is a mean of those of its alternatives, so that the shortest of their
// steps will do.
func (c *Composition) pace(n *node) (p pace) {
	switch {
	case n.kind == nodePart:
		if part, err := c.part(n.name); err == nil {
			p = pace{part, part.Config.Sampler.gradientStep(), 1, part.Config.Generation.Renoise > 0, part.Config.Noise == SpectrumNoise}
		}
		return p
	case n.kind == nodeWeighted && n.weight < 0:
		return p
	}
	for _, child := range n.of {
		of := c.pace(child)
		switch {
		case of.lead == nil:
			continue
		case p.lead == nil:
			p = of
		case n.kind == nodeAnd:
			p.lambda, p.together = 1/(1/p.lambda+1/of.along(p.lead)), p.together+of.together
		default:
			p.lambda, p.together = min(p.lambda, of.along(p.lead)), max(p.together, of.together)
		}
		p.renoised, p.spectrum = p.renoised && of.renoised, p.spectrum && of.spectrum
	}
	return p
}

// along is the longest λ that, going as much further in what is coarse as another part does, goes no further than the pace does anywhere: neither
// in details nor in what is coarse.
func (p pace) along(other *Part) float64 {
	var image expr.Shape
	copy(image[:], p.lead.Config.Network.Image)
	further := func(c Config) float64 { return mcmc.Drift{StepSize: 1, Coarse: c.Sampler.Coarse}.Most(image) }
	return p.lambda * min(1, further(p.lead.Config)/further(other.Config))
}

// paceOfAll is the pace of the whole expression, led by the first part where all are negations.
func (c *Composition) paceOfAll(n *node) pace {
	p := c.pace(n)
	if p.lead == nil {
		p.lead, p.lambda = &c.Parts[0], c.Parts[0].Config.Sampler.gradientStep()
	}
	return p
}

// generation is how several models together are sampled, by rounds of so many steps. Where all of them are sampled with noise mixed in, as
// models are that were trained with L_flow, so are they together: with more of it and in more rounds, for an image that one of them leads to
// is often none for the others, and every round is another try. Where all start from noise with the spectrum of images, their chains are near
// an image at once, and they are sampled together as one of them is: more rounds lead to colours that no photograph has.
func (p pace) generation() (round int, g Generation) {
	switch {
	case p.renoised:
		return 30, Generation{Augmented: 9, Renoise: 0.7}
	case p.spectrum:
		return p.lead.Config.Sampler.Steps, p.lead.Config.Generation
	}
	return 20, Generation{Augmented: 10, Plain: 3}
}

// leader is the part whose data, seed and start of chains the whole has.
func (c *Composition) leader() (*Part, error) {
	n, err := parse(c.Expression)
	if err != nil {
		return nil, err
	}
	return c.paceOfAll(n).lead, nil
}

func (c *Composition) part(name string) (*Part, error) {
	for i := range c.Parts {
		if c.Parts[i].Name == name {
			return &c.Parts[i], nil
		}
	}
	return nil, fmt.Errorf("the expression %s has a part %s, of which nothing is known", c.Expression, name)
}

// open is the condition that the expression leaves open: that of all conditional parts without a label. What one of them has not learnt, they have
// not learnt together.
func (c *Composition) open() (open condition, err error) {
	n, err := parse(c.Expression)
	if err != nil {
		return open, err
	}
	var first string
	for _, leaf := range n.parts() {
		part, err := c.part(leaf.name)
		if err != nil {
			return open, err
		}
		own := part.condition()
		switch {
		case leaf.labelled || own.width() == 0:
			continue
		case first == "":
			open, first = own, part.Name
		case !open.equal(own):
			return open, fmt.Errorf("%s and %s have different classes or numbers, so they cannot share a label: give one a label, as in %s:LABEL",
				first, part.Name, part.Name)
		}
		for _, class := range own.unlearnt {
			if !slices.Contains(open.unlearnt, class) {
				open.unlearnt = append(slices.Clip(open.unlearnt), class)
			}
		}
	}
	return open, nil
}

// energy builds the composition.
func (c *Composition) energy() (*energy.Energy, error) {
	n, err := parse(c.Expression)
	if err != nil {
		return nil, err
	}
	if _, err := c.open(); err != nil {
		return nil, err
	}
	return c.energyOf(n)
}

// energyOf builds an expression over the parts.
func (c *Composition) energyOf(n *node) (*energy.Energy, error) {
	return n.energy(energy.Mixture{Temperature: c.Temperature, ByScale: c.ByScale}, func(leaf *node) (*energy.Energy, error) {
		part, err := c.part(leaf.name)
		if err != nil {
			return nil, err
		}
		e, err := part.Config.NewEnergy(part.condition().width())
		if err != nil {
			return nil, fmt.Errorf("part %s: %w", part.Name, err)
		}
		return part.at(leaf, e)
	})
}

// at is an energy of the part, as it stands at a leaf: with the part's parameters, and the label of the leaf.
func (p *Part) at(leaf *node, e *energy.Energy) (*energy.Energy, error) {
	e = energy.Scoped(p.Name, e)
	if !leaf.labelled || e.Classes == 0 {
		return e, nil
	}
	y, err := p.condition().parse(leaf.label)
	if err != nil {
		return nil, fmt.Errorf("part %s: %w", p.Name, err)
	}
	return energy.Given(y, e)
}

// Notes say, a line each, where parts differ in what the whole can have but once, and so what was taken: that of the part that leads; and which
// mixture chains descend as one energy.
func (c *Composition) Notes() (notes []string) {
	n, err := parse(c.Expression)
	if err != nil {
		return nil
	}
	lead := c.paceOfAll(n).lead
	for i := range c.Parts {
		p := &c.Parts[i]
		if p == lead {
			continue
		}
		a, b := &lead.Config, &p.Config
		note := func(what string, a, b any) {
			if a != b {
				notes = append(notes, fmt.Sprintf("%s of %s is %v, that of %s %v: the composition has that of %s", what, lead.Name, a, p.Name, b, lead.Name))
			}
		}
		note("the data", a.Data, b.Data)
		note("the setting exclude", cmp.Or(a.Exclude, "none"), cmp.Or(b.Exclude, "none"))
		note("the start of chains", a.Noise, b.Noise)
		note("the stride of tiles", a.Tiles.Stride, b.Tiles.Stride)
		note("the sampler", a.Sampler.Kind, b.Sampler.Kind)
		note("the setting sampler.coarse", a.Sampler.Coarse, b.Sampler.Coarse)
		note("the noise", a.Sampler.Noise, b.Sampler.Noise)
		note("the temperature", a.Sampler.Temperature, b.Sampler.Temperature)
		note("the augmentation", a.Augmentation, b.Augmentation)
		if a.Data == b.Data && (a.Seed != b.Seed || a.HeldOut != b.HeldOut) {
			notes = append(notes, fmt.Sprintf("%s and %s hold out other images of %s (seed, held_out): those of %s count as held out, and %s has been trained on some",
				lead.Name, p.Name, a.Data, lead.Name, p.Name))
		}
	}
	if n.weightOfAll() <= 0 {
		notes = append(notes, fmt.Sprintf("the weights of %s sum to %g: without a positive term that outweighs them, negations are likeliest at images of nothing",
			n, n.weightOfAll()))
	}
	if or := c.undrawn(n, true); or != nil {
		notes = append(notes, fmt.Sprintf("a chain goes to the alternative of %s whose energy is lowest where it starts, so that others may never show: "+
			"those of an expression that is | as a whole are drawn by their shares, once they are weighed by Z", or))
	}
	return notes
}

// weightOfAll is the sum of the weights of the energies that add up; of a mixture the least of its alternatives'.
func (n *node) weightOfAll() float64 {
	if n.kind == nodePart {
		return 1
	}
	var all float64
	for i, child := range n.of {
		w := child.weightOfAll()
		switch {
		case n.kind == nodeOr && i > 0:
			all = min(all, w)
		default:
			all += w
		}
	}
	if n.kind == nodeWeighted {
		all *= n.weight
	}
	return all
}

// Weigh divides the weights of the alternatives of every mixture in a composed model by their Z: log-weights of the expression become those
// of normalised densities, and without any the alternatives share the mixture evenly. logZ is asked for each alternative, which is a model
// of its own, innermost first. The model knows them from then on, see [Composition.Alternatives].
func (m *Model) Weigh(logZ func(alternative *Model) (float64, error)) (*Model, error) {
	c := m.Config.Composition
	if c == nil {
		return nil, errors.New("model: it is not composed")
	}
	n, err := parse(c.Expression)
	if err != nil {
		return nil, err
	}
	models := m.parts()
	mixture := energy.Mixture{Temperature: c.Temperature, ByScale: c.ByScale}
	known, mixtures := map[string]float64{}, 0
	var weigh func(n *node) error
	weigh = func(n *node) error {
		if n.kind == nodeOr && n.logWeights == nil {
			n.logWeights = make([]float64, len(n.of))
		}
		for i, child := range n.of {
			if n.kind == nodeOr { // weighed already, it is what it was before
				n.logWeights[i] += c.LogZ[child.String()]
			}
			if err := weigh(child); err != nil {
				return err
			}
		}
		if n.kind != nodeOr {
			return nil
		}
		mixtures++
		for i, child := range n.of {
			used := map[string]*Model{}
			for _, leaf := range child.parts() {
				used[leaf.name] = models[leaf.name]
			}
			alternative, err := Compose(child.String(), mixture, used)
			if err != nil {
				return err
			}
			z, err := logZ(alternative)
			if err != nil {
				return err
			}
			if math.IsNaN(z) || math.IsInf(z, 0) {
				return fmt.Errorf("log Z of %s is %v", child, z)
			}
			n.logWeights[i] -= z
			known[child.String()] = z
		}
		return nil
	}
	if err := weigh(n); err != nil {
		return nil, err
	}
	if mixtures == 0 {
		return nil, fmt.Errorf("the expression %s has no alternatives (|) to weigh", n)
	}
	weighed, err := Compose(n.String(), mixture, models)
	if err != nil {
		return nil, err
	}
	composition := weighed.Config.Composition
	composition.LogZ = known
	weighed.Config = m.Config // how it is sampled may have been changed
	weighed.Config.Composition = composition
	return weighed, nil
}

// parts are the models that a model is composed of.
func (m *Model) parts() map[string]*Model {
	models := map[string]*Model{}
	for _, p := range m.Config.Composition.Parts {
		part := &Model{Config: p.Config, Training: p.Training, Classes: p.Classes, Unlearnt: p.Unlearnt, Numbers: p.Numbers, Iterations: p.Iterations,
			Params: map[string][]float32{}}
		for name, values := range m.Params {
			if own, ok := strings.CutPrefix(name, p.Name+"."); ok {
				part.Params[own] = values
			}
		}
		models[p.Name] = part
	}
	return models
}

// compositionText is a composition in a model file's metadata.
type compositionText struct {
	Expression  string             `json:"expression"`
	Temperature float64            `json:"temperature"`
	ByScale     bool               `json:"by_scale,omitempty"`
	LogZ        map[string]float64 `json:"log_z,omitempty"`
	Parts       []partText         `json:"parts"`
}

type partText struct {
	Name        string               `json:"name"`
	Config      string               `json:"config"` // YAML, as in the metadata
	Classes     []string             `json:"classes,omitempty"`
	Unlearnt    []string             `json:"classes_unlearnt,omitempty"`
	Numbers     []Number             `json:"numbers,omitempty"`
	Iterations  int64                `json:"iterations"`
	Fingerprint *dataset.Fingerprint `json:"data_fingerprint,omitempty"` // absent, as is spectrum, from files of earlier versions
	Spectrum    *mcmc.Spectrum       `json:"spectrum,omitempty"`
	Composition *compositionText     `json:"composition,omitempty"` // of a part that is composed itself
}

func (c *Composition) text() (*compositionText, error) {
	if c == nil {
		return nil, nil
	}
	t := &compositionText{Expression: c.Expression, Temperature: c.Temperature, ByScale: c.ByScale, LogZ: c.LogZ}
	for _, p := range c.Parts {
		config, err := configText(&p.Config, p.Training)
		if err != nil {
			return nil, err
		}
		inner, err := p.Config.Composition.text()
		if err != nil {
			return nil, err
		}
		t.Parts = append(t.Parts, partText{p.Name, config, p.Classes, p.Unlearnt, p.Numbers, p.Iterations, p.Config.Fingerprint, p.Config.Spectrum, inner})
	}
	return t, nil
}

// composition reads what text wrote.
func (t *compositionText) composition(depth int) (*Composition, error) {
	if t == nil {
		return nil, nil
	}
	if depth > deepestComposition {
		return nil, fmt.Errorf("compositions of compositions, more than %d deep", deepestComposition)
	}
	c := &Composition{Expression: t.Expression, Temperature: t.Temperature, ByScale: t.ByScale, LogZ: t.LogZ}
	for _, p := range t.Parts {
		inner, err := p.Composition.composition(depth + 1)
		if err != nil {
			return nil, err
		}
		part := Part{Name: p.Name, Classes: p.Classes, Unlearnt: p.Unlearnt, Numbers: p.Numbers, Iterations: p.Iterations}
		if part.Config, part.Training, err = readConfig(p.Config, inner); err != nil {
			return nil, fmt.Errorf("part %s: %w", p.Name, err)
		}
		if err := p.Spectrum.Check(expr.Shape(part.Config.Network.Image)); err != nil {
			return nil, fmt.Errorf("part %s: %w", p.Name, err)
		}
		part.Config.Fingerprint, part.Config.Spectrum = p.Fingerprint, p.Spectrum
		c.Parts = append(c.Parts, part)
	}
	return c, nil
}

// readComposition reads the composition in a model file's metadata; nil if there is none.
func readComposition(text string) (*Composition, error) {
	if text == "" {
		return nil, nil
	}
	var t compositionText
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return nil, err
	}
	if len(t.Parts) == 0 {
		return nil, errors.New("it has no parts")
	}
	return t.composition(1)
}
