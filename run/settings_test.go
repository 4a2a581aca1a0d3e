package run_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// withoutSettings removes settings, by how their lines begin, from the configuration of a run.
func withoutSettings(t *testing.T, at string, settings ...string) {
	t.Helper()
	path := filepath.Join(at, "config.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if !slices.ContainsFunc(settings, func(s string) bool { return strings.HasPrefix(strings.TrimSpace(line), s) }) {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(kept, "")), 0o666); err != nil {
		t.Fatal(err)
	}
}

// A run from before there was a choice goes on in float32, with sums in four lanes; auto is never written down.
func TestSettingsOfOldRuns(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "run")
	start(t, at, config(t, stripes(t, dir, 20, 1), "limits.iterations=1", "optimiser.lanes=16"))
	path := filepath.Join(at, "config.yaml")
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "precision: auto") || !strings.Contains(string(text), "\n  lanes: 16\n") {
		t.Errorf("%v, the configuration is\n%s", err, text)
	}
	withoutSettings(t, at, "precision:", "lanes:")
	resume(t, at, &run.Limits{Iterations: 2})
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "\n  precision: float32\n") || !strings.Contains(string(text), "\n  lanes: 4\n") {
		t.Errorf("%v, the configuration is\n%s", err, text)
	}
}

// The number of lanes decides the last bits of a run, the number of threads none.
func TestLanes(t *testing.T) {
	dir := t.TempDir()
	data := stripes(t, dir, 40, 1)
	runOf := func(lanes, threads int) map[string]string {
		at := filepath.Join(dir, fmt.Sprintf("%d-%d", lanes, threads))
		c := config(t, data, "limits.iterations=4", "optimiser.batch=12", fmt.Sprint("optimiser.lanes=", lanes))
		if _, err := run.Start(t.Context(), at, c, run.Options{Threads: threads}); err != nil {
			t.Fatal(err)
		}
		return kept(t, at)
	}
	four, many := runOf(4, 1), runOf(64, 1)
	sameRun(t, "4 lanes, 3 threads", runOf(4, 3), four)
	sameRun(t, "64 lanes, 3 threads", runOf(64, 3), many)
	sameRun(t, "64 lanes, 7 threads", runOf(64, 7), many)
	if four["metrics.jsonl"] == many["metrics.jsonl"] {
		t.Error("4 and 64 lanes give the same bits: one of them is not what was asked for")
	}
}
