package main

// This file understands labels on the command line: classes of a conditional model, by name or by number, and conditions.

import "github.com/joule-ebm/joule/model"

// chooseLabels are the classes with these names or numbers; all of them if none is named. An unconditional model has none.
func chooseLabels(trained *model.Model, names []string) ([]int32, error) {
	var labels []int32
	for _, name := range names {
		label, err := trained.Label(name)
		if err != nil {
			return nil, usageErrorf("--label: %w", err)
		}
		labels = append(labels, label)
	}
	if len(names) == 0 {
		for label := range trained.Classes {
			labels = append(labels, int32(label))
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
