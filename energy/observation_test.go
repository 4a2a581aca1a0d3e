package energy_test

import (
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
)

// An observation is a squared distance, where it is known; half the resolution is the mean over 3×3 pixels that are there.
func TestObservation(t *testing.T) {
	image, s := expr.Shape{3, 4, 2}, 0.5
	x := noise(1, image)
	for halvings, shape := range []expr.Shape{image, {2, 2, 2}, {1, 1, 2}} {
		e := must(energy.Observation(image, halvings, s))
		in := expr.Input("x", image)
		p, err := e.Params()
		if err != nil {
			t.Fatal(err)
		}
		seen := energy.Halved(in, halvings)
		y, known := noise(1, expr.Shape{shape[0], shape[1], 3})[:shape.Size()], make([]float32, shape[0]*shape[1])
		for i := range known {
			known[i] = float32(i%2) / 2
		}
		out, err := definition([]*expr.Value{energy.Sum(e.Build(p, in, nil)), seen}, 1, nil,
			map[string][]float32{"x": x, energy.ObservedInput: y, energy.KnownInput: known})
		if err != nil {
			t.Fatal(err)
		}
		want := 0.0
		for i, v := range out[1] {
			d := v - float64(y[i])
			want += float64(known[i/2]) * d * d / (2 * s * s)
		}
		if got := out[0][0]; len(out[1]) != shape.Size() || math.Abs(got-want) > 1e-9 {
			t.Errorf("halved %d times: energy %v, want %v", halvings, got, want)
		}
		if halvings == 1 { // the corner: four pixels of its 3×3 are there
			sum := 0.0
			for _, at := range []int{0, 1, 4, 5} {
				sum += float64(x[2*at])
			}
			if math.Abs(out[1][0]-sum/4) > 1e-6 {
				t.Errorf("the corner is %v, want %v", out[1][0], sum/4)
			}
		}
	}
	if _, err := energy.Observation(image, 0, 0); err == nil || !strings.Contains(err.Error(), "deviation 0") {
		t.Errorf("no deviation: %v", err)
	}
	if _, err := energy.Observation(image, -1, 1); err == nil {
		t.Error("halved -1 times")
	}
}
