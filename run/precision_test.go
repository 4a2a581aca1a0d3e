package run_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/run"
)

// A run writes down the precision of its chains and keeps it, on whatever machine it goes on.
func TestPrecisionIsKept(t *testing.T) {
	dir := t.TempDir()
	data := stripes(t, dir, 20, 1)
	bits := map[string]float64{"float32": 24, "split": 16, "bf16": 8}
	for precision, bits := range bits {
		at := filepath.Join(dir, precision)
		c := config(t, data, "network.filters=8", "limits.iterations=1", "sampler.precision="+precision)
		start(t, at, c)
		resume(t, at, &run.Limits{Iterations: 2})
		text, err := os.ReadFile(filepath.Join(at, "config.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\n  precision: "+precision+"\n") {
			t.Errorf("%s: the configuration is\n%s", precision, text)
		}
		for _, m := range records(t, at) {
			if got, ok := m.Value("chain_bits"); !ok || got != bits {
				t.Errorf("%s, iteration %d: %v bits, want %v", precision, m.Iteration, got, bits)
			}
		}
	}
}

// A run from before there was a choice goes on in float32; auto is never written down.
func TestPrecisionOfOldRuns(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "run")
	start(t, at, config(t, stripes(t, dir, 20, 1), "limits.iterations=1"))
	path := filepath.Join(at, "config.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "precision: auto") {
			t.Errorf("the configuration says %s", line)
		}
		if !strings.HasPrefix(line, "  precision:") {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(kept, "")), 0o666); err != nil {
		t.Fatal(err)
	}
	resume(t, at, &run.Limits{Iterations: 2})
	if text, err = os.ReadFile(path); err != nil || !strings.Contains(string(text), "\n  precision: float32\n") {
		t.Errorf("%v, the configuration is\n%s", err, text)
	}
}
