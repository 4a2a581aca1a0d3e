package model_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/model"
)

func TestLabel(t *testing.T) {
	m := &model.Model{Classes: []string{"1", "red, big", "dog"}}
	for class, want := range map[string]int32{"1": 0, "0": 0, "red, big": 1, "dog": 2, "2": 2} {
		if got, err := m.Label(class); err != nil || got != want {
			t.Errorf("%q is class %d, %v; want %d", class, got, err, want)
		}
	}
	for i := range 20 {
		m.Classes = append(m.Classes, fmt.Sprint("class ", i))
	}
	for _, class := range []string{"", "cat", "-1", "23", "0x1"} {
		_, err := m.Label(class)
		if err == nil || !strings.Contains(err.Error(), `("1", "red, big", "dog", "class 0",`) ||
			!strings.HasSuffix(err.Error(), `, ...) or a number from 0 to 22`) {
			t.Errorf("%q: error %v", class, err)
		}
	}
	if _, err := (&model.Model{}).Label("0"); !errors.Is(err, model.ErrUnconditional) {
		t.Errorf("of a model without classes: %v", err)
	}
}
