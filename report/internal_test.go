package report

// This file has what no run of the other tests shows.

import (
	"bytes"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
)

func TestPageOfChainsOfNoNumbers(t *testing.T) {
	nan := math.NaN()
	for _, in := range [][]float64{nil, {1, 2, 3}} {
		r := &Report{Name: "x", Chains: &Chains{Steps: []int{0, 1, 2}, Energy: [][]float64{{nan}, {nan}, {nan}}, InDistribution: in}}
		var b bytes.Buffer
		if err := r.Write(&b); err != nil || strings.Contains(b.String(), "MNaN") || strings.Contains(b.String(), ">NaN<") || strings.Contains(b.String(), " NaN") {
			t.Errorf("in distribution %v: %v\n%s", in, err, b.String()[max(0, strings.Index(b.String(), "NaN")-200):])
		}
	}
}

func TestTableHasTheLatestPoint(t *testing.T) {
	c := chart{XLabel: "x", Series: []series{{Name: "y", X: []float64{0, 0, 0, 1}, Y: []float64{0, 0.5, 0.9, 1}}}}
	if rows := c.Table().Rows; rows[0][1] != "0.9" || rows[3][1] != "1" {
		t.Errorf("%v", rows)
	}
}

func TestMissingOfTheRunHere(t *testing.T) {
	r := &Report{Name: "mnist", dir: "."}
	r.missing("a picture", errors.New("samples.png is damaged"))
	if !strings.Contains(r.Missing[0], "samples.png is damaged") {
		t.Error(r.Missing[0])
	}
}

func TestMissingDoesNotSayWhere(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{Name: "mnist", dir: "runs/mnist"}
	r.missing("a picture", errors.New("photos: no such file in "+here))
	if strings.Contains(r.Missing[0], here) {
		t.Error(r.Missing[0])
	}
}

func TestLogarithmicAxisHasMarks(t *testing.T) {
	for _, r := range [][2]float64{{0.33, 0.66}, {0.35, 0.36}, {-2.1, -2.05}} {
		if m := marks(r, true); len(m) < 2 {
			t.Errorf("%v: %v", r, m)
		}
	}
}
