package benchmark_test

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/internal/plot"
)

func normals(n int, mean, std float64, seed uint64) []float64 {
	stream := rng.New(seed)
	v := make([]float64, n)
	for i := range v {
		v[i] = mean + std*float64(stream.Normal())
	}
	return v
}

// drawn draws twice, to see that the bytes are the same, and reads the PNG again.
func drawn(t *testing.T, draw func(io.Writer) error) image.Image {
	t.Helper()
	var first, second bytes.Buffer
	if err := errors.Join(draw(&first), draw(&second)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("one plot, two files")
	}
	img, err := png.Decode(&first)
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X < 800 || size.X > 1600 || size.Y < 400 || size.Y > 1000 {
		t.Errorf("a picture of size %v", size)
	}
	return img
}

// plotWidth is where the legend begins, in pixels: what is drawn left of it is the plot.
const plotWidth = 840

// columns lists, left to right, the columns of the plot where one of the two first series is drawn: 0 in blue, 1 in vermilion.
func columns(img image.Image, series int) []int {
	var found []int
	for x := range plotWidth {
		for y := range img.Bounds().Dy() {
			r, _, b, _ := img.At(x, y).RGBA()
			if d := int(b>>8) - int(r>>8); series == 0 && d > 90 || series == 1 && d < -90 {
				found = append(found, x)
				break
			}
		}
	}
	return found
}

// middle is the column that half of them lie left of.
func middle(columns []int) int { return columns[len(columns)/2] }

func TestHistogram(t *testing.T) {
	in, out := normals(1000, 0, 1, 1), normals(400, 8, 1, 2)
	far := append(normals(1000, 0, 1, 1), 1e30, -1e20)
	few := append(normals(20, 0, 1, 1), 1e30)
	for _, test := range []struct {
		name     string
		in, out  []float64
		leastIn  int // columns that the in-distribution images take up
		outRight bool
	}{
		{"apart", in, out, 200, true},
		{"huge outliers", far, out, 150, true},
		{"huge outlier among few", few, out, 150, true},
		{"all the same", []float64{3, 3, 3}, []float64{3, 3}, 0, false},
		{"all 0", []float64{0}, []float64{0}, 0, false},
		{"two values", []float64{0, 0, 0}, []float64{1, 1}, 5, true},
		{"float32 range", []float64{-math.MaxFloat32, 0}, []float64{math.MaxFloat32}, 5, true},
		{"tiny", []float64{1e-300, 2e-300, 5e-324}, []float64{0, 4e-300}, 5, false},
		{"nearly the same", []float64{1e6, 1e6 + 1e-9}, []float64{1e6}, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			img := drawn(t, func(w io.Writer) error {
				return benchmark.Histogram(w, "energy", benchmark.Scores{Name: "digits", Values: test.in}, benchmark.Scores{Name: "clothes", Values: test.out})
			})
			inAt, outAt := columns(img, 0), columns(img, 1)
			if len(inAt) < test.leastIn || len(outAt) < 1 {
				t.Errorf("%d columns of in-distribution images, want %d; %d of outliers", len(inAt), test.leastIn, len(outAt))
			}
			if test.outRight && middle(outAt) < middle(inAt)+100 {
				t.Errorf("outliers about column %d, in-distribution images about %d: want them well to the right", middle(outAt), middle(inAt))
			}
		})
	}
}

// Any number of kinds can be drawn, under any name; the plot does not shrink for the legend.
func TestHistogramOfManyKinds(t *testing.T) {
	in := benchmark.Scores{Name: "digits", Values: normals(200, 0, 1, 1)}
	alone := columns(drawn(t, func(w io.Writer) error { return benchmark.Histogram(w, "energy", in) }), 0)
	if len(alone) < 400 {
		t.Errorf("%d columns of scores alone", len(alone))
	}
	var kinds []benchmark.Scores
	for i := range uint64(14) {
		kinds = append(kinds, benchmark.Scores{Name: strings.Repeat("long\nname ", 30), Values: normals(50, float64(i), 1, i)})
	}
	drawn(t, func(w io.Writer) error { return benchmark.Histogram(w, "energy", in, kinds...) })
}

