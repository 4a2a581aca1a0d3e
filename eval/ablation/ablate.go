// Package ablation takes the method apart: it trains one configuration with terms of the loss left out, with one normalisation of the
// kernels or another, with attention or without, all with the same budget, and measures what became of each.
//
//	base, err := run.PresetConfig("mnist")
//	base.Limits = run.Limits{Iterations: 250}
//	report, err := (&ablation.Study{Dir: "ablation", Base: base}).Run(ctx)
//	err = report.Markdown(os.Stdout)
//
// Du et al., "Improved Contrastive Divergence Training of Energy-Based Models" (ICML 2021), claim that
//
//	L = L_cd + L_reg + L_opt + L_ent
//
// trains where L_cd alone diverges, without spectral normalisation, and with attention. A study is a table of these cells.
//
// Each cell is a run directory (package run) with its row of the table in result.json, so that a study that was stopped goes on
// where it was.
package ablation

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

// Usage explains the variants, a line each, for the help of a command with a flag --loss.
func Usage() string {
	var lines strings.Builder
	flag := "--loss"
	for _, l := range Losses() {
		fmt.Fprintf(&lines, "  %-12s %-5s %s\n", flag, l, l.About())
		flag = ""
	}
	return lines.String()
}

// Kernels lists the normalisations of kernels that are compared.
func Kernels() []string { return []string{"standardised", "spectral"} }

// Cell is one training of a study.
type Cell struct {
	Loss      Loss   `json:"loss"`
	Kernel    string `json:"kernel"`
	Attention bool   `json:"attention"`
	Seed      uint64 `json:"seed"`
}

// Name is that of the cell's directory.
func (c Cell) Name() string {
	attention := "plain"
	if c.Attention {
		attention = "attention"
	}
	return fmt.Sprintf("%s-%s-%s-seed%d", c.Loss, c.Kernel, attention, c.Seed)
}

// Config is the base with what the cell changes. A term that the base leaves out has the paper's coefficient where the cell has it.
// Training that diverges is not taken back: that it does is a result.
func (c Cell) Config(base run.Config) (run.Config, error) {
	for _, t := range removable() {
		switch {
		case !c.Loss.has(t):
			base.Loss = base.Loss.WithWeight(t.Name, 0)
		case base.Loss.Weight(t.Name) == 0:
			base.Loss = base.Loss.WithWeight(t.Name, t.Weight)
		}
	}
	base.Network.Kernel, base.Network.Attention, base.Seed = c.Kernel, c.Attention, c.Seed
	base.Recovery.Failures = 1
	err := base.Validate()
	return base, err
}

// Grid is the product of what is compared. What is left empty stands for all there is, and for the seed 1.
type Grid struct {
	Losses    []Loss
	Kernels   []string // of [Kernels]
	Attention []bool
	Seeds     []uint64
}

// Cells lists the grid, one seed after the other, so that a study cut short has whole comparisons. It is an error to list anything twice.
func (g Grid) Cells() ([]Cell, error) {
	if len(g.Losses) == 0 {
		g.Losses = Losses()
	}
	if len(g.Kernels) == 0 {
		g.Kernels = Kernels()
	}
	if len(g.Attention) == 0 {
		g.Attention = []bool{false, true}
	}
	if len(g.Seeds) == 0 {
		g.Seeds = []uint64{1}
	}
	var cells []Cell
	for _, seed := range g.Seeds {
		for _, loss := range g.Losses {
			if _, err := LossNamed(string(loss)); err != nil {
				return nil, err
			}
			for _, kernel := range g.Kernels {
				for _, attention := range g.Attention {
					c := Cell{loss, kernel, attention, seed}
					if slices.Contains(cells, c) {
						return nil, fmt.Errorf("ablation: losses %v, kernels %v, attention %v, seeds %v: want each once", g.Losses, g.Kernels, g.Attention, g.Seeds)
					}
					cells = append(cells, c)
				}
			}
		}
	}
	return cells, nil
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
