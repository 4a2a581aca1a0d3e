package run_test

// This file interrupts runs, damages what they left and goes on with them.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// twice makes the same run undisturbed, for comparison, and gives a place for another.
func twice(t *testing.T, changes ...string) (c run.Config, at string, want map[string]string) {
	t.Helper()
	dir := t.TempDir()
	c = config(t, stripes(t, dir, 60, 1), changes...)
	whole := filepath.Join(dir, "whole")
	start(t, whole, c)
	return c, filepath.Join(dir, "run"), kept(t, whole)
}

// interrupted starts a run and stops it after n iterations.
func interrupted(t *testing.T, at string, c run.Config, n int64) {
	t.Helper()
	ctx, o := stopAt(t, n)
	r, err := run.Start(ctx, at, c, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Iteration != n || r.Dir != at {
		t.Fatalf("interrupted after %d iterations: %+v", n, r)
	}
}

func TestInterruptedAndResumedEqualsNeverInterrupted(t *testing.T) {
	c, at, want := twice(t)
	interrupted(t, at, c, 3) // before any checkpoint but the first
	if m, err := model.Open(at); err != nil || m.Iterations != 3 {
		t.Fatalf("the model of an interrupted run: %v", err)
	}
	for _, n := range []int64{4, 7, 20, 29} { // on and off checkpoints
		ctx, o := stopAt(t, n)
		r, err := run.Resume(ctx, at, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Interrupted || r.Iteration != n {
			t.Fatalf("interrupted after %d: %+v", n, r)
		}
	}
	if r := resume(t, at, nil); r.Interrupted || r.Iteration != 30 {
		t.Errorf("resumed: %+v", r)
	}
	sameRun(t, "interrupted and resumed", kept(t, at), want)
	resume(t, at, nil)
	sameRun(t, "resumed when all was done", kept(t, at), want)
}

// An interruption may come at any time: while data is read, within an iteration, while samples are drawn at the end.
func TestInterruptedAtAnyTime(t *testing.T) {
	c, at, want := twice(t)
	s := rng.New(7)
	stops := 0
	for n := 0; ; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+s.IntN(40))*time.Millisecond)
		var r run.Result
		var err error
		if _, none := os.Stat(filepath.Join(at, "config.yaml")); none != nil {
			r, err = run.Start(ctx, at, c, run.Options{Threads: 2})
		} else {
			r, err = run.Resume(ctx, at, nil, run.Options{Threads: 2})
		}
		over := ctx.Err() != nil
		cancel()
		if err != nil && !over {
			t.Fatal(err)
		}
		if over {
			stops++
		}
		if err == nil && !r.Interrupted {
			break
		}
		if n == 60 { // a slow machine: let it get somewhere
			resume(t, at, nil)
			break
		}
	}
	if stops == 0 {
		t.Skip("the machine is too fast to be interrupted")
	}
	sameRun(t, fmt.Sprintf("after %d interruptions", stops), kept(t, at), want)
}

func TestResumeWithOtherLimits(t *testing.T) {
	c, at, want := twice(t)
	c.Limits.Iterations = 11
	start(t, at, c)
	if r := resume(t, at, &run.Limits{Iterations: 30}); r.Iteration != 30 {
		t.Errorf("made %d iterations, want 30", r.Iteration)
	}
	sameRun(t, "with a limit raised", kept(t, at), want)
	if r := resume(t, at, &run.Limits{Iterations: 5}); r.Iteration != 30 {
		t.Errorf("a lower limit took the run back to iteration %d", r.Iteration)
	}
	began := time.Now()
	r := resume(t, at, &run.Limits{For: 300 * time.Millisecond})
	if took := time.Since(began); r.Iteration <= 30 || took < 300*time.Millisecond {
		t.Errorf("trained to iteration %d in %v, for 300 ms", r.Iteration, took)
	}
	_, err := run.Resume(t.Context(), at, &run.Limits{For: -time.Second}, run.Options{})
	checkLine(t, err, "limits.for")
}

// damage changes a byte in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedCheckpoints(t *testing.T) {
	c, at, want := twice(t)
	interrupted(t, at, c, 16) // checkpoints of 14 and 7, and where it was stopped

	// The newest is passed over, with a warning.
	damage(t, filepath.Join(at, "checkpoint.stopped"))
	damage(t, filepath.Join(at, "checkpoint"))
	o, log := logged()
	ctx, stopping := stopAt(t, 8)
	o.Progress = stopping.Progress
	if r, err := run.Resume(ctx, at, nil, o); err != nil || r.Iteration != 8 {
		t.Fatalf("resumed to iteration %d, want to go on from 7: %v", r.Iteration, err)
	}
	for _, words := range []string{"level=WARN", "going back to the previous checkpoint", "checkpoint.stopped", "checksum", "iteration=7"} {
		if !strings.Contains(log.String(), words) {
			t.Errorf("the log has no %q:\n%s", words, log)
		}
	}
	resume(t, at, nil)
	sameRun(t, "after the loss of a checkpoint", kept(t, at), want)

	// Without any whole checkpoint the run stays as it is.
	damage(t, filepath.Join(at, "checkpoint.stopped"))
	damage(t, filepath.Join(at, "checkpoint"))
	damage(t, filepath.Join(at, "checkpoint.previous"))
	before := kept(t, at)
	_, err := run.Resume(t.Context(), at, nil, run.Options{})
	checkLine(t, err, filepath.Join(at, "checkpoint"), "checkpoint.previous", "start the run anew")
	sameRun(t, "after a refusal", kept(t, at), before)
}

