package run

// This file is the loss section of a configuration: coefficients of the terms that package cd lists, and how the entropy is estimated.

import (
	"fmt"
	"slices"

	"github.com/joule-ebm/joule/cd"
)

// Loss is what a run minimises.
type Loss struct {
	Weights      []Weight `yaml:",inline"` // of the terms of [cd.Terms], in their order
	Neighbour    int      `yaml:"neighbour" doc:"L_ent takes the k-th nearest of the reference images"`
	References   int      `yaml:"references" doc:"reference images of L_ent, drawn from the buffer"`
	EntropyAfter int      `yaml:"entropy_after" doc:"L_ent starts once the buffer holds more images than this"`
	KLChains     int      `yaml:"kl_chains" doc:"L_opt and L_ent look at so many of an iteration's chains; 0, or more than there are: at all"`
}

// Weight is the coefficient of a term.
type Weight struct {
	Term  string // its name
	Value float64
}

// Setting makes the coefficient a setting.
func (w *Weight) Setting() (key, doc string, value any) {
	for _, t := range cd.Terms(cd.PaperEntropy(), cd.Flow{}) {
		if t.Name == w.Term {
			doc = fmt.Sprintf("coefficient of L_%s, %s; 0 leaves the term out", t.Name, t.About)
		}
	}
	return w.Term, doc, &w.Value
}

// paperLoss is the paper's.
func paperLoss() Loss {
	e := cd.PaperEntropy()
	l := Loss{Neighbour: e.Neighbour, References: e.References, EntropyAfter: e.After}
	for _, t := range cd.Terms(e, cd.Flow{}) {
		l.Weights = append(l.Weights, Weight{t.Name, t.Weight})
	}
	return l
}

// Weight is the coefficient of the term of that name; 0 if there is none.
func (l *Loss) Weight(term string) float64 {
	for _, w := range l.Weights {
		if w.Term == term {
			return w.Value
		}
	}
	return 0
}

// WithWeight is the loss with another coefficient of the term of that name.
func (l Loss) WithWeight(term string, value float64) Loss {
	l.Weights = slices.Clone(l.Weights)
	for i := range l.Weights {
		if l.Weights[i].Term == term {
			l.Weights[i].Value = value
		}
	}
	return l
}

// terms are those of the loss, for chains of so many steps.
func (l *Loss) terms(steps int) []cd.Term {
	terms := cd.Terms(cd.Entropy{Neighbour: l.Neighbour, References: l.References, After: l.EntropyAfter}, cd.Flow{Steps: steps})
	for i := range terms {
		terms[i].Weight = l.Weight(terms[i].Name)
		if name := terms[i].Name; name == "opt" || name == "ent" {
			terms[i].First = l.KLChains
		}
	}
	return terms
}

// counted are the terms to train with: a choice beside the paper's terms that is not taken is not measured either.
func (l *Loss) counted(steps int) []cd.Term {
	paper := len(cd.PaperTerms(cd.PaperEntropy()))
	terms := l.terms(steps)
	return append(terms[:paper:paper], slices.DeleteFunc(terms[paper:], func(t cd.Term) bool { return t.Weight == 0 })...)
}

// validate says, in one line that names the key, what cannot work with a replay buffer of that size.
func (l *Loss) validate(buffer int) error {
	terms := l.terms(1)
	if !slices.EqualFunc(l.Weights, terms, func(w Weight, t cd.Term) bool { return w.Term == t.Name }) {
		return fmt.Errorf("settings loss.*: the coefficients are %v: want those of a preset, with other values", l.Weights)
	}
	type limits struct {
		key                string
		value, least, most float64
	}
	settings := []limits{
		{"references", float64(l.References), 1, 1e5},
		{"neighbour", float64(l.Neighbour), 1, float64(l.References)},
		{"entropy_after", float64(l.EntropyAfter), 0, 1 << 40},
		{"kl_chains", float64(l.KLChains), 0, 1 << 40},
	}
	for _, w := range l.Weights {
		settings = append(settings, limits{w.Term, w.Value, 0, 1e6})
	}
	for _, k := range settings {
		if !(k.value >= k.least && k.value <= k.most) { // refuses NaN too
			return fmt.Errorf("setting loss.%s is %v: want %v to %v", k.key, k.value, k.least, k.most)
		}
	}
	for _, t := range terms {
		if t.Weight != 0 && t.Buffer > buffer {
			return fmt.Errorf("setting loss.entropy_after is %d: the buffer holds only %d, so lower it, raise buffer.size or set loss.%s=0",
				l.EntropyAfter, buffer, t.Name)
		}
	}
	if !slices.ContainsFunc(terms, func(t cd.Term) bool { return t.Weight != 0 && t.Buffer == 0 }) {
		return fmt.Errorf("settings loss.*: no term with a coefficient counts from the beginning: set loss.%s=1", terms[0].Name)
	}
	return nil
}
