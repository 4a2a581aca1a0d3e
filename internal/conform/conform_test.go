package conform_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/conform"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// TestRecordedCases holds every set of kernels to every recorded case.
func TestRecordedCases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "golden", "*.safetensors"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, err := conform.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, set := range kernels.All() {
				t.Run(set.Name, func(t *testing.T) {
					check(t, c, &cpu.Engine{Kernels: set}, engine.Float32)
				})
			}
			for _, p := range []engine.Precision{engine.Split, engine.BF16} {
				t.Run(string(p), func(t *testing.T) {
					if matrix.Best().Name == "portable" && os.Getenv("JOULE_LONG") != "1" {
						t.Skip("takes seconds in plain Go; JOULE_LONG=1 runs it")
					}
					check(t, c, &cpu.Engine{Precision: p}, p)
				})
			}
		})
	}
}

func check(t *testing.T, c *conform.Case, e engine.Engine, p engine.Precision) {
	t.Helper()
	results, err := c.Check(t.Context(), e, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.OK {
			t.Logf("%-24s %.2g", r.Quantity, r.Error)
		} else {
			t.Errorf("%-24s %.2g, want at most %.0g (worst: %s)", r.Quantity, r.Error, r.Tolerance, r.Worst)
		}
	}
}