// Where a run stopped it goes on, though no checkpoint before that can be read any more.
func TestOnlyWhereItStoppedIsWhole(t *testing.T) {
	c, at, want := twice(t)
	interrupted(t, at, c, 16)
	damage(t, filepath.Join(at, "checkpoint"))
	damage(t, filepath.Join(at, "checkpoint.previous"))
	o, log := logged()
	ctx, stopping := stopAt(t, 17)
	o.Progress = stopping.Progress
	if r, err := run.Resume(ctx, at, nil, o); err != nil || r.Iteration != 17 {
		t.Fatalf("resumed to iteration %d, want to go on from 16: %v", r.Iteration, err)
	}
	if words := "going on from where the run stopped; there is no checkpoint before it"; !strings.Contains(log.String(), words) {
		t.Errorf("the log has no %q:\n%s", words, log)
	}
	resume(t, at, nil)
	sameRun(t, "after the loss of all checkpoints", kept(t, at), want)
}

func TestDamagedMetricsAndConfiguration(t *testing.T) {
	c, at, _ := twice(t)
	interrupted(t, at, c, 16)
	for _, file := range []string{"metrics.jsonl", "config.yaml"} {
		path := filepath.Join(at, file)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append([]byte("}\n"), content...), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err = run.Resume(t.Context(), at, nil, run.Options{})
		checkLine(t, err, path, "restore")
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	resume(t, at, nil)
}

func TestChangedDataIsRefused(t *testing.T) {
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1))
	at := filepath.Join(dir, "run")
	interrupted(t, at, c, 10)
	before := kept(t, at)
	for what, change := range map[string]func(){
		"other pictures": func() { stripes(t, dir, 60, 2) },
		"more pictures":  func() { stripes(t, dir, 70, 1) },
	} {
		change()
		_, err := run.Resume(t.Context(), at, nil, run.Options{})
		checkLine(t, err, at, c.Data, "not the one", "restore it")
		sameRun(t, what, kept(t, at), before)
	}
	if err := os.Remove(c.Data); err != nil {
		t.Fatal(err)
	}
	_, err := run.Resume(t.Context(), at, nil, run.Options{})
	checkLine(t, err, c.Data, "no such")
	stripes(t, dir, 60, 1)
	resume(t, at, nil)
}

// A network that was changed by hand does not fit the checkpoint.
func TestChangedNetworkIsRefused(t *testing.T) {
	c, at, _ := twice(t)
	interrupted(t, at, c, 10)
	path := filepath.Join(at, "config.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{{"filters: 2", "filters: 3"}, {"size: 40", "size: 41"}} {
		changed := strings.Replace(string(content), change[0], change[1], 1)
		if changed == string(content) {
			t.Fatalf("config.yaml has no %q", change[0])
		}
		if err := os.WriteFile(path, []byte(changed), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err = run.Resume(t.Context(), at, nil, run.Options{})
		checkLine(t, err, filepath.Join(at, "checkpoint.stopped"), "restore the configuration")
	}
}

// What a kill leaves before there is a checkpoint: a directory that a run can start in, then one that can be resumed.
func TestKilledBeforeTheFirstCheckpoint(t *testing.T) {
	c, at, want := twice(t)
	leave := func(files map[string]string) {
		t.Helper()
		if err := os.RemoveAll(at); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(at, 0o777); err != nil {
			t.Fatal(err)
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(at, name), []byte(content), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	leave(map[string]string{"lock": "", ".config.yaml.ABC.unfinished": "network:\n"})
	start(t, at, c)
	sameRun(t, "started where another start was killed", kept(t, at), want)
	leave(map[string]string{"lock": "", "config.yaml": want["config.yaml"], ".checkpoint.new.ABC.unfinished": "\x89Jou"})
	resume(t, at, nil)
	sameRun(t, "resumed without a checkpoint", kept(t, at), want)
	leave(map[string]string{"lock": "", "config.yaml": want["config.yaml"], "checkpoint.new": "whole but not yet in place", "metrics.jsonl": `{"iteration":1,"lo`})
	resume(t, at, nil)
	sameRun(t, "resumed without a checkpoint in place", kept(t, at), want)
}
