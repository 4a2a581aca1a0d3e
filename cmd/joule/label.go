package main

// This file understands labels on the command line: classes of a conditional model, by name or by number, and conditions.

import (
	"encoding/csv"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/model"
)

// chooseLabels are the classes with these names or numbers; all that something was learnt of if none is named. An unconditional model has
// none. A text may list several with commas between, unless it is a name as it stands.
func chooseLabels(trained *model.Model, texts []string) ([]int32, error) {
	var labels []int32
	for _, text := range texts {
		names, err := csv.NewReader(strings.NewReader(text)).Read()
		if err != nil || len(trained.Classes) == 0 || slices.Contains(trained.Classes, text) {
			names = []string{text}
		}
		for _, name := range names {
			label, err := chooseLabel(trained, name)
			if err != nil {
				return nil, err
			}
			labels = append(labels, label)
		}
	}
	if len(texts) == 0 {
		for label, name := range trained.Classes {
			if !slices.Contains(trained.Unlearnt, name) {
				labels = append(labels, int32(label))
			}
		}
	}
	return labels, nil
}

// chooseConditions are labels of a model that is conditional on numbers or attributes together, such as x=0.2,y=0.7.
func chooseConditions(trained *model.Model, texts []string) (conditions [][]float64, err error) {
	for _, text := range texts {
		if len(trained.Numbers) == 0 {
			return nil, usageErrorf("--condition %s: the model is not conditional on numbers or on attributes together", text)
		}
		y, err := trained.Condition(text)
		if err != nil {
			return nil, usageErrorf("--condition: %w", err)
		}
		conditions = append(conditions, y)
	}
	return conditions, nil
}

// chooseLabel is the class with this name or number.
func chooseLabel(trained *model.Model, name string) (int32, error) {
	label, err := trained.Label(name)
	if err != nil {
		return 0, usageErrorf("--label: %w", err)
	}
	return label, nil
}
