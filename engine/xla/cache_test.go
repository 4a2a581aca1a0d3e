//go:build xla

package xla

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// TestCache: what has been compiled once is found again, and what the disk has damaged is not.
func TestCache(t *testing.T) {
	e := plugin(t, 1)
	e.Cache = filepath.Join(t.TempDir(), "new", "directory")
	y := expr.BatchSum(expr.Exp(expr.Input("x", expr.Shape{2, 3, 5})))
	n := enginetest.Random(1, 3, y)
	var compilations []Compilation
	e.Compiled = func(c Compilation) { compilations = append(compilations, c) }
	run := func(cached bool) [][]float32 {
		t.Helper()
		compilations = nil
		got := enginetest.Compute(t, e, 3, n, y)
		if len(compilations) != 1 || compilations[0].Cached != cached {
			t.Errorf("compilations %v, want one that was cached: %t", compilations, cached)
		}
		return got
	}
	want := run(false)
	enginetest.Same(t, "from the cache", run(true), want)
	e.Precision = "bf16" // no convolution here: the text is the same
	run(true)
	files, err := os.ReadDir(e.Cache)
	if err != nil || len(files) != 1 {
		t.Fatalf("the cache holds %v, %v", files, err)
	}
	path := filepath.Join(e.Cache, files[0].Name())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), whole...)
	flipped[len(whole)/2] ^= 1
	for _, damaged := range [][]byte{nil, whole[:10], whole[:len(whole)-1], flipped} {
		if err := os.WriteFile(path, damaged, 0o666); err != nil {
			t.Fatal(err)
		}
		enginetest.Same(t, "compiled anew", run(false), want)
		enginetest.Same(t, "kept anew", run(true), want)
	}
	e.Cache = filepath.Join(path, "within a file") // which cannot be
	run(false)
}

// TestPrepare: a program that has been prepared is compiled once, whoever waits for it.
func TestPrepare(t *testing.T) {
	e := plugin(t, 1)
	e.Cache = ""
	var compilations atomic.Int32
	e.Compiled = func(Compilation) { compilations.Add(1) }
	x := expr.Input("x", expr.Shape{2, 3, 5})
	outputs := []*expr.Value{expr.Exp(x), expr.BatchSum(x)}
	n := enginetest.Random(1, 3, outputs...)
	p := enginetest.Compile(t, e, n, outputs...)
	for range 3 {
		p.(engine.Preparer).Prepare(engine.Call{Batch: 3, Outputs: enginetest.Buffers(3, outputs...)})
	}
	enginetest.Run(t, p, 3, n, engine.Chain{}, outputs...)
	if got := compilations.Load(); got != 1 {
		t.Errorf("compiled %d times", got)
	}
}
