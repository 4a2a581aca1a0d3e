package study

// This file takes the method apart: variants with terms of the loss left out, with one normalisation of the kernels or another, with
// attention or without.
//
// Du et al., "Improved Contrastive Divergence Training of Energy-Based Models" (ICML 2021), claim that
//
//	L = L_cd + L_reg + L_opt + L_ent
//
// trains where L_cd alone diverges, without spectral normalisation, and with attention.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/run"
)

// Loss is a variant of the loss: [CD], [Full], or L_cd and L_reg with the term of that name and no other, such as "opt".
type Loss string

// The variants that there are whatever the terms.
const (
	CD   Loss = "cd"   // ordinary contrastive divergence: L_cd and L_reg
	Full Loss = "full" // all terms
)

// removable are the terms of the paper's loss but those that go with L_cd.
func removable() []cd.Term {
	return slices.DeleteFunc(cd.PaperTerms(cd.PaperEntropy()), func(t cd.Term) bool { return t.Weight == 0 || t.Gradient == string(CD) })
}

// Losses lists the variants.
func Losses() []Loss {
	list := []Loss{CD}
	for _, t := range removable() {
		list = append(list, Loss(t.Name))
	}
	return append(list, Full)
}

// has says whether a term is part of the variant.
func (l Loss) has(t cd.Term) bool { return l == Full || string(l) == t.Name }

// Title is the variant in the paper's terms.
func (l Loss) Title() string {
	title := "CD"
	for _, t := range removable() {
		if l.has(t) {
			title += " + L_" + t.Name
		}
	}
	return title
}

// About is what the variant is, in a few words.
func (l Loss) About() string {
	switch l {
	case CD:
		return "contrastive divergence alone"
	case Full:
		return "with all terms: the paper's"
	}
	for _, t := range removable() {
		if l.has(t) {
			return fmt.Sprintf("with L_%s, %s", t.Name, t.About)
		}
	}
	return ""
}

// changes are the settings that make a base's loss the variant. A term that the base leaves out has the paper's coefficient where the
// variant has it.
func (l Loss) changes(base run.Config) (changes []string) {
	for _, t := range removable() {
		switch {
		case !l.has(t):
			changes = append(changes, fmt.Sprintf("loss.%s=0", t.Name))
		case base.Loss.Weight(t.Name) == 0:
			changes = append(changes, fmt.Sprintf("loss.%s=%v", t.Name, t.Weight))
		}
	}
	return changes
}

// Usage explains the variants of the loss, a line each, for the help of a command with a flag --loss.
func Usage() string {
	var lines strings.Builder
	flag := "--loss"
	for _, l := range Losses() {
		fmt.Fprintf(&lines, "  %-12s %-5s %s\n", flag, l, l.About())
		flag = ""
	}
	return lines.String()
}

// kernels are the normalisations of kernels that are compared, and what to call them.
var kernels = [][2]string{{"standardised", "weight standardisation"}, {"spectral", "spectral norm"}}

// Kernels lists the normalisations of kernels that are compared.
func Kernels() (names []string) {
	for _, k := range kernels {
		names = append(names, k[0])
	}
	return names
}

// Ablation is the product of what is compared. What is left empty stands for all there is.
type Ablation struct {
	Losses    []Loss
	Kernels   []string // of [Kernels], or another that the setting network.kernel knows
	Attention []bool
}

// Variants lists the product. It is an error to list anything twice.
func (a Ablation) Variants(base run.Config) ([]Variant, error) {
	if len(a.Losses) == 0 {
		a.Losses = Losses()
	}
	if len(a.Kernels) == 0 {
		a.Kernels = Kernels()
	}
	if len(a.Attention) == 0 {
		a.Attention = []bool{false, true}
	}
	var all []Variant
	for _, loss := range a.Losses {
		if _, err := LossNamed(string(loss)); err != nil {
			return nil, err
		}
		for _, kernel := range a.Kernels {
			title := kernel
			for _, k := range kernels {
				if k[0] == kernel {
					title = k[1]
				}
			}
			for _, attention := range a.Attention {
				with, answer := "plain", "no"
				if attention {
					with, answer = "attention", "yes"
				}
				all = append(all, Variant{Name: fmt.Sprintf("%s-%s-%s", loss, kernel, with),
					Changes: append(loss.changes(base), "network.kernel="+kernel, fmt.Sprintf("network.attention=%v", attention)),
					Choices: []Choice{{"loss", loss.Title()}, {"kernels", title}, {"attention", answer}}})
			}
		}
	}
	return all, nil
}

// LossNamed is the variant of that name.
func LossNamed(name string) (Loss, error) {
	var names []string
	for _, l := range Losses() {
		if string(l) == name {
			return l, nil
		}
		names = append(names, string(l))
	}
	return "", fmt.Errorf("no loss %.40q: want %s", name, strings.Join(names, ", "))
}
