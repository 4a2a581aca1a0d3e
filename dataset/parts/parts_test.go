package parts_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"testing"

	"github.com/joule-ebm/joule/dataset/parts"
)

// every is n parts of each kind and defect.
func every(seed uint64, n int) (list []parts.Part) {
	for kind := range parts.Kinds {
		for defect := range parts.Defects {
			for i := range uint64(n) {
				list = append(list, parts.At(seed, kind, defect, i))
			}
		}
	}
	return list
}

func draw(t testing.TB, list []parts.Part, side int) (pixels, masks []uint8) {
	t.Helper()
	pixels, masks, err := parts.Draw(context.Background(), list, side)
	if err != nil {
		t.Fatal(err)
	}
	return pixels, masks
}

// The same bytes on every machine: these sums hold for all processors and compilers.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		side          int
		pixels, masks string
	}{{64, "14f844f0d4caa100", "c1f5ea1e8a8d5d80"}, {80, "a8bf51f3697a6c93", "cfd6201d08959c1c"}} {
		pixels, masks := draw(t, every(0, 1), c.side)
		if sum := fmt.Sprintf("%x", sha256.Sum256(pixels))[:16]; sum != c.pixels {
			t.Errorf("side %d: pixels' sum %s, want %s", c.side, sum, c.pixels)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(masks))[:16]; sum != c.masks {
			t.Errorf("side %d: masks' sum %s, want %s", c.side, sum, c.masks)
		}
	}
}

// A mask is where the picture differs from that of the same part without the defect. The defect is in one place, of a size between
// 1/700 and 1/5 of the picture, and there to see.
func TestMasks(t *testing.T) {
	const side = 64
	list := every(11, 5)
	pixels, masks := draw(t, list, side)
	good := make([]parts.Part, len(list))
	for i, p := range list {
		good[i], good[i].Defect = p, parts.Good
	}
	without, none := draw(t, good, side)
	if bytes.ContainsFunc(none, func(r rune) bool { return r != 0 }) {
		t.Error("a good part has a mask")
	}
	contrast := make([]float64, len(parts.Defects))
	for i, p := range list {
		name := fmt.Sprintf("%s, %s, %d", parts.Kinds[p.Kind], parts.Defects[p.Defect], i%5)
		mask := masks[i*side*side:][:side*side]
		masked, difference := 0, 0.0
		for k, m := range mask {
			at := 3 * (i*side*side + k)
			if same := bytes.Equal(pixels[at:at+3], without[at:at+3]); same == (m != 0) {
				t.Fatalf("%s: pixel %d is %v, %v without the defect, its mask %d", name, k, pixels[at:at+3], without[at:at+3], m)
			}
			if m != 0 {
				masked++
				for c := range 3 {
					difference += math.Abs(float64(pixels[at+c])-float64(without[at+c])) / 3
				}
			}
		}
		if p.Defect == parts.Good {
			continue
		}
		if masked < side*side/700 || masked > side*side/5 {
			t.Errorf("%s: a mask of %d pixels", name, masked)
		}
		if whole := largest(mask, side); float64(whole) < 0.7*float64(masked) {
			t.Errorf("%s: a mask of %d pixels, of which %d hang together", name, masked, whole)
		}
		if difference /= float64(masked); difference < 6 {
			t.Errorf("%s: differs by %.1f levels", name, difference)
		}
		contrast[p.Defect] += difference / float64(len(list)) * float64(len(parts.Defects))
	}
	t.Logf("mean difference under the mask: %.0f (%v)", contrast, parts.Defects)
}

// largest is the size of the largest piece of a mask.
func largest(mask []uint8, side int) (most int) {
	seen := make([]bool, len(mask))
	for start := range mask {
		size, queue := 0, []int{start}
		for len(queue) > 0 {
			p := queue[0]
			queue = queue[1:]
			if seen[p] || mask[p] == 0 {
				continue
			}
			seen[p] = true
			size++
			for y := max(p/side-1, 0); y <= min(p/side+1, side-1); y++ {
				for x := max(p%side-1, 0); x <= min(p%side+1, side-1); x++ {
					queue = append(queue, y*side+x)
				}
			}
		}
		most = max(most, size)
	}
	return most
}

// Two parts of a kind are alike but not the same, and two kinds are not alike.
func TestKindsDiffer(t *testing.T) {
	const side, n = 64, 6
	var list []parts.Part
	for kind := range parts.Kinds {
		for i := range uint64(n) {
			list = append(list, parts.At(0, kind, parts.Good, i))
		}
	}
	pixels, _ := draw(t, list, side)
	size := side * side * 3
	// the mean colour of each, which pose and grain hardly change
	mean := func(i int) (m [3]float64) {
		for k, u := range pixels[i*size:][:size] {
			m[k%3] += float64(u) / side / side
		}
		return m
	}
	for i := range list {
		for j := range i {
			if bytes.Equal(pixels[i*size:][:size], pixels[j*size:][:size]) {
				t.Fatalf("parts %d and %d are the same", i, j)
			}
			a, b := mean(i), mean(j)
			off := math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2])
			if list[i].Kind == list[j].Kind && off > 30 {
				t.Errorf("two parts of kind %s are %.0f levels apart", parts.Kinds[list[i].Kind], off)
			}
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, side := range []int{64, 256} {
		for _, defect := range []int{parts.Good, 1} {
			b.Run(fmt.Sprintf("%s/%d", parts.Defects[defect], side), func(b *testing.B) {
				var list []parts.Part
				for i := range b.N {
					list = append(list, parts.At(0, i%len(parts.Kinds), defect, uint64(i)))
				}
				draw(b, list, side)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
			})
		}
	}
}
