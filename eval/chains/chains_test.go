package chains

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/engine/rng"
)

// The figures of ArviZ and SciPy; see testdata/make_reference.py.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var reference struct {
		Traces map[string]struct {
			Draws     [][]float64
			Ess, RHat float64
		}
		Ranks []struct {
			A, B []float64
			U, P float64
		}
	}
	if err := json.Unmarshal(text, &reference); err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	for name, c := range reference.Traces {
		trace, err := NewTrace(name, c.Draws)
		if err != nil {
			t.Fatal(err)
		}
		near(name+": effective sample size", trace.Effective, c.Ess)
		near(name+": R-hat", trace.RHat, c.RHat)
	}
	for _, c := range reference.Ranks {
		r, err := Compare(c.A, c.B)
		if err != nil {
			t.Fatal(err)
		}
		near("U", r.Above*float64(len(c.A)*len(c.B)), c.U)
		near("p", r.P, c.P)
		back, err := Compare(c.B, c.A)
		if err != nil || math.Abs(back.Z+r.Z) > 1e-9 || math.Abs(back.Above+r.Above-1) > 1e-12 {
			t.Errorf("the other way round: %+v and %+v, %v", r, back, err)
		}
	}
	if len(reference.Traces) != 7 || len(reference.Ranks) != 3 {
		t.Errorf("%d traces and %d comparisons", len(reference.Traces), len(reference.Ranks))
	}
}

func TestTraceOfChainsThatStandStill(t *testing.T) {
	still := func(values ...float64) [][]float64 {
		var all [][]float64
		for _, v := range values {
			all = append(all, slices.Repeat([]float64{v}, 10))
		}
		return all
	}
	for _, c := range []struct {
		draws [][]float64
		want  float64
	}{{still(1, 2, 3), 3}, {still(1, 1, 1), 1}} {
		trace, err := NewTrace("still", c.draws)
		if err != nil || trace.Effective != c.want || trace.RHat != 0 {
			t.Errorf("%+v, %v: want %v effective draws", trace, err, c.want)
		}
	}
	for name, draws := range map[string][][]float64{
		"none":      nil,
		"too few":   {make([]float64, leastDraws-1)},
		"ragged":    {make([]float64, 10), make([]float64, 9)},
		"no number": {append(make([]float64, 10), math.NaN())},
	} {
		if _, err := NewTrace(name, draws); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNearest(t *testing.T) {
	const size, n, k = 150, 200, 3
	s := rng.New(1)
	bytes := func(n int) []uint8 {
		x := make([]uint8, n*size)
		for i := range x {
			x[i] = uint8(s.IntN(256))
		}
		return x
	}
	set, queries := bytes(n), bytes(7)
	copy(set[50*size:51*size], set[20*size:]) // twins: the first counts first
	copy(queries, set[20*size:21*size])
	found, err := Nearest(context.Background(), queries, set, size, k, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if found[0][0] != (Neighbour{20, 0}) || found[0][1] != (Neighbour{50, 0}) {
		t.Errorf("the neighbours of a training image are %v", found[0])
	}
	for i, neighbours := range found {
		var all []Neighbour
		for j := range n {
			sum := 0.0
			for p := range size {
				d := float64(queries[i*size+p]) - float64(set[j*size+p])
				sum += d * d
			}
			all = append(all, Neighbour{j, math.Sqrt(sum/size) / 256})
		}
		slices.SortStableFunc(all, func(a, b Neighbour) int {
			if a.Distance < b.Distance {
				return -1
			}
			return 1
		})
		if i > 0 && !reflect.DeepEqual(neighbours, all[:k]) {
			t.Errorf("neighbours of %d are %v, want %v", i, neighbours, all[:k])
		}
	}
	again, err := Nearest(context.Background(), queries, set, size, k, 3, nil)
	if err != nil || !reflect.DeepEqual(again, found) {
		t.Errorf("three threads find %v, %v", again, err)
	}
	if d := nearestDistances(found); len(d) != 7 || d[0] != 0 || d[1] != found[1][0].Distance {
		t.Errorf("distances %v", d)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range []error{
		second(Nearest(context.Background(), queries[1:], set, size, k, 1, nil)),
		second(Nearest(context.Background(), queries, set, size, n+1, 1, nil)),
		second(Nearest(cancelled, queries, set, size, k, 1, nil)),
	} {
		if err == nil {
			t.Error("accepted")
		}
	}
	// 64 greatest differences in a row do not overflow.
	black, white := make([]uint8, size), slices.Repeat([]uint8{255}, size)
	if found, err := Nearest(context.Background(), black, white, size, 1, 1, nil); err != nil || found[0][0].Distance != 255.0/256 {
		t.Errorf("from black to white: %v, %v", found, err)
	}
}

func second[T any](_ T, err error) error { return err }

// The picture holds each image and its neighbours in their places, enlarged so that a distance fits underneath.
func TestPicture(t *testing.T) {
	const h, w, scale = 3, 28, 2
	grey := func(values ...uint8) (pixels []uint8) {
		for _, v := range values {
			pixels = append(pixels, slices.Repeat([]uint8{v}, h*w)...)
		}
		return pixels
	}
	columns := []column{
		{"samples", grey(10, 20), [][]Neighbour{{{0, 0.1}, {1, 0.2}}, {{2, 0.1}, {0, 0.3}}}},
		{"held out", grey(30), [][]Neighbour{{{1, 0.1}, {2, 0.2}}}},
	}
	img, err := drawNeighbours(columns, grey(100, 110, 120), h, w, 1, 5)
	if err != nil {
		t.Fatal(err)
	}
	width, height := w*scale+gapWidth, h*scale+textHeight
	for _, c := range []struct {
		column, row, place int
		want               uint32
	}{{0, 0, 0, 10}, {0, 0, 1, 100}, {0, 0, 2, 110}, {0, 1, 0, 20}, {0, 1, 1, 120}, {0, 1, 2, 100}, {1, 0, 0, 30}, {1, 0, 1, 110}, {1, 0, 2, 120}} {
		left := gapWidth + c.column*(3*width+3*gapWidth) + c.place*width
		for _, corner := range [][2]int{{left, titleRoom + c.row*height}, {left + w*scale - 1, titleRoom + c.row*height + h*scale - 1}} {
			if r, _, _, _ := img.At(corner[0], corner[1]).RGBA(); r>>8 != c.want {
				t.Errorf("column %d row %d place %d: %d, want %d", c.column, c.row, c.place, r>>8, c.want)
			}
		}
	}
	if _, err := drawNeighbours([]column{{"nothing", nil, nil}}, nil, h, w, 1, 5); err == nil {
		t.Error("a column without images accepted")
	}
}
