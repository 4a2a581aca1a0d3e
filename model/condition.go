package model

// This file knows what a conditional energy E(x, y) is conditional on: a class, for which y is one-hot, or numbers such as a position, each
// an element of y, taken from where it lies in its range to -1..1.

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Number is a number that an energy is conditional on, and the range that it has in the training data.
type Number struct {
	Name string  `json:"name"`
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
}

// Scaled takes a value from the range of the number to -1..1.
func (n Number) Scaled(v float64) float64 {
	if n.Max == n.Min {
		return 0
	}
	return 2*(v-n.Min)/(n.Max-n.Min) - 1
}

// condition is what a label says: a class, numbers, or, of an unconditional model, nothing.
type condition struct {
	classes []string
	numbers []Number
}

func (m *Model) condition() condition {
	c := condition{m.Classes, m.Numbers}
	if c.width() == 0 && m.Energy != nil {
		c.classes = make([]string, m.Energy.Classes) // without names
	}
	return c
}

// width is the length of y.
func (c condition) width() int { return len(c.classes) + len(c.numbers) }

func (c condition) equal(d condition) bool {
	return slices.Equal(c.classes, d.classes) && slices.Equal(c.numbers, d.numbers)
}

// points is how many values stand for all of the numbers, where none are given.
const points = 16

// labels is how many labels there are.
func (c condition) labels() int {
	if len(c.numbers) > 0 {
		return points
	}
	return len(c.classes)
}

// y is a label as a vector: a class, or one of the points that stand for all values of the numbers, spread evenly over the box -1..1 (Halton,
// "On the efficiency of certain quasi-random sequences of points", 1960).
func (c condition) y(label int) []float64 {
	y := make([]float64, c.width())
	if len(c.numbers) == 0 {
		if label >= 0 && label < len(y) {
			y[label] = 1
		}
		return y
	}
	base := 1
	for i := range y {
		base = nextPrime(base)
		part := 1.0
		for n := label + 1; n > 0; n /= base {
			part /= float64(base)
			y[i] += part * float64(n%base)
		}
		y[i] = 2*y[i] - 1
	}
	return y
}

func nextPrime(after int) int {
	for n := after + 1; ; n++ {
		prime := true
		for d := 2; d*d <= n; d++ {
			prime = prime && n%d != 0
		}
		if prime {
			return n
		}
	}
}

// parse reads a label: a class by name or number, or numbers such as x=0.2,y=0.7, all of them.
func (c condition) parse(text string) ([]float64, error) {
	if len(c.numbers) == 0 {
		class, err := (&Model{Classes: c.classes}).Label(text)
		if err != nil {
			return nil, err
		}
		return c.y(int(class)), nil
	}
	want := make([]string, len(c.numbers))
	for i, n := range c.numbers {
		want[i] = fmt.Sprintf("%s=%.3g", n.Name, (n.Min+n.Max)/2)
	}
	y, given := make([]float64, len(c.numbers)), make([]bool, len(c.numbers))
	for _, word := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(word, "=")
		i := slices.IndexFunc(c.numbers, func(n Number) bool { return n.Name == strings.TrimSpace(name) })
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if i < 0 || given[i] || err != nil {
			return nil, fmt.Errorf("%.60q: want each number once, such as %s", text, strings.Join(want, ","))
		}
		n := c.numbers[i]
		if !(v >= n.Min && v <= n.Max) {
			return nil, fmt.Errorf("%s=%v: the model has seen %v to %v", n.Name, v, n.Min, n.Max)
		}
		y[i], given[i] = n.Scaled(v), true
	}
	if i := slices.Index(given, false); i >= 0 {
		return nil, fmt.Errorf("%.60q: %s is missing; want each number, such as %s", text, c.numbers[i].Name, strings.Join(want, ","))
	}
	return y, nil
}

// Labels is how many labels the model has: its classes, or, of a model of numbers, points that stand for all of their values.
func (m *Model) Labels() int { return m.condition().labels() }

// Condition is the label that a text names, as the energy's input: a class by name or number from 0, or numbers such as x=0.2,y=0.7.
func (m *Model) Condition(text string) ([]float64, error) { return m.condition().parse(text) }

// Conditions are labels, one an image, as the energy's input "label", N×length; nil for an unconditional model.
func (m *Model) Conditions(labels []int32) []float32 {
	c := m.condition()
	if c.width() == 0 {
		return nil
	}
	var all []float32
	for _, label := range labels {
		for _, v := range c.y(int(label)) {
			all = append(all, float32(v))
		}
	}
	return all
}
