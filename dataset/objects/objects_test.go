package objects_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/dataset/objects"
)

func draw(t testing.TB, seed, first uint64, n, side int) ([]uint8, []objects.Scene) {
	t.Helper()
	pixels, scenes, err := objects.Draw(context.Background(), seed, first, n, side)
	if err != nil {
		t.Fatal(err)
	}
	return pixels, scenes
}

// The same bytes on every machine: these sums hold for all processors and compilers.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		seed, first uint64
		n, side     int
		sum         string
	}{
		{0, 0, 100, 32, "303ed31990eeb979"},
		{0, objects.FirstTest, 100, 32, "e1b892d99affdcfa"},
		{1, 0, 16, 64, "828a8198b6493c5e"},
		{0, 0, 4, 128, "31508399711a36b4"},
	} {
		pixels, scenes := draw(t, c.seed, c.first, c.n, c.side)
		if sum := fmt.Sprintf("%x", sha256.Sum256(pixels))[:16]; sum != c.sum {
			t.Errorf("seed %d, %d scenes from %d on, side %d: sum %s, want %s (the first: %+v)", c.seed, c.n, c.first, c.side, sum, c.sum, scenes[0])
		}
	}
}

// A scene does not depend on which others are drawn, nor where.
func TestEachAlone(t *testing.T) {
	pixels, scenes := draw(t, 3, 100, 20, 32)
	for i, s := range scenes {
		alone := make([]uint8, 32*32*3)
		objects.At(3, 100+uint64(i)).Draw(alone, 32)
		if s != objects.At(3, 100+uint64(i)) || !bytes.Equal(alone, pixels[i*len(alone):][:len(alone)]) {
			t.Fatalf("scene %d is another one when drawn alone", i)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := objects.Draw(ctx, 0, 0, 1000, 32); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A larger picture shows the same: averaged down it is the smaller one, but for the camera's noise.
func TestSizesShowTheSame(t *testing.T) {
	small, _ := draw(t, 0, 0, 50, 32)
	for _, times := range []int{2, 4} {
		large, _ := draw(t, 0, 0, 50, 32*times)
		off := 0.0
		for i := range small {
			image, row, column, channel := i/3072, i/96%32, i/3%32, i%3
			sum := 0
			for k := range times * times {
				sum += int(large[((image*32*times+row*times+k/times)*32*times+column*times+k%times)*3+channel])
			}
			off += math.Abs(float64(sum)/float64(times*times) - float64(small[i]))
		}
		if off /= float64(len(small)); off > 4 {
			t.Errorf("side %d: %.1f levels off on the mean", 32*times, off)
		}
	}
}

// Every attribute is even, and independent of every other and of all numbers; so are the numbers.
func TestEvenAndIndependent(t *testing.T) {
	const n = 20_000
	scenes := make([]objects.Scene, n)
	for i := range scenes {
		scenes[i] = objects.At(0, uint64(i))
	}
	// chi-squared, in standard deviations above its mean
	excess := func(counts []int) float64 {
		expected, sum := n/float64(len(counts)), 0.0
		for _, c := range counts {
			sum += (float64(c) - expected) * (float64(c) - expected) / expected
		}
		free := float64(len(counts) - 1)
		return (sum - free) / math.Sqrt(2*free)
	}
	for a, first := range objects.Attributes {
		for b, second := range objects.Attributes[:a+1] {
			if a == b {
				counts := make([]int, len(first.Values))
				for _, s := range scenes {
					counts[s.Labels[a]]++
				}
				if z := excess(counts); z > 4 {
					t.Errorf("%s is not even: %v", first.Name, counts)
				}
				continue
			}
			counts := make([]int, len(first.Values)*len(second.Values))
			for _, s := range scenes {
				counts[s.Labels[a]*len(second.Values)+s.Labels[b]]++
			}
			if z := excess(counts); z > 4 {
				t.Errorf("%s and %s depend on each other: %v", first.Name, second.Name, counts)
			}
		}
		// Numbers in those with each label: the same mean, but where the label is a name for the number.
		for k, number := range objects.Numbers {
			if a == objects.Size && k == objects.Radius || a == objects.Position && (k == objects.X || k == objects.Y) {
				continue
			}
			for label := range first.Values {
				var v []float64
				for _, s := range scenes {
					if s.Labels[a] == label {
						v = append(v, (s.Numbers[k]-number.Min)/(number.Max-number.Min))
					}
				}
				mean := 0.0
				for _, x := range v {
					mean += x / float64(len(v))
				}
				overall := map[bool]float64{true: 0.464, false: 0.5}[k == objects.Radius] // the middles of three sizes
				if z := (mean - overall) / 0.37 * math.Sqrt(float64(len(v))); math.Abs(z) > 4.5 {
					t.Errorf("the mean of %s is %v where %s is %s", number.Name, mean, first.Name, first.Values[label])
				}
			}
		}
	}
	for a := range objects.Numbers {
		for b := range a {
			var x, y, xx, yy, xy float64
			for _, s := range scenes {
				u, v := s.Numbers[a], s.Numbers[b]
				x, y, xx, yy, xy = x+u/n, y+v/n, xx+u*u/n, yy+v*v/n, xy+u*v/n
			}
			if r := (xy - x*y) / math.Sqrt((xx-x*x)*(yy-y*y)); math.Abs(r) > 4/math.Sqrt(n) {
				t.Errorf("%s and %s correlate by %.3f", objects.Numbers[a].Name, objects.Numbers[b].Name, r)
			}
		}
	}
}

// Names and numbers agree: between the sizes, and between the places, are gaps.
func TestNamesAndNumbersAgree(t *testing.T) {
	var radii [3][]float64
	var columns, rows [3][]float64
	for i := range uint64(5000) {
		s := objects.At(5, i)
		for k, number := range objects.Numbers {
			if x := s.Numbers[k]; x < number.Min || x > number.Max {
				t.Fatalf("%s of %v is not in [%v, %v]", number.Name, x, number.Min, number.Max)
			}
		}
		radii[s.Labels[objects.Size]] = append(radii[s.Labels[objects.Size]], s.Numbers[objects.Radius])
		place := s.Labels[objects.Position]
		columns[place%3], rows[place/3] = append(columns[place%3], s.Numbers[objects.X]), append(rows[place/3], s.Numbers[objects.Y])
	}
	for name, of := range map[string][3][]float64{"sizes": radii, "columns": columns, "rows": rows} {
		for i := range 2 {
			if gap := slices.Min(of[i+1]) - slices.Max(of[i]); gap < 0.02 {
				t.Errorf("%s: a gap of %v", name, gap)
			}
		}
	}
}

// A change of a label changes what it names alone: the floor far from the object stays, and the object's place too.
func TestChangedLabel(t *testing.T) {
	before, after := make([]uint8, 32*32*3), make([]uint8, 32*32*3)
	for i := range uint64(100) {
		s := objects.At(0, i)
		s.Draw(before, 32)
		s.Labels[objects.Colour] = (s.Labels[objects.Colour] + 3) % len(objects.Attributes[objects.Colour].Values)
		s.Draw(after, 32)
		changed := 0
		for p := range 32 * 32 {
			if bytes.Equal(before[3*p:3*p+3], after[3*p:3*p+3]) {
				continue
			}
			changed++
			x, y := (float64(p%32)+0.5)/32-s.Numbers[objects.X], (float64(p/32)+0.5)/32-s.Numbers[objects.Y]
			if math.Hypot(x, y) > 1.55*s.Numbers[objects.Radius]+1.0/32 {
				t.Fatalf("scene %d: pixel %d changes with the object's colour, %.2f radii away", i, p, math.Hypot(x, y)/s.Numbers[objects.Radius])
			}
		}
		if area := float64(changed) / (32 * 32) / (math.Pi * s.Numbers[objects.Radius] * s.Numbers[objects.Radius]); area < 0.5 || area > 1.7 {
			t.Errorf("scene %d: %d pixels change with the object's colour, %.2f of its disc", i, changed, area)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, side := range []int{32, 64, 128} {
		b.Run(fmt.Sprint(side), func(b *testing.B) {
			draw(b, 0, 0, b.N, side)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

func ExampleAt() {
	scene := objects.At(0, 4)
	for i, a := range objects.Attributes {
		fmt.Printf("%s: %s\n", a.Name, a.Values[scene.Labels[i]])
	}
	fmt.Printf("turned by %.0f degrees\n", scene.Numbers[objects.Rotation])
	// The same in blue:
	scene.Labels[objects.Colour] = slices.Index(objects.Attributes[objects.Colour].Values, "blue")
	pixels := make([]uint8, 64*64*3)
	scene.Draw(pixels, 64)
	// Output:
	// shape: sphere
	// colour: red
	// size: large
	// position: left
	// turned by 19 degrees
}
