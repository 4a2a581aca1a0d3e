// Package ablate takes the method apart: it trains one configuration with terms of the loss left out, with one normalisation of the
// kernels or another, with attention or without, all with the same budget, and measures what became of each. Du et al., "Improved
// Contrastive Divergence Training of Energy-Based Models" (ICML 2021), claim that
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
	"strings"

	"github.com/joule-ebm/joule/run"
)

// Loss is a variant of the loss.
type Loss string

// The variants. All have L_cd and L_reg.
const (
	CD   Loss = "cd"   // ordinary contrastive divergence
	Opt  Loss = "opt"  // with L_opt, the first half of the KL term
	Ent  Loss = "ent"  // with L_ent, its second half
	Full Loss = "full" // with both
)

// Losses lists the variants.
func Losses() []Loss { return []Loss{CD, Opt, Ent, Full} }

// Title is the variant in the paper's terms.
func (l Loss) Title() string {
	return map[Loss]string{CD: "CD", Opt: "CD + L_opt", Ent: "CD + L_ent", Full: "CD + L_opt + L_ent"}[l]
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
	with := func(present bool, coefficient, usual float64) float64 {
		switch {
		case !present:
			return 0
		case coefficient == 0:
			return usual
		}
		return coefficient
	}
	base.Loss.Optimisation = with(c.Loss == Opt || c.Loss == Full, base.Loss.Optimisation, 1)
	base.Loss.Entropy = with(c.Loss == Ent || c.Loss == Full, base.Loss.Entropy, 0.3)
	base.Network.Kernel, base.Network.Attention, base.Seed = c.Kernel, c.Attention, c.Seed
	base.Recovery.Failures = 1
	err := base.Validate()
	return base, err
}

// Grid is the product of what is compared.
type Grid struct {
	Losses    []Loss
	Kernels   []string
	Attention []bool
	Seeds     []uint64
}

// Cells lists the grid, one seed after the other, so that a study cut short has whole comparisons.
func (g Grid) Cells() []Cell {
	var cells []Cell
	for _, seed := range g.Seeds {
		for _, loss := range g.Losses {
			for _, kernel := range g.Kernels {
				for _, attention := range g.Attention {
					cells = append(cells, Cell{loss, kernel, attention, seed})
				}
			}
		}
	}
	return cells
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
