package dataset

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestWithout(t *testing.T) {
	red, cube := []int32{0, 1, 0, 1, 2}, []int32{0, 0, 1, 1, 0}
	set := &Set{Height: 1, Width: 1, Channels: 1, Pixels: []uint8{10, 11, 12, 13, 14}, Numbers: []Number{{Name: "x", Values: []float64{0, 1, 2, 3, 4}}},
		Attributes: []Attribute{{"colour", []string{"red", "blue", "green"}, red}, {"shape", []string{"cube", "ball"}, cube}}}
	if err := set.LabelBy("shape"); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]uint8{
		"shape=cube&colour=red": {11, 12, 13, 14},
		"shape=cube":            {12, 13},
		" shape = cube & colour = red | colour=blue": {12, 14},
		"colour=red|colour=blue":                     {14},
	} {
		c, err := ParseCombinations(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := set.Without(c)
		if err != nil || !slices.Equal(got.Pixels, want) {
			t.Errorf("without %s: %v, %v; want %v", text, got, err, want)
			continue
		}
		for i, p := range got.Pixels {
			k := int(p - 10)
			if got.Labels[i] != cube[k] || got.Attributes[0].Labels[i] != red[k] || got.Attributes[1].Labels[i] != cube[k] || got.Numbers[0].Values[i] != float64(k) {
				t.Errorf("without %s: image %d has lost what is known of it", text, i)
			}
		}
		if again, err := ParseCombinations(c.String()); err != nil || again.String() != c.String() {
			t.Errorf("%v is read back as %v, %v", c, again, err)
		}
	}
	for text, words := range map[string]string{
		"size=cube":             `no attribute "size": the images have colour, shape`,
		"shape=red":             "shape is one of cube, ball",
		"shape=cube|shape=ball": "nothing is left",
		"cube":                  `"cube" is no condition`,
		"":                      "is no condition",
		"shape=cube&":           "is no condition",
	} {
		c, err := ParseCombinations(text)
		if err == nil {
			_, err = set.Without(c)
		}
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("without %q: %v; want %q", text, err, words)
		}
	}
}

// A set that has classes alone has them as an attribute; combinations are left out as a set is opened.
// Numbers are had by name, and attributes as numbers, one for each value.
func TestNumbersOf(t *testing.T) {
	set := &Set{Height: 1, Width: 1, Channels: 1, Pixels: []uint8{10, 11, 12}, Numbers: []Number{{Name: "x", Min: 5, Max: 9, Values: []float64{5, 7, 9}}},
		Attributes: []Attribute{{"colour", []string{"red", "blue"}, []int32{1, 0, 1}}}}
	for name, want := range map[string][]Number{
		"x":      set.Numbers,
		"colour": {{"colour=red", 0, 1, []float64{0, 1, 0}}, {"colour=blue", 0, 1, []float64{1, 0, 1}}},
	} {
		if got, err := set.NumbersOf(name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	if _, err := set.NumbersOf("size"); err == nil || err.Error() != `no number "size" (the images have x) and no attribute "size": the images have colour` {
		t.Errorf("size: %v", err)
	}
	before := set.Fingerprint("x", "colour")
	set.Attributes[0].Labels[2] = 0
	if set.Fingerprint("x", "colour") == before || set.Fingerprint("x") != set.Fingerprint("x", "size") {
		t.Error("the fingerprint is not that of what is named")
	}
}

func TestOpenWithout(t *testing.T) {
	c, err := ParseCombinations("digit=3|digit=7")
	if err != nil {
		t.Fatal(err)
	}
	set, err := Open(context.Background(), "mnist:test", Size{}, WithoutCombinations(c))
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != 10000-1010-1028 || slices.Contains(set.Labels, 3) || slices.Contains(set.Labels, 7) {
		t.Errorf("%d images are left", set.Len())
	}
}

func FuzzCombinations(f *testing.F) {
	f.Add("shape=cube&colour=red|size=small")
	f.Add("=&|")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCombinations(text)
		if err != nil {
			return
		}
		if again, err := ParseCombinations(c.String()); err != nil || again.String() != c.String() {
			t.Errorf("%q is written as %q, which is read as %q, %v", text, c, again, err)
		}
	})
}
