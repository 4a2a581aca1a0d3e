package run_test

// This file has what the tests of runs share, and those of a run that nothing disturbs.

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

const dataFile = "tiny-images-idx3-ubyte"

// stripes writes an IDX file of n pictures of 12×12 pixels, diagonal stripes of three widths, with their labels beside it.
func stripes(t testing.TB, dir string, n int, seed uint64) string {
	t.Helper()
	const side = 12
	images := binary.BigEndian.AppendUint32(nil, 0x803)
	labels := binary.BigEndian.AppendUint32(nil, 0x801)
	for _, d := range []int{n, side, side} {
		images = binary.BigEndian.AppendUint32(images, uint32(d))
	}
	labels = binary.BigEndian.AppendUint32(labels, uint32(n))
	s := rng.New(seed)
	for range n {
		kind, shift := s.IntN(3), s.IntN(9)
		labels = append(labels, byte(kind))
		for p := range side * side {
			v := s.IntN(40)
			if (p/side+p%side+shift)%(4+2*kind) < 2+kind {
				v += 200
			}
			images = append(images, byte(v))
		}
	}
	path := filepath.Join(dir, dataFile)
	for name, content := range map[string][]byte{path: images, filepath.Join(dir, "tiny-labels-idx1-ubyte"): labels} {
		if err := os.WriteFile(name, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// tiny is a run that takes a fraction of a second and does in it all that long ones do.
var tiny = []string{
	"network.filters=2", "network.image=12,12,1", "held_out=6", "sampler.steps=2", "buffer.size=40", "loss.references=5",
	"loss.entropy_after=10", "optimiser.batch=4", "limits.iterations=30", "output.checkpoint=7", "output.samples=5",
	"output.pictures=4", "output.held_out=4", "output.diagnose=3", "output.noise=6",
	"optimiser.cooldown=0", // with another end a run is another otherwise
}

// config is the default preset with changes.
func config(t testing.TB, data string, changes ...string) run.Config {
	t.Helper()
	c, err := run.PresetConfig(run.DefaultPreset)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(append([]string{"data=" + data}, tiny...), changes...) {
		if err := settings.Set(&c, s); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// start is a whole run, which must work.
func start(t testing.TB, dir string, c run.Config) run.Result {
	t.Helper()
	r, err := run.Start(t.Context(), dir, c, run.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func resume(t testing.TB, dir string, limits *run.Limits) run.Result {
	t.Helper()
	r, err := run.Resume(t.Context(), dir, limits, run.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// logged is options for one thread, and what is logged with them.
func logged() (run.Options, *bytes.Buffer) {
	var log bytes.Buffer
	return run.Options{Threads: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}, &log
}

// stopAt is a context that ends once a run has made n iterations, and the options that make it so.
func stopAt(t testing.TB, n int64) (context.Context, run.Options) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, run.Options{Threads: 1, Progress: func(p run.Progress) {
		if p.Iteration == n {
			cancel()
		}
	}}
}

// times is what differs between equal runs.
var times = regexp.MustCompile(`,"(` + run.SecondsField + `|` + run.ProcessorField + `)":[^,}]*`)

// kept is all that a run has learnt and measured, by file: what must not depend on threads, interruptions and kills.
func kept(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		if err != nil || entry.IsDir() || strings.HasPrefix(name, "events.") || name == "checkpoint.previous" {
			return err
		}
		content, err := os.ReadFile(path)
		if name == "metrics.jsonl" {
			content = times.ReplaceAll(content, nil)
		}
		rel, _ := filepath.Rel(dir, path)
		files[rel] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sameRun fails the test unless two runs came to the same.
func sameRun(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	for name, content := range want {
		if g, ok := got[name]; !ok {
			t.Errorf("%s: there is no %s", what, name)
		} else if g != content {
			t.Errorf("%s: another %s", what, name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: there is a %s", what, name)
		}
	}
}

// checkLine fails the test unless err is a line with all these words.
func checkLine(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q, want a line with %q", err, w)
		}
	}
}

func TestEqualSeedsGiveEqualRunsForAnyThreads(t *testing.T) {
	dir := t.TempDir()
	data := stripes(t, dir, 60, 1)
	for name, changes := range map[string][]string{
		"plain":       {"optimiser.batch=9"}, // more images than a tile takes
		"conditional": {"network.conditional=true", "optimiser.batch=6", "limits.iterations=9"},
		"colour":      {"network.image=16,16,3", "network.name=cifar10", "network.filters=4", "network.attention=true", "network.multi_scale=true", "augmentation=cifar10", "limits.iterations=9"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, data, changes...)
			at := filepath.Join(t.TempDir(), "run")
			start(t, at, c)
			want := kept(t, at)
			if len(want["model.safetensors"]) == 0 || len(want["metrics.jsonl"]) == 0 {
				t.Fatalf("a run left no model or no metrics: %d files", len(want))
			}
			for _, threads := range []int{2, 3} {
				at := filepath.Join(t.TempDir(), "run")
				if _, err := run.Start(t.Context(), at, c, run.Options{Threads: threads}); err != nil {
					t.Fatal(err)
				}
				sameRun(t, fmt.Sprint("with threads: ", threads), kept(t, at), want)
			}
		})
	}
}

func TestSeedMatters(t *testing.T) {
	dir := t.TempDir()
	data := stripes(t, dir, 60, 1)
	runs := map[string]bool{}
	for _, seed := range []string{"seed=1", "seed=2"} {
		at := filepath.Join(dir, seed)
		start(t, at, config(t, data, "limits.iterations=1", seed))
		files := kept(t, at)
		runs[files["metrics.jsonl"]], runs[files["model.safetensors"]] = true, true
	}
	if len(runs) != 4 {
		t.Error("runs of two seeds agree")
	}
}

func TestWhatARunLeaves(t *testing.T) {
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1))
	at := filepath.Join(dir, "a", "run") // with the directory above it
	var drawn, toDraw int64
	result, err := run.Start(t.Context(), at, c, run.Options{Threads: 1, Work: func(what, unit string, done, total int64) {
		if what == "drawing samples" && unit == "steps" && done >= drawn {
			drawn, toDraw = done, total
		}
	}})
	if err != nil || drawn == 0 || drawn != toDraw {
		t.Fatalf("drawing samples went to step %d of %d: %v", drawn, toDraw, err)
	}
	if result.Interrupted || result.Iteration != 30 || result.Dir != at || result.Data != c.Data || result.Outliers != "fashion-mnist" {
		t.Errorf("the result is %+v", result)
	}
	if d := result.Detection; d.NumIn != 6 || d.NumOut != 6 || d.AUROC < 0 || d.AUROC > 1 {
		t.Errorf("compared %+v", d)
	}
	files := kept(t, at)
	for _, name := range []string{"config.yaml", "metrics.jsonl", "checkpoint", "model.safetensors", "samples.png",
		"samples/000005.png", "samples/000030.png"} {
		if files[filepath.FromSlash(name)] == "" {
			t.Errorf("no %s", name)
		}
	}
	for _, path := range []string{result.Model, result.Samples} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if events, _ := filepath.Glob(filepath.Join(at, "events.out.tfevents.*")); len(events) != 1 {
		t.Errorf("%d event files, want 1", len(events))
	}
	for _, path := range []string{at, result.Model} {
		m, err := model.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if m.Iterations != 30 || m.Config.Network.Filters != 2 || len(m.Params) == 0 {
			t.Errorf("%s: a model of %d iterations, %d filters, %d parameters", path, m.Iterations, m.Config.Network.Filters, len(m.Params))
		}
	}
}

func TestRefusesDirectories(t *testing.T) {
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1), "limits.iterations=1")
	at := filepath.Join(dir, "run")
	start(t, at, c)
	before := kept(t, at)

	_, err := run.Start(t.Context(), at, c, run.Options{})
	checkLine(t, err, at, "--resume", "--out")
	_, err = run.Start(t.Context(), dir, c, run.Options{})
	checkLine(t, err, dir, "not empty", "--out")
	_, err = run.Start(t.Context(), c.Data, c, run.Options{})
	checkLine(t, err, c.Data, "--out")
	_, err = run.Start(t.Context(), filepath.Join(c.Data, "run"), c, run.Options{})
	checkLine(t, err, filepath.Join(c.Data, "run"), "--out")
	for _, none := range []string{dir, filepath.Join(dir, "nowhere"), c.Data} {
		_, err = run.Resume(t.Context(), none, nil, run.Options{})
		checkLine(t, err, none, "no run to resume", "without --resume")
	}
	sameRun(t, "after all refusals", kept(t, at), before)
	if _, err := os.Stat(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a refused --resume made the directory")
	}

	if os.Getuid() == 0 {
		t.Skip("nothing is read-only to root")
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o555); err != nil {
		t.Fatal(err)
	}
	_, err = run.Start(t.Context(), closed, c, run.Options{})
	checkLine(t, err, closed, "cannot write")
	_, err = run.Start(t.Context(), filepath.Join(closed, "run"), c, run.Options{})
	checkLine(t, err, closed, "choose another with --out")
}

// Two processes cannot train in one directory; here the second is the same process.
func TestOneAtATime(t *testing.T) {
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1))
	at := filepath.Join(dir, "run")
	var second error
	_, err := run.Start(t.Context(), at, c, run.Options{Threads: 1, Progress: func(p run.Progress) {
		if p.Iteration == 10 {
			_, second = run.Resume(t.Context(), at, nil, run.Options{})
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	checkLine(t, second, at, "another process")
}

func TestBadData(t *testing.T) {
	dir := t.TempDir()
	data := stripes(t, dir, 60, 1)
	one := filepath.Join(dir, "one")
	if err := os.Mkdir(one, 0o777); err != nil {
		t.Fatal(err)
	}
	few := stripes(t, one, 1, 1)
	unlabelled := filepath.Join(dir, "unlabelled")
	content, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unlabelled, content, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		changes []string
		words   []string
	}{
		{[]string{"data="}, []string{"data", "--data"}},
		{[]string{"data=" + few}, []string{few, "too few"}},
		{[]string{"data=" + filepath.Join(dir, "nowhere")}, []string{filepath.Join(dir, "nowhere"), "no such"}},
		{[]string{"data=" + unlabelled, "network.conditional=true"}, []string{unlabelled, "no classes", "network.conditional"}},
		{[]string{"network.image=3,3,1"}, []string{"network", "3×3"}},
	} {
		at := filepath.Join(dir, "run")
		_, err := run.Start(t.Context(), at, config(t, data, test.changes...), run.Options{})
		checkLine(t, err, test.words...)
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: a run that could not start left its directory", test.changes)
		}
	}
}
