package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/eval/ablation"
)

// ablateArgs are those of a study of a moment.
func ablateArgs(t *testing.T, out string, more ...string) []string {
	t.Helper()
	data, in := t.TempDir(), t.TempDir()
	for i := range 24 {
		writePicture(t, filepath.Join(data, fmt.Sprintf("%02d.png", i)), 12, i, true)
		writePicture(t, filepath.Join(in, fmt.Sprintf("%02d.png", i)), 12, 24+i, true)
	}
	return append([]string{"ablate", "--data", data, "--in", in, "--out-of", "noise,constant", "-o", out, "--iterations", "3", "--samples", "6",
		"--steps", "4", "--set", "network.image=12,12,1", "--set", "network.filters=4", "--set", "sampler.steps=2", "--set", "optimiser.batch=4",
		"--set", "output.pictures=4"}, more...)
}

func TestAblate(t *testing.T) {
	out := filepath.Join(t.TempDir(), "study")
	args := ablateArgs(t, out, "--loss", "cd,full", "--kernel", "standardised", "--seeds", "2", "--json")
	code, stdout, stderr := joule(args...)
	if code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	var report ablation.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Cells != 8 || len(report.Rows) != 8 || report.Iterations != 3 || report.Images != 24 || report.Rows[7].AUROC[1].Out != "constant" {
		t.Errorf("%+v", report)
	}
	want := []string{"ablation.json", "ablation.md", "cd-standardised-attention-seed1"}
	if left := names(t, out); len(left) != 10 || !slices.Equal(left[:3], want) {
		t.Errorf("the study holds %q", left)
	}
	if kept := string(readFile(t, filepath.Join(out, "ablation.json"))); kept != stdout {
		t.Errorf("kept %s\nprinted %s", kept, stdout)
	}
	// The same command again has nothing to do.
	code, again, _ := joule(args[:len(args)-1]...)
	if table := string(readFile(t, filepath.Join(out, "ablation.md"))); code != 0 || again != table || !strings.Contains(table, "| CD + L_opt + L_ent | weight standardisation | yes |") {
		t.Errorf("exit code %d, the table is\n%s", code, again)
	}
	// Another budget is another study.
	refused{append(args, "--iterations", "4"), 1, "other settings"}.check(t)
}

func TestAblateRefuses(t *testing.T) {
	out := filepath.Join(t.TempDir(), "study")
	args := ablateArgs(t, out)
	for _, r := range []refused{
		{[]string{"--loss", "kl"}, 2, "want cd, opt, ent, full"},
		{[]string{"--loss", "cd,cd"}, 2, "each once"},
		{[]string{"--attention", "maybe"}, 2, "on, off or both"},
		{[]string{"--kernel", "gaussian"}, 2, `kernel "gaussian"`},
		{[]string{"--seeds", "0"}, 2, "--seeds"},
		{[]string{"--samples", "100"}, 1, "24 in-distribution images"},
		{[]string{"--samples", "1"}, 2, "--samples is 1: want 4"},
		{[]string{"--iterations", "0"}, 2, "a limit"},
		{[]string{"--set", "loss.kl=1"}, 2, "loss.kl"},
		{[]string{"--set", "network.filters=2"}, 2, "attention needs 8"},
		{[]string{"--out-of", "niose"}, 1, "niose"},
		{[]string{"--in", out}, 1, "no such file"},
		{[]string{"extra"}, 2, "unknown command"},
	} {
		t.Run(strings.Join(r.args, " "), func(t *testing.T) {
			r.args = append(slices.Clone(args), r.args...)
			r.check(t)
		})
	}
}
