package paint_test

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/joule-ebm/joule/dataset/internal/paint"
)

func TestSincos(t *testing.T) {
	for degrees := -800.0; degrees < 800; degrees += 0.37 {
		sin, cos := paint.Sincos(degrees)
		if math.Abs(sin-math.Sin(degrees*math.Pi/180)) > 1e-13 || math.Abs(cos-math.Cos(degrees*math.Pi/180)) > 1e-13 {
			t.Fatalf("%v degrees: %v, %v", degrees, sin, cos)
		}
	}
}

// The lattice is white: even, and its neighbours know nothing of each other, nor do other seeds.
func TestLattice(t *testing.T) {
	var sum, square, right, down, seeds float64
	const n = 300
	for i := range int64(n) {
		for j := range int64(n) {
			a := paint.Lattice(7, i-n/2, j-n/2)
			if a < -1 || a >= 1 {
				t.Fatalf("%v is not in [-1, 1)", a)
			}
			sum, square = sum+a, square+a*a
			right, down, seeds = right+a*paint.Lattice(7, i-n/2+1, j-n/2), down+a*paint.Lattice(7, i-n/2, j-n/2+1), seeds+a*paint.Lattice(8, i-n/2, j-n/2)
		}
	}
	for name, z := range map[string]float64{
		"mean":            sum / n / math.Sqrt(1.0/3),
		"variance":        (square/n - n/3.0) / math.Sqrt(4.0/45),
		"to the right":    right / n / (1.0 / 3),
		"down":            down / n / (1.0 / 3),
		"the next seed's": seeds / n / (1.0 / 3),
	} {
		if math.Abs(z) > 4 {
			t.Errorf("%s: %.1f standard errors off", name, z)
		}
	}
}

func TestNoiseIsSmooth(t *testing.T) {
	for x := -3.0; x < 3; x += 0.001 {
		if d := math.Abs(paint.Fractal(1, x+0.001, 2*x, 3) - paint.Fractal(1, x, 2*x, 3)); d > 0.01 {
			t.Fatalf("at %v it jumps by %v", x, d)
		}
	}
}

func TestEach(t *testing.T) {
	var done [1000]atomic.Int32
	if err := paint.Each(context.Background(), len(done), func(i int) { done[i].Add(1) }); err != nil {
		t.Fatal(err)
	}
	for i := range done {
		if done[i].Load() != 1 {
			t.Fatalf("%d was done %d times", i, done[i].Load())
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var n atomic.Int32
	err := paint.Each(ctx, 1_000_000, func(int) {
		if n.Add(1) == 10 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || n.Load() > 1000 {
		t.Errorf("%v after %d of a million, cancelled after 10", err, n.Load())
	}
}

// No compiler fuses a multiplication with an addition in what draws pictures, where the processor could.
func TestNothingIsFused(t *testing.T) {
	if os.Getenv("JOULE_LONG") == "" {
		t.Skip("compiles for other processors; set JOULE_LONG=1")
	}
	fused := regexp.MustCompile(`(?m)^.*\t(FN?M(ADD|SUB)[SD]?|VFN?M(ADD|SUB)\w+)\t.*$`)
	const path = "github.com/joule-ebm/joule/dataset/"
	for _, processor := range []string{"GOARCH=arm64", "GOAMD64=v3"} {
		for _, pkg := range []string{"internal/paint", "objects", "parts"} {
			build := exec.Command("go", "build", "-gcflags="+path+pkg+"=-S", path+pkg)
			build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", processor)
			listing, err := build.CombinedOutput()
			if err != nil {
				t.Fatalf("%s %s: %v\n%s", processor, pkg, err, listing)
			}
			if len(listing) < 10_000 {
				t.Fatalf("%s %s: a listing of %d bytes", processor, pkg, len(listing))
			}
			if found := fused.FindAll(listing, 5); found != nil {
				t.Errorf("%s %s: %d fused operations, such as %s", processor, pkg, len(fused.FindAll(listing, -1)), found[0])
			}
		}
	}
}