// The curve of outliers far above the in-distribution images hugs the left and upper edges, that of outliers like them the diagonal.
func TestROCCurves(t *testing.T) {
	in := benchmark.Scores{Name: "digits", Values: normals(500, 0, 1, 1)}
	lowest := func(mean float64) int { // of the curve, in the middle of the plot
		img := drawn(t, func(w io.Writer) error {
			return benchmark.ROCCurves(w, in, benchmark.Scores{Name: "clothes", Values: normals(400, mean, 1, 2)})
		})
		low := 0
		for y := range img.Bounds().Dy() {
			if r, _, b, _ := img.At(plotWidth/2, y).RGBA(); int(b>>8)-int(r>>8) < -90 { // vermilion
				low = y
			}
		}
		return low
	}
	if far, near := lowest(9), lowest(0); far == 0 || far > 80 || near < far+100 {
		t.Errorf("%d pixels from the top where outliers are far, %d where they are alike", far, near)
	}
	for _, bad := range [][]float64{nil, {math.NaN()}} {
		if err := benchmark.ROCCurves(io.Discard, in, benchmark.Scores{Values: bad}); err == nil {
			t.Errorf("drew %v", bad)
		}
	}
}

func TestHistogramErrors(t *testing.T) {
	good := benchmark.Scores{Name: "digits", Values: []float64{1, 2}}
	for _, test := range []struct {
		values []float64
		want   string
	}{
		{nil, "no noise scores"},
		{[]float64{1, math.NaN()}, "noise score 1 of 2 is NaN"},
		{[]float64{math.Inf(-1)}, "noise score 0 of 1 is -Inf"},
		{[]float64{1e200}, "1e+200"},
	} {
		bad := benchmark.Scores{Name: "noise", Values: test.values}
		for _, err := range []error{benchmark.Histogram(io.Discard, "energy", good, bad), benchmark.Histogram(io.Discard, "energy", bad, good)} {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v: error %v, want one about %q", test.values, err, test.want)
			}
		}
	}
}

func TestCurves(t *testing.T) {
	const n = 300
	rising, falling := plot.Series{Name: "rising"}, plot.Series{Name: "falling"}
	for i := range n {
		y := float64(i)
		if i >= n/3 && i < 2*n/3 {
			y = math.NaN()
		}
		rising.X, rising.Y = append(rising.X, float64(i)), append(rising.Y, y)
		falling.X, falling.Y = append(falling.X, float64(i)), append(falling.Y, float64(n-i))
	}
	img := drawn(t, func(w io.Writer) error { return plot.Curves(w, "title", "iteration", "loss", rising, falling) })
	whole, gapped := columns(img, 1), columns(img, 0)
	gap := 0
	for i := 1; i < len(gapped); i++ {
		gap = max(gap, gapped[i]-gapped[i-1])
	}
	third := (whole[len(whole)-1] - whole[0]) / 3
	if third < 150 || gap < third-10 || gap > third+10 {
		t.Errorf("a gap of %d columns, want %d", gap, third)
	}

	point := plot.Series{Name: "AUROC", X: []float64{100}, Y: []float64{0.5}}
	img = drawn(t, func(w io.Writer) error { return plot.Curves(w, "", "iteration", "", point) })
	if len(columns(img, 0)) == 0 {
		t.Error("a point alone is not drawn")
	}
}

func TestCurvesErrors(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, test := range []struct {
		series []plot.Series
		want   string
	}{
		{nil, "no points"},
		{[]plot.Series{{Name: "a"}}, "no points"},
		{[]plot.Series{{Name: "a", X: []float64{1, 2}, Y: []float64{nan, inf}}}, "no points"},
		{[]plot.Series{{Name: "a", X: []float64{1, 2}, Y: []float64{1}}}, "series a has 2 x and 1 y"},
		{[]plot.Series{{Name: "a", X: []float64{1, nan}, Y: []float64{1, 1}}}, "series a: x 1 of 2 is NaN"},
	} {
		if err := plot.Curves(io.Discard, "", "", "", test.series...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error %v, want one about %q", test.series, err, test.want)
		}
	}
}
