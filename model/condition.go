package model

// This file knows what a conditional energy E(x, y) is conditional on: a class, for which y is one-hot, or numbers such as a position, each
// an element of y, taken from where it lies in its range to -1..1. Attributes that count together are numbers too, one for each value, such
// as shape=cube, which is 1 or 0.

import (
	"fmt"
	"iter"
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

// attribute is the name before the = of a number that says whether an attribute has a value, such as shape=cube; none of another.
func (n Number) attribute() (name string, ok bool) {
	name, _, ok = strings.Cut(n.Name, "=")
	return name, ok
}

// condition is what a label says: a class, numbers, or, of an unconditional model, nothing.
type condition struct {
	classes  []string
	unlearnt []string // those of the classes that nothing was learnt of
	numbers  []Number
}

func (m *Model) condition() condition {
	c := condition{m.Classes, m.Unlearnt, m.Numbers}
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
	for from, to := range c.quantities() {
		base = nextPrime(base)
		at := spread(label+1, base)
		if _, ok := c.numbers[from].attribute(); ok {
			choose(y[from:to], int(at*float64(to-from)))
		} else {
			y[from] = 2*at - 1
		}
	}
	return y
}

// quantities are the ranges of numbers that are one thing: the values of an attribute, or a number alone.
func (c condition) quantities() iter.Seq2[int, int] {
	return func(yield func(from, to int) bool) {
		for from, to := 0, 0; from < len(c.numbers); from = to {
			name, ok := c.numbers[from].attribute()
			for to = from + 1; ok && to < len(c.numbers); to++ {
				if other, is := c.numbers[to].attribute(); !is || other != name {
					break
				}
			}
			if !yield(from, to) {
				return
			}
		}
	}
}

// choose makes y the value k of an attribute.
func choose(y []float64, k int) {
	for i := range y {
		y[i] = -1
	}
	y[k] = 1
}

// spread is the n-th of points that fill 0 to 1 evenly, however many there are: the digits of n behind the point, in reverse order. With base
// 2 they are 0, 1/2, 1/4, 3/4, 1/8, ... (van der Corput, "Verteilungsfunktionen", 1935).
func spread(n, base int) (at float64) {
	for part := 1.0; n > 0; n /= base {
		part /= float64(base)
		at += part * float64(n%base)
	}
	return at
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

// parse reads a label: a class by name or number, or numbers and attributes such as x=0.2,y=0.7 or shape=cube,colour=red, all of them.
func (c condition) parse(text string) ([]float64, error) {
	if len(c.numbers) == 0 {
		class, err := (&Model{Classes: c.classes, Unlearnt: c.unlearnt}).Label(text)
		if err != nil {
			return nil, err
		}
		return c.y(int(class)), nil
	}
	words := map[string]string{} // what is said of each name
	for _, word := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(word, "=")
		if name = strings.TrimSpace(name); words[name] != "" {
			return nil, fmt.Errorf("%.60q: %s is given twice", text, name)
		}
		words[name] = strings.TrimSpace(value)
	}
	y := make([]float64, len(c.numbers))
	for from, to := range c.quantities() {
		n := c.numbers[from]
		name, of := n.attribute()
		value, given := words[name]
		if !given {
			return nil, fmt.Errorf("%.60q: %s is missing; want all of %s", text, name, c.example())
		}
		delete(words, name)
		if !of {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return nil, fmt.Errorf("%s=%.60s: want a number, such as %s", name, value, c.example())
			}
			if !(v >= n.Min && v <= n.Max) {
				return nil, fmt.Errorf("%s=%v: the model has seen %v to %v", name, v, n.Min, n.Max)
			}
			y[from] = n.Scaled(v)
			continue
		}
		k := slices.IndexFunc(c.numbers[from:to], func(n Number) bool { return n.Name == name+"="+value })
		if k < 0 {
			var known []string
			for _, n := range c.numbers[from:to] {
				known = append(known, strings.TrimPrefix(n.Name, name+"="))
			}
			return nil, fmt.Errorf("%s=%.60s: want one of %s", name, value, strings.Join(known, ", "))
		}
		choose(y[from:to], k)
	}
	for name := range words {
		return nil, fmt.Errorf("%.60q: the model knows of no %.60q; want all of %s", text, name, c.example())
	}
	return y, nil
}

// example is a label of numbers and attributes, as parse reads it.
func (c condition) example() string {
	var words []string
	for from := range c.quantities() {
		n := c.numbers[from]
		if _, ok := n.attribute(); !ok {
			n.Name = fmt.Sprintf("%s=%.3g", n.Name, (n.Min+n.Max)/2)
		}
		words = append(words, n.Name)
	}
	return strings.Join(words, ",")
}

// Labels is how many labels the model has: its classes, or, of a model of numbers, points that stand for all of their values.
func (m *Model) Labels() int { return m.condition().labels() }

// Learnt are the labels, but for classes that no image of training was of.
func (m *Model) Learnt() (labels []int32) {
	for label := range int32(m.Labels()) {
		if m.isLearnt(label) == nil {
			labels = append(labels, label)
		}
	}
	return labels
}

// Condition is the label that a text names, as the energy's input: a class by name or number from 0, or numbers and attributes such as
// x=0.2,y=0.7 or shape=cube,colour=red.
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
