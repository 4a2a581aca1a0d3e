package dataset

import (
	"errors"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/engine/rng"
)

// numbered is a set of n one-pixel images, image i of value and label i mod 256.
func numbered(n int) *Set {
	s := &Set{Name: "numbered", Height: 1, Width: 1, Channels: 1}
	for i := range n {
		s.Pixels = append(s.Pixels, uint8(i))
		s.Labels = append(s.Labels, int32(uint8(i)))
	}
	return s
}

func TestSplitPartitions(t *testing.T) {
	rest, held, err := numbered(100).Split(30, 7)
	if err != nil {
		t.Fatal(err)
	}
	if rest.Len() != 70 || held.Len() != 30 {
		t.Fatalf("parts of %d and %d images, want 70 and 30", rest.Len(), held.Len())
	}
	all := slices.Concat(rest.Pixels, held.Pixels)
	slices.Sort(all)
	if !slices.Equal(all, numbered(100).Pixels) {
		t.Error("the parts do not make up the whole")
	}
	if !slices.IsSorted(rest.Pixels) || !slices.IsSorted(held.Pixels) {
		t.Error("the parts do not keep the order of the set")
	}
	for _, part := range []*Set{rest, held} {
		for i := range part.Len() {
			if int32(part.Image(i)[0]) != part.Labels[i] {
				t.Fatal("labels went astray")
			}
		}
	}
	_, again, _ := numbered(100).Split(30, 7)
	_, other, _ := numbered(100).Split(30, 8)
	if !slices.Equal(held.Pixels, again.Pixels) || slices.Equal(held.Pixels, other.Pixels) {
		t.Error("the choice should depend on the seed alone")
	}
	if _, _, err := numbered(100).Split(100, 0); err == nil {
		t.Error("holding out everything should be an error")
	}
}

func TestEveryEpochIsAPermutation(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5, 8, 17, 100, 1000, 4097} {
		s := numbered(size)
		for epoch := range uint64(3) {
			seen := make([]bool, size)
			for i := range uint64(size) {
				at := s.At(42, epoch*uint64(size)+i)
				if at < 0 || at >= size || seen[at] {
					t.Fatalf("size %d, epoch %d: index %d drawn twice or out of range", size, epoch, at)
				}
				seen[at] = true
			}
		}
	}
	// Far into a run, where a resume would begin.
	if at := numbered(10).At(1, 1<<63); at < 0 || at >= 10 {
		t.Errorf("draw 2^63 is %d", at)
	}
}

// Over many epochs each image should come equally often at each place, and the order should differ by seed and epoch.
func TestOrderIsUniform(t *testing.T) {
	for _, size := range []int{2, 3, 6, 11} {
		s := numbered(size)
		const epochs = 2000
		counts := make([]float64, size*size)
		for epoch := range uint64(epochs) {
			for place := range size {
				counts[place*size+s.At(epoch%2, epoch*uint64(size)+uint64(place))]++
			}
		}
		want, chi2 := epochs/float64(size), 0.0
		for _, c := range counts {
			chi2 += (c - want) * (c - want) / want
		}
		// (size-1)^2 degrees of freedom; mean + 5 standard deviations.
		free := float64((size - 1) * (size - 1))
		if limit := free + 5*sqrt2*float64(size-1); chi2 > limit {
			t.Errorf("size %d: chi-squared %.1f, want below %.1f", size, chi2, limit)
		}
	}
}

const sqrt2 = 1.4142135623730951

func TestDequantise(t *testing.T) {
	pixels := make([]uint8, 256*400)
	for i := range pixels {
		pixels[i] = uint8(i)
	}
	x := make([]float32, len(pixels))
	stream := rng.New(3)
	Dequantise(x, pixels, &stream)
	mean := 0.0
	for i, u := range pixels {
		if x[i] < 0 || x[i] >= 1 || uint8(256*x[i]) != u {
			t.Fatalf("%d became %v, which is not in its level", u, x[i])
		}
		mean += float64(256*x[i]) - float64(u)
	}
	mean /= float64(len(pixels))
	if mean < 0.495 || mean > 0.505 { // five standard deviations
		t.Errorf("the added noise has mean %v, want 1/2", mean)
	}
}

// Drawn images are different ones, the same for the same seed, and a set that is small enough stays as it is.
func TestDraw(t *testing.T) {
	s := numbered(100)
	drawn := s.Draw(30, 7)
	if drawn.Len() != 30 || !slices.Equal(drawn.Pixels, s.AtMost(30, 7).Pixels) || slices.Equal(drawn.Pixels, s.Draw(30, 8).Pixels) {
		t.Errorf("drawn %v", drawn.Pixels)
	}
	if all := s.Draw(100, 7); slices.Equal(all.Pixels, s.Pixels) || !slices.Equal(slices.Sorted(slices.Values(all.Pixels)), s.Pixels) {
		t.Errorf("all of them, in another order: %v", all.Pixels)
	}
	if s.AtMost(0, 7) != s || s.AtMost(100, 7) != s {
		t.Error("a set small enough is changed")
	}
}

func TestWarnings(t *testing.T) {
	s := numbered(3)
	if lines := s.Warnings(); len(lines) != 0 {
		t.Errorf("warned of nothing: %q", lines)
	}
	s.Skipped, s.Resized = []Skipped{{"b.png", errors.New("the file is empty")}}, true
	want := []string{"numbered: 1 of 4 images are left out: b.png: the file is empty", "numbered: images were scaled or cropped to 1x1"}
	if lines := s.Warnings(); !slices.Equal(lines, want) {
		t.Errorf("warnings %q, want %q", lines, want)
	}
}
