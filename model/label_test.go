package model_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
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

// Of a class that no image of training was of nothing was learnt: nothing asks for it or draws it, of compositions either.
func TestUnlearntClasses(t *testing.T) {
	classes := []string{"off", "on", "up"}
	a, b := untrained(t, 1, classes, nil), untrained(t, 2, classes, nil)
	a.Unlearnt, b.Unlearnt = []string{"on"}, []string{"up"}
	a, b = saved(t, a), saved(t, b)
	ab := map[string]*model.Model{"a": a, "b": b}
	for _, c := range []struct {
		name   string
		m      *model.Model
		learnt []int32
	}{
		{"a model", a, []int32{0, 2}},
		{"a composition", compose(t, "a", map[string]*model.Model{"a": a}), []int32{0, 2}},
		{"a sum", compose(t, "a & b", ab), []int32{0}},
		{"a mixture", compose(t, "a | b", ab), []int32{0}},
		{"a composition of compositions", compose(t, "x & b:on", map[string]*model.Model{"x": compose(t, "0.5*a", map[string]*model.Model{"a": a}), "b": b}), []int32{0, 2}},
	} {
		set, err := c.m.SampleSet(t.Context(), &cpu.Engine{}, model.Sampling{Images: 5, Steps: 1})
		if err != nil {
			t.Fatal(err)
		}
		for i, label := range set.Labels {
			if want := c.learnt[i%len(c.learnt)]; label != want {
				t.Errorf("%s: image %d is of class %d, want %d", c.name, i, label, want)
			}
		}
		for label, class := range classes {
			_, byLabel := c.m.Label(class)
			_, byCondition := c.m.Condition(class)
			byEdit := (&model.Edit{}).Relabel(c.m, "", class, "")
			_, byExpression := model.Compose("m:"+class, model.DefaultMixture, map[string]*model.Model{"m": c.m})
			_, bySampling := c.m.Sample(t.Context(), &cpu.Engine{}, model.Sampling{Images: 1, Steps: 1, Labels: []int32{int32(label)}})
			for by, err := range map[string]error{"Label": byLabel, "Condition": byCondition, "Relabel": byEdit, "Compose": byExpression, "Sample": bySampling} {
				learnt := slices.Contains(c.learnt, int32(label))
				if learnt != (err == nil) || !learnt && !strings.Contains(err.Error(), fmt.Sprintf("no image of training was of class %q", class)) {
					t.Errorf("%s: %s of %s: %v", c.name, by, class, err)
				}
			}
		}
	}
	b.Unlearnt = []string{"off", "up"}
	if _, err := compose(t, "a & b", ab).Sample(t.Context(), &cpu.Engine{}, model.Sampling{Images: 1}); err == nil || !strings.Contains(err.Error(), "nothing to draw") {
		t.Errorf("of two models that have learnt no class together: %v", err)
	}
}
