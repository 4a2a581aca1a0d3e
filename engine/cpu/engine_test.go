package cpu_test

// This file holds the engine, with each set of kernels, to package enginetest: operations, programs made at random, chains, mistakes.

import (
	"os"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/enginetest"
	"github.com/joule-ebm/joule/internal/kernels"
)

type shape = expr.Shape

// engines has one for each set of kernels that this machine can run.
func engines() map[string]*cpu.Engine {
	list := map[string]*cpu.Engine{}
	for _, set := range kernels.All() {
		list[set.Name] = &cpu.Engine{Threads: 2, Kernels: set}
	}
	return list
}

// long says whether tests may take long: JOULE_LONG=1.
func long() bool { return os.Getenv("JOULE_LONG") == "1" }

// TestContract: what holds of every engine, and here bit by bit.
func TestContract(t *testing.T) {
	for name, e := range engines() {
		for _, tile := range []int{0, 1, 2, 3} {
			e.TileImages = tile
			t.Run(name, func(t *testing.T) { enginetest.Contract(t, e, 0) })
		}
	}
}

// TestEveryOperation: each operation by itself is that of the reference. Inputs are of order 1; the longest sums are those of 9·130
// products, whose float32 rounding adds up to a few 10⁻⁷ of the largest result.
func TestEveryOperation(t *testing.T) {
	const tolerance = 5e-6
	list := enginetest.Operations()
	seen := map[expr.Op]bool{expr.OpGaussian: true, expr.OpUniform: true} // tested by their statistics
	for _, o := range list {
		if err := expr.Err(o.Value); err != nil {
			t.Fatalf("%s: %v", o.Name, err)
		}
		for _, v := range expr.Order(o.Value) {
			seen[v.Op()] = true
		}
	}
	for op := expr.OpInvalid + 1; op.String() != "unknown"; op++ {
		if !seen[op] {
			t.Errorf("no test of %v", op)
		}
	}
	const batch = 3
	for i, o := range list {
		n := enginetest.Random(uint64(i), batch, o.Value)
		want := enginetest.Reference(t, batch, n.Wide(), o.Value)[0]
		for name, e := range engines() {
			got := enginetest.Compute(t, e, batch, n, o.Value)[0]
			if d := enginetest.Distance(got, want); d > tolerance*enginetest.Largest(want) {
				t.Errorf("%s, %s: off by %.2g of %.2g", o.Name, name, d, enginetest.Largest(want))
			}
		}
	}
}

// TestRandomPrograms: programs made at random are off by no more than rounding explains.
func TestRandomPrograms(t *testing.T) {
	programs := 40
	if long() {
		programs = 1000
	}
	tried := 0
	for seed := range uint64(programs) {
		list := map[string]engine.Engine{}
		for name, e := range engines() {
			e.TileImages = int(seed % 4) // 0: the engine's choice
			list[name] = e
		}
		if enginetest.RandomProgram(t.Context(), t, seed, list) {
			tried++
		}
	}
	if tried < programs/2 {
		t.Errorf("only %d programs of %d have no value near a jump", tried, programs)
	}
}
