// Package study compares ways to train: configurations times seeds, each trained with the same budget and judged by the same images, as a
// table with the spread over seeds and, for each configuration, what differs from the first one and how surely.
//
//	base, err := run.PresetConfig("mnist")
//	base.Limits = run.Limits{Iterations: 250}
//	base.Recovery.Failures = 1 // that a training diverges is a result
//	s := &study.Study{Dir: "study", Base: base, Seeds: []uint64{1, 2, 3}, Variants: []study.Variant{
//		{Name: "base"}, {Name: "restart", Changes: []string{"buffer.restart=0.2"}}}}
//	report, err := s.Run(ctx)
//	err = report.Markdown(os.Stdout)
//
// Each training is a run directory (package run) with its row of the table in result.json, so that a study that was stopped goes on
// where it was. [Ablation] makes the variants that take the method apart.
package study

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/run"
)

// Variant is a configuration: the study's base with changes.
type Variant struct {
	Name    string   `json:"name"`              // of its directories, but for the seed
	Changes []string `json:"changes,omitempty"` // of settings, such as "loss.opt=0"
	// Choices are what sets it apart from the others, for tables of one choice with all else taken together; it may have none.
	Choices []Choice `json:"choices,omitempty"`
}

// Choice is one of the ways in which a thing is done.
type Choice struct {
	Of string `json:"of"` // the thing, such as "attention"
	Is string `json:"is"`
}

// Is is the choice of a thing, in words; empty where the variant makes none.
func (v Variant) Is(of string) string {
	for _, c := range v.Choices {
		if c.Of == of {
			return c.Is
		}
	}
	return ""
}

var variantName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}._+=,-]{0,99}$`)

// check is an error unless the variant can have directories of its name.
func (v Variant) check() error {
	if !variantName.MatchString(v.Name) {
		return fmt.Errorf("study: a configuration is called %.60q: want a name of letters, digits and . _ + = , -", v.Name)
	}
	return nil
}

// Config is the base with the changes and a seed.
func (v Variant) Config(base run.Config, seed uint64) (run.Config, error) {
	base.Loss.Weights = slices.Clone(base.Loss.Weights)
	base.Seed = seed
	for _, change := range v.Changes {
		key, _, _ := strings.Cut(change, "=")
		if key = strings.TrimSpace(key); key == "seed" || strings.HasPrefix(key, "limits.") {
			return base, fmt.Errorf("study: %s changes %s, which all trainings have in common", v.Name, key)
		}
		if err := settings.Set(&base, change); err != nil {
			return base, err
		}
	}
	err := base.Validate()
	return base, err
}

// Vary are the variants that set each of the keys to each of its values: all combinations, the last key varying fastest.
func Vary(keys []string, values [][]string) []Variant {
	all := []Variant{{}}
	for i, key := range keys {
		short := key[strings.LastIndex(key, ".")+1:]
		var more []Variant
		for _, v := range all {
			for _, value := range values[i] {
				name := short + "=" + value
				if v.Name != "" {
					name = v.Name + "," + name
				}
				more = append(more, Variant{Name: name, Changes: append(slices.Clone(v.Changes), key+"="+value),
					Choices: append(slices.Clone(v.Choices), Choice{short, value})})
			}
		}
		all = more
	}
	return all
}
