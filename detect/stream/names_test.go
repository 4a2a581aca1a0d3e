package stream

import (
	"path/filepath"
	"testing"
)

func TestComesAfter(t *testing.T) {
	inOrder := []string{"", "d", "d/a", "d/a/b.png", "d/a/c.png", "d/a.png", "d/b", "e"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			a, b := filepath.FromSlash(a), filepath.FromSlash(b)
			if got := comesAfter(a, b); got != (i > j) {
				t.Errorf("%q after %q: %v", a, b, got)
			}
		}
	}
}
