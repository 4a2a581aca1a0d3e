package model

// This file knows classes by the names that people give them.

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrUnconditional says that a model has no classes.
var ErrUnconditional = errors.New("the model is unconditional, it has no classes")

// Label is the class of that name, or, where no class has it for a name, of that number, counted from 0. Of a class that no image of
// training was of there is nothing to know: it is an error.
func (m *Model) Label(class string) (int32, error) {
	label, err := m.label(class)
	if err == nil {
		err = m.isLearnt(label)
	}
	return label, err
}

// isLearnt is an error if no image of training was of a class.
func (m *Model) isLearnt(label int32) error {
	if int(label) < len(m.Classes) && slices.Contains(m.Unlearnt, m.Classes[label]) {
		return fmt.Errorf("no image of training was of class %.60q: nothing was learnt of it", m.Classes[label])
	}
	return nil
}

func (m *Model) label(class string) (int32, error) {
	if len(m.Classes) == 0 {
		return 0, ErrUnconditional
	}
	if label := slices.Index(m.Classes, class); label >= 0 {
		return int32(label), nil
	}
	if label, err := strconv.Atoi(class); err == nil && label >= 0 && label < len(m.Classes) {
		return int32(label), nil
	}
	const most = 10
	var known []string
	for _, name := range m.Classes[:min(len(m.Classes), most)] {
		known = append(known, fmt.Sprintf("%.60q", name))
	}
	if len(m.Classes) > most {
		known = append(known, "...")
	}
	return 0, fmt.Errorf("no class %.60q: want the name of one (%s) or a number from 0 to %d", class, strings.Join(known, ", "), len(m.Classes)-1)
}
