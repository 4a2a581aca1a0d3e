package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/eval/study"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/run"
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
	var report study.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Cells != 8 || len(report.Rows) != 8 || report.Iterations != 3 || report.Images != 24 || report.Rows[7].AUROC[1].Out != "constant" {
		t.Errorf("%+v", report)
	}
	want := []string{"cd-standardised-attention-seed1", "cd-standardised-attention-seed2", "cd-standardised-plain-seed1"}
	if left := names(t, out); len(left) != 10 || !slices.Equal(left[:3], want) {
		t.Errorf("the study holds %q", left)
	}
	if kept := string(readFile(t, filepath.Join(out, "study.json"))); kept != stdout {
		t.Errorf("kept %s\nprinted %s", kept, stdout)
	}
	// The same command again has nothing to do.
	code, again, _ := joule(args[:len(args)-1]...)
	if table := string(readFile(t, filepath.Join(out, "study.md"))); code != 0 || again != table || !strings.Contains(table, "| CD + L_opt + L_ent | weight standardisation | yes |") {
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
		{[]string{"--loss", ""}, 2, "an empty name"},
		{[]string{"--kernel", ""}, 2, "an empty name"},
		{[]string{"--kernel", "spectral,"}, 2, "an empty name"},
		{[]string{"--out-of", ""}, 2, "--out-of has an empty name"},
		{[]string{"--out-of", "noise,"}, 2, "--out-of has an empty name"},
		{[]string{"--log-format", "xml"}, 2, "text or json"},
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

// A study of settings: the preset itself is the first row, others are compared with it, and what is finished is not trained again.
func TestStudy(t *testing.T) {
	out := filepath.Join(t.TempDir(), "study")
	args := append([]string{"study"}, ablateArgs(t, out, "--row", "slow optimiser.learning_rate=1e-5 optimiser.warmup=2", "--seeds", "2")[1:]...)
	code, table, stderr := joule(args...)
	if code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	for _, want := range []string{"| configuration | diverged |", "\n| base | 0 of 2 | 3 |", "\n| slow (optimiser.learning_rate=1e-5, optimiser.warmup=2) | 0 of 2 |",
		"\n| above base | pairs | AUROC noise |", "\n| slow | 2 | "} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	code, stdout, _ := joule(append(args, "--json")...)
	var report study.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if len(report.Rows) != 4 || report.Rows[1].Name != "slow" || report.Rows[1].Seed != 1 || report.Rows[3].Changes[1] != "optimiser.warmup=2" ||
		len(report.Differences) == 0 || report.Differences[0].Row != "slow" || report.Differences[0].Pairs != 2 {
		t.Errorf("%+v", report)
	}
	for _, r := range []refused{
		{nil, 2, "--row or --vary"},
		{[]string{"--row", "a", "--vary", "seed=1,2"}, 2, "one of them"},
		{[]string{"--vary", "seed=1,2"}, 2, "changes seed"},
		{[]string{"--vary", "seed"}, 2, "key=value,value"},
		{[]string{"--row", "buffer.restart=1"}, 2, "want a name"},
		{[]string{"--row", "a/b buffer.restart=1"}, 2, "letters, digits"},
		{[]string{"--row", "a buffer.restart=2"}, 2, "buffer.restart"},
		{[]string{"--row", "a loss.cd=1", "--row", "a loss.cd=2"}, 2, "twice"},
		{[]string{"--row", "base buffer.restart=0.3"}, 2, "base is the name of the preset without changes"},
		{[]string{"--set", "limits.for=1m", "--row", "a loss.cd=1"}, 2, "--set limits.for beside"},
		{[]string{"--row", "long limits.iterations=9"}, 2, "have in common"},
		{[]string{"--set", "seed=7", "--row", "now"}, 2, "say with --seeds how many"},
		{[]string{"--set", "data=mnist", "--row", "now"}, 2, "another flag makes data"},
	} {
		r.args = append(append([]string{"study"}, ablateArgs(t, out)[1:]...), r.args...)
		r.check(t)
	}
}

// Training that diverges is not taken back, unless --set or a row says how often.
func TestStudyRecovery(t *testing.T) {
	for _, c := range []struct {
		more []string
		want map[string]int // recovery.failures of each
	}{
		{nil, map[string]int{"now": 1, "twice": 2}},
		{[]string{"--set", "recovery.failures=3"}, map[string]int{"now": 3, "twice": 2}},
	} {
		out := filepath.Join(t.TempDir(), "study")
		args := append([]string{"study"}, ablateArgs(t, out, "--row", "now", "--row", "twice recovery.failures=2", "--seeds", "1", "--iterations", "1")[1:]...)
		if code, _, stderr := joule(append(args, c.more...)...); code != 0 {
			t.Fatalf("exit code %d, %s", code, stderr)
		}
		for name, want := range c.want {
			if config, err := run.ReadConfig(filepath.Join(out, name+"-seed1")); err != nil || config.Recovery.Failures != want {
				t.Errorf("%q: %s has %d, %v, want %d", c.more, name, config.Recovery.Failures, err, want)
			}
		}
	}
}

// The studies that documents print can be made, and have no configuration twice, as one that is the preset's own and comes beside it.
func TestStudiesOfDocuments(t *testing.T) {
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	command, word := regexp.MustCompile(`(?m)^ +joule study (.*)$`), regexp.MustCompile(`(?:'[^']*'|[^\s'])+`)
	found := 0
	for _, path := range append(documents, "../../README.md") {
		text := strings.ReplaceAll(string(readFile(t, path)), "\\\n", " ")
		for _, line := range command.FindAllStringSubmatch(text, -1) {
			found++
			var words []string
			for _, w := range word.FindAllString(line[1], -1) {
				words = append(words, strings.ReplaceAll(w, "'", ""))
			}
			cmd := newStudyCommand()
			err := cmd.ParseFlags(words)
			list := func(flag string) (values []string) {
				if err == nil {
					values, err = cmd.Flags().GetStringArray(flag)
				}
				return values
			}
			rows, vary, sets := list("row"), list("vary"), list("set")
			if err != nil {
				t.Fatalf("%s: %q: %v", path, words, err)
			}
			all, err := variants(rows, vary)
			if err != nil {
				t.Errorf("%s: %q: %v", path, words, err)
			}
			base, err := run.PresetConfig(cmp.Or(valueOf(words, "--preset"), run.DefaultPreset))
			if err != nil {
				t.Fatal(err)
			}
			for _, set := range sets {
				if err := settings.Set(&base, set); err != nil {
					t.Errorf("%s: %q: %v", path, words, err)
				}
			}
			names := map[string]string{}
			for _, v := range all {
				config, err := v.Config(base, 1)
				if err != nil {
					t.Fatalf("%s: %q: %v", path, words, err)
				}
				written, err := config.Text()
				if err != nil {
					t.Fatal(err)
				}
				if other, twice := names[written]; twice {
					t.Errorf("%s: %q: %s is the configuration of %s", path, words, v.Name, other)
				}
				names[written] = v.Name
			}
		}
	}
	if found < 8 {
		t.Errorf("%d studies", found)
	}
}
