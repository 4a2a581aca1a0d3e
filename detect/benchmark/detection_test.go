package benchmark_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/rng"
)

// A detectionCase is written by testdata/make_detection.py, the figures by scikit-learn.
type detectionCase struct {
	Name   string
	In     []float64
	Out    []float64
	AUROC  float64
	AUPR   float64
	AUPRIn float64 `json:"aupr_in"`
	FPR95  float64
	ROCFPR []float64 `json:"roc_fpr"`
	ROCTPR []float64 `json:"roc_tpr"`
}

func detectionCases(t *testing.T) []detectionCase {
	t.Helper()
	file, err := os.ReadFile("testdata/detection.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []detectionCase
	if err := json.Unmarshal(file, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 10 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-12 }

func TestDetectAgreesWithScikitLearn(t *testing.T) {
	for _, c := range detectionCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			in, out := slices.Clone(c.In), slices.Clone(c.Out)
			got, err := benchmark.Detect(c.In, c.Out)
			if err != nil {
				t.Fatal(err)
			}
			for _, figure := range []struct {
				name      string
				got, want float64
			}{
				{"AUROC", got.AUROC, c.AUROC},
				{"AUPR, outliers positive", got.AUPR, c.AUPR},
				{"AUPR, in-distribution positive", got.AUPRIn, c.AUPRIn},
				{"FPR at 95% TPR", got.FPR95, c.FPR95},
			} {
				if !near(figure.got, figure.want) {
					t.Errorf("%s: %.17g, scikit-learn has %.17g", figure.name, figure.got, figure.want)
				}
			}
			if got.NumIn != len(in) || got.NumOut != len(out) {
				t.Errorf("counts %d and %d, want %d and %d", got.NumIn, got.NumOut, len(in), len(out))
			}
			if !slices.Equal(in, c.In) || !slices.Equal(out, c.Out) {
				t.Error("the scores given were changed")
			}

			curve, err := benchmark.ROC(c.In, c.Out)
			if err != nil {
				t.Fatal(err)
			}
			if len(curve) != len(c.ROCFPR) {
				t.Fatalf("ROC curve of %d points, scikit-learn's has %d", len(curve), len(c.ROCFPR))
			}
			for i, p := range curve {
				if !near(p.FPR, c.ROCFPR[i]) || !near(p.TPR, c.ROCTPR[i]) {
					t.Errorf("ROC point %d: (%v, %v), scikit-learn has (%v, %v)", i, p.FPR, p.TPR, c.ROCFPR[i], c.ROCTPR[i])
				}
				flagged := func(scores []float64) float64 {
					count := 0
					for _, e := range scores {
						if e >= p.Threshold {
							count++
						}
					}
					return float64(count) / float64(len(scores))
				}
				if p.FPR != flagged(in) || p.TPR != flagged(out) {
					t.Errorf("ROC point %d: threshold %v does not give (%v, %v)", i, p.Threshold, p.FPR, p.TPR)
				}
			}
		})
	}
}

// The order of the images, ties included, must not matter, and swapping the two sides must mirror the AUROC.
func TestDetectSymmetries(t *testing.T) {
	stream := rng.New(7)
	for _, c := range detectionCases(t) {
		want, err := benchmark.Detect(c.In, c.Out)
		if err != nil {
			t.Fatal(err)
		}
		for _, side := range [][]float64{c.In, c.Out} {
			for i := range side {
				j := stream.IntN(i + 1)
				side[i], side[j] = side[j], side[i]
			}
		}
		got, err := benchmark.Detect(c.In, c.Out)
		if err != nil {
			t.Fatal(err)
		}
		// Sums, and so means, may round differently in another order.
		got.MeanIn, got.MeanOut = want.MeanIn, want.MeanOut
		if got != want {
			t.Errorf("%s: %+v, in another order %+v", c.Name, want, got)
		}
		swapped, err := benchmark.Detect(c.Out, c.In)
		if err != nil {
			t.Fatal(err)
		}
		if !near(swapped.AUROC, 1-want.AUROC) {
			t.Errorf("%s: AUROC %v, with sides swapped %v", c.Name, want.AUROC, swapped.AUROC)
		}
	}
}

func TestDetectCentres(t *testing.T) {
	huge := math.MaxFloat64
	for _, test := range []struct {
		in           []float64
		mean, median float64
	}{
		{[]float64{3}, 3, 3},
		{[]float64{4, 1, 1}, 2, 1},
		{[]float64{8, -1, 2, 3}, 3, 2.5},
		{[]float64{huge, huge}, huge, huge},
	} {
		d, err := benchmark.Detect(test.in, []float64{0, 1})
		if err != nil {
			t.Fatal(err)
		}
		if !near(d.MeanIn, test.mean) || d.MedianIn != test.median || d.MeanOut != 0.5 || d.MedianOut != 0.5 {
			t.Errorf("%v: mean %v, median %v, want %v and %v", test.in, d.MeanIn, d.MedianIn, test.mean, test.median)
		}
		if _, err := json.Marshal(d); err != nil {
			t.Error(err)
		}
	}
}

func TestDetectErrors(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, test := range []struct {
		in, out []float64
		want    string
	}{
		{nil, []float64{1}, "no in-distribution scores"},
		{[]float64{1}, []float64{}, "no outlier scores"},
		{[]float64{1, nan}, []float64{1}, "in-distribution score 1 of 2 is NaN"},
		{[]float64{1}, []float64{nan}, "outlier score 0 of 1 is NaN"},
		{[]float64{1}, []float64{0, 1, inf}, "outlier score 2 of 3 is +Inf"},
		{[]float64{-inf}, []float64{0}, "is -Inf"},
	} {
		_, detectErr := benchmark.Detect(test.in, test.out)
		_, rocErr := benchmark.ROC(test.in, test.out)
		for _, err := range []error{detectErr, rocErr} {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("in %v, out %v: error %v, want one about %q", test.in, test.out, err, test.want)
			}
		}
	}
}

// Energies of five test images and of four outliers, one of which looks in-distribution.
func ExampleDetect() {
	d, err := benchmark.Detect([]float64{-0.3, -0.2, -0.1, 0, 0.1}, []float64{-0.25, 0.4, 0.5, 0.9})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("AUROC %.2f, AUPR %.4f, FPR at 95%% TPR %.2f\n", d.AUROC, d.AUPR, d.FPR95)
	// Output: AUROC 0.80, AUPR 0.8750, FPR at 95% TPR 0.25
}
