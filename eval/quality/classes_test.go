package quality

import (
	"math"
	"reflect"
	"testing"
)

// rows are probabilities: p of the given class, the rest shared.
func rows(classes int, p float32, of ...int) []float32 {
	var all []float32
	for _, k := range of {
		for j := range classes {
			if j == k {
				all = append(all, p)
			} else {
				all = append(all, (1-p)/float32(classes-1))
			}
		}
	}
	return all
}

func TestCoverage(t *testing.T) {
	images := rows(4, 0.95, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3)
	c, err := MeasureClasses(append(rows(4, 0.95, 0, 0, 0, 0), rows(4, 0.6, 1, 1, 2, 2)...), images, 4)
	if err != nil {
		t.Fatal(err)
	}
	// scipy.stats.chi2_contingency([[4, 2, 2, 0], [3, 3, 3, 3]], correction=False) gives this p.
	want := Classes{Counts: []int{4, 2, 2, 0}, Shares: []float64{0.25, 0.25, 0.25, 0.25}, Covered: 3, Sure: 0.5, SureImages: 1,
		Entropy: 1.5 * math.Ln2, EntropyImages: math.Log(4), P: c.P}
	if math.Abs(c.Entropy-want.Entropy) > 1e-12 || math.Abs(c.EntropyImages-want.EntropyImages) > 1e-12 || math.Abs(c.P-0.4141793659679206) > 1e-12 {
		t.Errorf("got %+v, want %+v, p = 0.4142", c, want)
	}
	c.Entropy, c.EntropyImages = want.Entropy, want.EntropyImages
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
	same, err := MeasureClasses(images, images, 4)
	if err != nil || same.P != 1 || same.Covered != 4 {
		t.Errorf("the images against themselves: %+v, %v", same, err)
	}
	if one, err := MeasureClasses(images[:4], images[:4], 4); err != nil || one.P != 1 {
		t.Errorf("a single class: %+v, %v", one, err)
	}
	for _, n := range []int{0, 3, 5} {
		if _, err := MeasureClasses(images[:n], images, 4); err == nil {
			t.Errorf("%d probabilities of 4 classes accepted", n)
		}
	}
}
