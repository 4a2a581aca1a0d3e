package main

// This file understands labels on the command line: classes of a conditional model, by name or by number.

import (
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/model"
)

// chooseLabels are the classes with these names or numbers; all of them if none is named. An unconditional model has none.
func chooseLabels(trained *model.Model, names []string) ([]int32, error) {
	if len(trained.Classes) == 0 && len(names) > 0 {
		return nil, usageErrorf("--label is %q: the model is unconditional, it has no classes", strings.Join(names, ","))
	}
	var labels []int32
	for _, name := range names {
		label, err := findLabel(trained.Classes, name)
		if err != nil {
			return nil, err
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

func findLabel(classes []string, name string) (int32, error) {
	for label, class := range classes {
		if class == name {
			return int32(label), nil
		}
	}
	if label, err := strconv.Atoi(name); err == nil && label >= 0 && label < len(classes) {
		return int32(label), nil
	}
	some := strings.Join(classes[:min(len(classes), 10)], ", ")
	if len(classes) > 10 {
		some += ", ..."
	}
	return 0, usageErrorf("--label is %.60q: want the name of a class (%s) or a number from 0 to %d", name, some, len(classes)-1)
}
