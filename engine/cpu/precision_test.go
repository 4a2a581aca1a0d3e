package cpu_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// precisions are those with rounded factors.
var precisions = []engine.Precision{engine.Split, engine.BF16}

func TestPrecision(t *testing.T) {
	for _, p := range precisions {
		enginetest.Precision(t, &cpu.Engine{TileImages: 3}, &cpu.Engine{TileImages: 3, Precision: p}, p)
	}
}

// TestPrecisionSameBits: as with float32, the number of threads and the grouping of images change nothing.
func TestPrecisionSameBits(t *testing.T) {
	next, energy := enginetest.Langevin()
	const batch = 7
	n := enginetest.Random(1, batch, next)
	chain := engine.Chain{Steps: 2, Feedback: map[string]int{"x": 0}, Seed: 5}
	for _, p := range precisions {
		want := walk(t, &cpu.Engine{Threads: 1, Precision: p}, batch, n, chain, next, energy)
		for _, tile := range []int{1, 2, 5} {
			got := walk(t, &cpu.Engine{Threads: 3, TileImages: tile, Precision: p}, batch, n, chain, next, energy)
			enginetest.Same(t, fmt.Sprintf("%v, tiles of %d", p, tile), got, want)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, p := range []engine.Precision{engine.Float32, engine.Split, engine.BF16} {
		if got := cpu.Resolve(p); got != p {
			t.Errorf("%v becomes %v", p, got)
		}
	}
	if got := cpu.Resolve(""); got != engine.Float32 {
		t.Errorf("the zero value becomes %v", got)
	}
	want := engine.Float32
	if matrix.Native() != nil {
		want = engine.Split
	}
	if got := cpu.Resolve(engine.Auto); got != want {
		t.Errorf("auto becomes %v, the unit is %v", got, matrix.Native())
	}
	_, err := (&cpu.Engine{Precision: "fp8"}).Compile(expr.Input("x", shape{1, 1, 1}))
	if err == nil || !strings.Contains(err.Error(), `"fp8" is not known`) {
		t.Errorf("an unknown precision: %v", err)
	}
}
