package dataset

// What is known of each image beside its pixels: attributes, which have one of a few names, and numbers. One attribute at a time is what
// the set is labelled by; images with some combination of names can be left out.

import (
	"fmt"
	"slices"
	"strings"
)

// Attribute is what is known of every image of a set as one of a few names.
type Attribute struct {
	Name   string   `json:"name"`
	Values []string `json:"values"` // the names
	Labels []int32  `json:"labels"` // one an image, an index into Values
}

// Number is what is known of every image of a set as a number.
type Number struct {
	Name   string    `json:"name"`
	Min    float64   `json:"min"` // what it lies between in this and other splits of the source
	Max    float64   `json:"max"`
	Values []float64 `json:"values"` // one an image
}

// AttributeNamed is the attribute of that name. A set that has labels alone has them as its attribute "class".
func (s *Set) AttributeNamed(name string) (Attribute, error) {
	attributes := s.Attributes
	if attributes == nil && s.Labels != nil {
		attributes = []Attribute{{Name: "class", Values: s.Classes, Labels: s.Labels}}
	}
	for _, a := range attributes {
		if a.Name == name {
			return a, nil
		}
	}
	names := namesOf(attributes)
	if names == nil {
		return Attribute{}, fmt.Errorf("no attribute %q: the images have none", name)
	}
	return Attribute{}, fmt.Errorf("no attribute %q: the images have %s", name, strings.Join(names, ", "))
}

// AttributeNames are those of the attributes.
func (s *Set) AttributeNames() []string { return namesOf(s.Attributes) }

func namesOf(attributes []Attribute) (names []string) {
	for _, a := range attributes {
		names = append(names, a.Name)
	}
	return names
}

// NumbersOf is the number of that name, or, of an attribute, a number for each of its values, such as shape=cube, which is 1 where the
// attribute has that value and 0 elsewhere.
func (s *Set) NumbersOf(name string) ([]Number, error) {
	if i := slices.IndexFunc(s.Numbers, func(n Number) bool { return n.Name == name }); i >= 0 {
		return s.Numbers[i : i+1], nil
	}
	a, err := s.AttributeNamed(name)
	if err != nil {
		known := "none"
		for i, n := range s.Numbers {
			if known += ", " + n.Name; i == 0 {
				known = n.Name
			}
		}
		return nil, fmt.Errorf("no number %q (the images have %s) and %w", name, known, err)
	}
	numbers := make([]Number, len(a.Values))
	for k, value := range a.Values {
		numbers[k] = Number{Name: a.Name + "=" + value, Max: 1, Values: make([]float64, s.Len())}
	}
	for i, label := range a.Labels {
		numbers[label].Values[i] = 1
	}
	return numbers, nil
}

// LabelBy makes an attribute the labels of the set.
func (s *Set) LabelBy(attribute string) error {
	a, err := s.AttributeNamed(attribute)
	if err != nil {
		return err
	}
	s.Labels, s.Classes, s.byTable = a.Labels, a.Values, false
	return nil
}

// Condition is one an image meets or not: that an attribute has a value.
type Condition struct{ Attribute, Value string }

// Combinations are alternatives, of conditions that hold together in each: [[a b] [c]] is (a and b) or c.
type Combinations [][]Condition

// ParseCombinations reads combinations such as
//
//	shape=cube&colour=red
//	shape=cube&colour=red|shape=sphere&size=small
func ParseCombinations(text string) (c Combinations, err error) {
	for _, alternative := range strings.Split(text, "|") {
		var all []Condition
		for _, word := range strings.Split(alternative, "&") {
			name, value, ok := strings.Cut(word, "=")
			name, value = strings.TrimSpace(name), strings.TrimSpace(value)
			if !ok || name == "" || value == "" {
				return nil, fmt.Errorf("%q is no condition: write ATTRIBUTE=VALUE, join those that hold together by &, alternatives by |", strings.TrimSpace(word))
			}
			all = append(all, Condition{name, value})
		}
		c = append(c, all)
	}
	return c, nil
}

func (c Combinations) String() string {
	var alternatives []string
	for _, all := range c {
		var words []string
		for _, one := range all {
			words = append(words, one.Attribute+"="+one.Value)
		}
		alternatives = append(alternatives, strings.Join(words, "&"))
	}
	return strings.Join(alternatives, "|")
}

// Hold says whether any of the combinations holds where value gives the attributes' values.
func (c Combinations) Hold(value func(attribute string) string) bool {
	for _, all := range c {
		holds := true
		for _, one := range all {
			holds = holds && value(one.Attribute) == one.Value
		}
		if holds {
			return true
		}
	}
	return false
}

// Without is the set without the images of some combinations; the others stay as they are, in their order. It is an error to name what
// the set does not have, or to leave nothing.
func (s *Set) Without(c Combinations) (*Set, error) {
	known := map[string]Attribute{}
	for _, all := range c {
		for _, one := range all {
			a, err := s.AttributeNamed(one.Attribute)
			if err != nil {
				return nil, err
			}
			if known[one.Attribute] = a; !slices.Contains(a.Values, one.Value) {
				return nil, fmt.Errorf("no image has %s=%s: %s is one of %s", one.Attribute, one.Value, one.Attribute, strings.Join(a.Values, ", "))
			}
		}
	}
	var kept []int
	for i := range s.Len() {
		if !c.Hold(func(attribute string) string { return known[attribute].Values[known[attribute].Labels[i]] }) {
			kept = append(kept, i)
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("nothing is left without %v", c)
	}
	return s.Subset(kept), nil
}
