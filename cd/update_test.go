package cd_test

// This file holds the update of the weights to PyTorch's, recorded by testdata/make_update.py.

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/cd"
)

func TestUpdatesMatchPyTorch(t *testing.T) {
	content, err := os.ReadFile("testdata/update.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name                               string
		Beta1, Beta2, LR, Eps, Clip, Decay float64
		Start                              []float32
		Gradients, Params, Averages        [][]float32
		Norms                              []float64
	}
	if err := json.Unmarshal(content, &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			params, average := slices.Clone(c.Start), slices.Clone(c.Start)
			a := cd.Adam{Beta1: c.Beta1, Beta2: c.Beta2, Epsilon: c.Eps}
			clipped := 0
			for i, g := range c.Gradients {
				norm := cd.ClipNorm(g, c.Clip, 1)
				if math.Abs(norm-c.Norms[i]) > 1e-6*c.Norms[i] {
					t.Errorf("step %d: the norm is %v, want %v", i, norm, c.Norms[i])
				}
				if c.Clip > 0 && norm > c.Clip {
					clipped++
				}
				a.Update(params, g, c.LR, 1)
				cd.Average(average, params, c.Decay, 1)
				near(t, params, c.Params[i])
				near(t, average, c.Averages[i])
			}
			if a.Updates != int64(len(c.Gradients)) {
				t.Errorf("%d updates, want %d", a.Updates, len(c.Gradients))
			}
			if c.Clip > 0 && clipped == 0 {
				t.Error("no gradient was clipped: the case says nothing")
			}
		})
	}
}

// near allows for the rounding of a few operations in float32.
func near(t *testing.T, got, want []float32) {
	t.Helper()
	for i, x := range got {
		if d := math.Abs(float64(x - want[i])); d > 3e-7*math.Max(1, math.Abs(float64(want[i]))) {
			t.Errorf("parameter %d is %v, want %v", i, x, want[i])
		}
	}
}

// TestUpdateOnThreads: the number of threads changes no bit, whatever the length.
func TestUpdateOnThreads(t *testing.T) {
	for _, n := range []int{1, 1 << 16, 1<<16 + 1, 1<<18 - 3} {
		run := func(threads int) []float32 {
			params, average, g := make([]float32, n), make([]float32, n), make([]float32, n)
			for i := range g {
				g[i] = float32(math.Sin(float64(i)))
			}
			a := cd.Adam{Beta1: 0.5, Beta2: 0.9, Epsilon: 1e-8}
			norm := cd.ClipNorm(g, 0.5, threads)
			a.Update(params, g, 1e-3, threads)
			cd.Average(average, params, 0.9, threads)
			return slices.Concat(params, average, []float32{float32(norm)})
		}
		if want := run(1); !slices.Equal(run(3), want) || !slices.Equal(run(0), want) {
			t.Errorf("%d numbers: other bits on other threads", n)
		}
	}
}
