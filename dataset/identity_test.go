package dataset

import (
	"slices"
	"testing"
)

// Data are known by their content: a fingerprint sees every value and label, and images are found again wherever they are.
func TestIdentity(t *testing.T) {
	a, b := numbered(200), numbered(200)
	a.Width, b.Width = 2, 2 // a hundred images of two pixels
	a.Labels, b.Labels = a.Labels[:100], b.Labels[:100]
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("equal sets have other fingerprints")
	}
	if n := a.Shared(b); n != 100 {
		t.Errorf("equal sets share %d of 100 images", n)
	}
	b.Labels[7]++
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("another label is not noticed")
	}
	part := b.Subset([]int{3, 99, 50})
	copy(part.Image(1), []uint8{9, 1})
	if n := part.Shared(a); n != 2 {
		t.Errorf("%d of two images are found", n)
	}
	plain := part.Subset([]int{0})
	copy(plain.Pixels, []uint8{5, 5})
	if !slices.Equal(plain.Image(0), []uint8{5, 5}) || plain.Shared(plain) != 0 {
		t.Error("an image of one colour counts")
	}
}
