package report

import (
	"math"
	"slices"
	"testing"
)

func TestCalibration(t *testing.T) {
	c := Calibration{PValues: []float64{0.001, 0.01, 0.05, 0.051, 0.5, 0.99, 1, 0.3, 0.2, 0.7}}
	rows := c.table().Rows
	for i, want := range [][2]string{{"0.1%", "1 of 10"}, {"1%", "2 of 10"}, {"5%", "3 of 10"}, {"10%", "4 of 10"}} {
		if row := rows[i]; row[0] != want[0] || row[3] != want[1] {
			t.Errorf("row %d is %q, want %q", i, row, want)
		}
	}
	charts := c.charts()
	if s := charts[0].Series[0]; s.Y[0] != 0 || s.Y[1] != 0.2 || s.Y[50] != 0.7 || s.Y[100] != 1 {
		t.Errorf("curve %v", s.Y)
	}
	if s := charts[1].Series[0]; s.Y[1] != 0.1 || s.Y[100] != 0.4 || s.X[100] != 0.1 {
		t.Errorf("curve of rare alarms %v by %v", s.Y, s.X)
	}
}

// A long curve is drawn by means, and its band by extremes, of all its points.
func TestThin(t *testing.T) {
	var c column
	for i := range 10_007 {
		c.iteration, c.value = append(c.iteration, float64(i+1)), append(c.value, math.Sin(float64(i)/500))
	}
	c.value[5000] = 99
	s := thin(c)
	if len(s.X) != mostPoints || s.X[mostPoints-1] != 10_007 || slices.Max(s.High) != 99 || !slices.IsSorted(s.X) {
		t.Errorf("%d points to %v, the highest %v", len(s.X), s.X[len(s.X)-1], slices.Max(s.High))
	}
	for i, y := range s.Y {
		if y < s.Low[i] || y > s.High[i] {
			t.Fatalf("point %d: %v is not within %v and %v", i, y, s.Low[i], s.High[i])
		}
	}
	if short := thin(column{iteration: []float64{1, 2}, value: []float64{3, 4}}); len(short.X) != 2 || short.Low != nil {
		t.Errorf("a short curve became %+v", short)
	}
}

func TestMarks(t *testing.T) {
	for _, test := range []struct {
		lo, hi float64
		log    bool
		want   []string
	}{
		{0, 1, false, []string{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}},
		{-2, 1, true, []string{"0.01", "0.1", "1", "10"}},
		{-0.5, 0.5, true, []string{"0.5", "1", "2"}},
		{-20, 10, true, []string{"1e-20", "1e-15", "1e-10", "1e-05", "1", "1e+05", "1e+10"}},
	} {
		var got []string
		for _, m := range marks([2]float64{test.lo, test.hi}, test.log) {
			got = append(got, m.text)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("marks from %v to %v: %q, want %q", test.lo, test.hi, got, test.want)
		}
	}
}
