package benchmark_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/rng"
)

// The resamples, their figures and the quantiles are those of testdata/make_intervals.py, by scikit-learn and NumPy.
func TestBootstrapAgreesWithScikitLearn(t *testing.T) {
	file, err := os.ReadFile("testdata/intervals.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name               string
		In, Out            []float64
		Level              float64
		Resamples          int
		Draws              []int
		AUROC, AUPR, FPR95 benchmark.Interval
		AUPRIn             benchmark.Interval `json:"aupr_in"`
	}
	if err := json.Unmarshal(file, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 6 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		draw := func(n int) int {
			d := c.Draws[0]
			if c.Draws = c.Draws[1:]; d >= n {
				t.Fatalf("%s: a draw below %d is %d", c.Name, n, d)
			}
			return d
		}
		got, err := benchmark.BootstrapFrom(context.Background(), c.In, c.Out, c.Level, c.Resamples, draw)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Draws) != 0 {
			t.Errorf("%s: %d draws not used", c.Name, len(c.Draws))
		}
		for _, f := range []struct {
			name      string
			got, want benchmark.Interval
		}{{"AUROC", got.AUROC, c.AUROC}, {"AUPR", got.AUPR, c.AUPR}, {"AUPR in", got.AUPRIn, c.AUPRIn}, {"FPR95", got.FPR95, c.FPR95}} {
			if !near(f.got[0], f.want[0]) || !near(f.got[1], f.want[1]) {
				t.Errorf("%s: %s %.17g, scikit-learn has %.17g", c.Name, f.name, f.got, f.want)
			}
		}
	}
}

// Intervals hold the true value as often as they say, or more often: with few images, and also where most samples have no overlap at
// all and all their resamples are perfect. Energies are normal, those of outliers higher by d: AUROC = Φ(d/√2).
func TestBootstrapCovers(t *testing.T) {
	const repetitions, level = 400, 0.9
	phi := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
	for _, c := range []struct {
		d      float64
		n      int
		widest float64 // mean width of the AUROC's interval
	}{{0, 40, 0.3}, {1, 40, 0.24}, {2.5, 40, 0.15}, {5, 60, 0.08}} {
		covered, perfect, width := 0, 0, 0.0
		for i := range uint64(repetitions) {
			in, out := normals(c.n, 0, 1, 2*i), normals(c.n, c.d, 1, 2*i+1)
			stream := rng.New(i, 9)
			got, err := benchmark.Bootstrap(context.Background(), in, out, level, 100, &stream)
			if err != nil {
				t.Fatal(err)
			}
			d, err := benchmark.Detect(in, out)
			if err != nil {
				t.Fatal(err)
			}
			if d.AUROC < got.AUROC[0] || d.AUROC > got.AUROC[1] || d.FPR95 < got.FPR95[0] || d.FPR95 > got.FPR95[1] {
				t.Fatalf("%+v is not within %+v", d, got)
			}
			if truth := phi(c.d / math.Sqrt2); got.AUROC[0] <= truth && truth <= got.AUROC[1] {
				covered++
			}
			if d.AUROC == 1 {
				perfect++
			}
			width += (got.AUROC[1] - got.AUROC[0]) / repetitions
		}
		share := float64(covered) / repetitions
		t.Logf("d = %v: %.3f of the intervals hold the truth, their width is %.3f, %d of %d samples are perfect", c.d, share, width, perfect, repetitions)
		// 400 repetitions leave the share uncertain by 0.03 (two standard deviations).
		if share < level-0.03 || width > c.widest {
			t.Errorf("d = %v: %.3f of the intervals hold the truth, want %v; their mean width is %.3f, want %v at most",
				c.d, share, level, width, c.widest)
		}
		if c.d == 5 && perfect < repetitions/4 {
			t.Errorf("d = %v: only %d samples without overlap: the case does not test what it should", c.d, perfect)
		}
	}
}

func TestBootstrapIsReproducible(t *testing.T) {
	in, out := normals(50, 0, 1, 1), normals(60, 1, 1, 2)
	intervals := func(seed uint64) benchmark.Intervals {
		stream := rng.New(seed)
		got, err := benchmark.Bootstrap(context.Background(), in, out, 0.95, 100, &stream)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if a, b, c := intervals(1), intervals(1), intervals(2); a != b || a == c {
		t.Errorf("seed 1: %+v and %+v; seed 2: %+v", a, b, c)
	}
}

func TestBootstrapRefuses(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	one, stream := []float64{1}, rng.New(1)
	for _, c := range []struct {
		ctx       context.Context
		in        []float64
		level     float64
		resamples int
		want      string
	}{
		{context.Background(), nil, 0.95, 100, "no in-distribution scores"},
		{context.Background(), []float64{math.NaN()}, 0.95, 100, "is NaN"},
		{context.Background(), one, 1, 100, "level between 0 and 1"},
		{context.Background(), one, math.NaN(), 100, "level between 0 and 1"},
		{context.Background(), one, 0.95, 1, "10 to a million resamples"},
		{cancelled, one, 0.95, 100, context.Canceled.Error()},
	} {
		if _, err := benchmark.Bootstrap(c.ctx, c.in, one, c.level, c.resamples, &stream); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, level %v, %d resamples: error %v, want one about %q", c.in, c.level, c.resamples, err, c.want)
		}
	}
	if _, err := benchmark.Bootstrap(cancelled, one, one, 0.95, 100, &stream); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// With no overlap among a hundred images of each kind, a few in a hundred may still be on the wrong side.
func ExampleBootstrap() {
	in, out := make([]float64, 100), make([]float64, 100)
	for i := range in {
		in[i], out[i] = float64(i), float64(1000+i)
	}
	stream := rng.New(1)
	got, err := benchmark.Bootstrap(context.Background(), in, out, 0.95, 1000, &stream)
	fmt.Printf("AUROC 1, %.2f to %.2f; %v\n", got.AUROC[0], got.AUROC[1], err)
	// Output: AUROC 1, 0.95 to 1.00; <nil>
}

// The intervals are those of scipy.stats.binomtest(k, n).proportion_ci(0.95, 'exact').
func TestProportionAgreesWithSciPy(t *testing.T) {
	for _, test := range []struct {
		k, n   int
		lo, hi float64
	}{
		{0, 50, 0, 0.07112173646420458},
		{3, 1000, 0.0006190999316499173, 0.008742023238657654},
		{17, 40, 0.270429031268837, 0.5910994195730367},
		{50, 50, 0.9288782635357954, 1},
	} {
		if i := benchmark.Proportion(test.k, test.n, 0.95); math.Abs(i[0]-test.lo) > 1e-9 || math.Abs(i[1]-test.hi) > 1e-9 {
			t.Errorf("%d of %d: %v, SciPy has %v to %v", test.k, test.n, i, test.lo, test.hi)
		}
	}
}
