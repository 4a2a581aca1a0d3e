package main

// This file understands labels on the command line: classes of a conditional model, by name or by number.

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
