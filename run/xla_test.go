//go:build xla && cgo

package run_test

// This file trains on an accelerator: the plugin that JOULE_PJRT_PLUGIN names, of which XLA's for CPUs will do. Compiling takes half a
// minute: without JOULE_LONG=1 it is skipped.

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/joule-ebm/joule/run"
)

var (
	compiled  = regexp.MustCompile(`msg="compiled a program"`)
	firstMade = regexp.MustCompile(`msg="made the first iteration" seconds=[0-9.]+ on="1 of `)
	moved     = regexp.MustCompile(`msg="the run goes on on another engine: from here on its numbers are the same to rounding, not to the bit" iteration=(\d+) before="?(\w+).* now="?(\w+)`)
)

// onDevice is a run on the data in dir.
func onDevice(t *testing.T, dir string) run.Config {
	return config(t, filepath.Join(dir, dataFile), "limits.iterations=12", "output.diagnose=0", "output.checkpoint=4")
}

// deviceEnvironment names, to a process that will be killed while it trains on a device, the directory of the run and its data.
const deviceEnvironment = "RUN_TEST_ON_DEVICE"

// TestKilledOnDevice is that process: no test unless started as one. It says what iterations it has made.
func TestKilledOnDevice(t *testing.T) {
	dir := os.Getenv(deviceEnvironment)
	if dir == "" {
		t.Skip("only for the test that kills it")
	}
	o := run.Options{Threads: 1, Device: os.Getenv(deviceEnvironment + "_NAME"), Log: slog.New(slog.DiscardHandler),
		Progress: func(p run.Progress) { fmt.Println("made", p.Iteration) }}
	at := filepath.Join(dir, "killed")
	var err error
	if _, failed := os.Stat(filepath.Join(at, "config.yaml")); failed == nil {
		_, err = run.Resume(t.Context(), at, nil, o)
	} else {
		_, err = run.Start(t.Context(), at, onDevice(t, dir), o)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// killedOnDevice kills a run with SIGKILL while the device is at some iterations - before the first checkpoint, before and after the entropy
// term has joined - and holds what comes of it to what comes of one that was let be.
func killedOnDevice(t *testing.T, dir, device string, want map[string]string) {
	t.Helper()
	for _, at := range []int{2, 5, 6, 11, 0} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledOnDevice$")
		cmd.Env = append(os.Environ(), deviceEnvironment+"="+dir, deviceEnvironment+"_NAME="+device)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(&said, lines.Text())
			if lines.Text() == fmt.Sprint("made ", at) {
				time.Sleep(5 * time.Millisecond) // into the next iteration
				_ = cmd.Process.Kill()
			}
		}
		err = cmd.Wait()
		if exit, failed := err.(*exec.ExitError); failed != (at > 0) || failed && exit.Exited() {
			t.Fatalf("to be killed in iteration %d, and %v:\n%s", at+1, err, said.String())
		}
	}
	sameRun(t, "killed four times on the device", kept(t, filepath.Join(dir, "killed")), want)
}

// TestAccelerator: a run on an accelerator that is interrupted and resumed is one that was not, to the bit; it says how long its first
// iteration took, and what is resumed compiles nothing; so it is with one that is killed. It may go on on the CPU, and come back, and says so.
// Divergence is survived.
func TestAccelerator(t *testing.T) {
	plugin := os.Getenv("JOULE_PJRT_PLUGIN")
	if plugin == "" || os.Getenv("JOULE_LONG") == "" {
		t.Skip("needs JOULE_PJRT_PLUGIN, a PJRT plugin to train with, and JOULE_LONG=1")
	}
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache")) // with nothing in it
	stripes(t, dir, 60, 1)
	c := onDevice(t, dir)
	var log *bytes.Buffer
	on := func(device string) run.Options {
		log = &bytes.Buffer{}
		return run.Options{Threads: 1, Device: device, Log: slog.New(slog.NewTextHandler(log, nil))}
	}
	xla := "xla:" + plugin
	whole := filepath.Join(dir, "whole")
	if _, err := run.Start(t.Context(), whole, c, on(xla)); err != nil {
		t.Fatal(err)
	}
	if !compiled.Match(log.Bytes()) || !firstMade.Match(log.Bytes()) {
		t.Errorf("the log does not tell of compiling, or of the first iteration:\n%s", log)
	}
	want := kept(t, whole)

	at := filepath.Join(dir, "interrupted")
	ctx, cancel := context.WithCancel(t.Context())
	o := on(xla)
	o.Progress = func(p run.Progress) {
		if p.Iteration == 6 { // between two checkpoints, after the entropy term has joined
			cancel()
		}
	}
	if r, err := run.Start(ctx, at, c, o); err != nil || !r.Interrupted {
		t.Fatalf("%+v, %v", r, err)
	}
	if compiled.Match(log.Bytes()) {
		t.Errorf("the second start compiles:\n%s", log)
	}
	copied := filepath.Join(dir, "moved")
	if err := os.CopyFS(copied, os.DirFS(at)); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Resume(t.Context(), at, nil, on(xla)); err != nil {
		t.Fatal(err)
	}
	if compiled.Match(log.Bytes()) || moved.Match(log.Bytes()) || !firstMade.Match(log.Bytes()) {
		t.Errorf("resumed, it compiles, or is said to be on another engine, or the first iteration is missing:\n%s", log)
	}
	for name, content := range kept(t, at) {
		if want[name] != content {
			t.Errorf("interrupted and resumed: another %s", name)
		}
	}

	killedOnDevice(t, dir, xla, want)

	for _, c := range []struct {
		device           string
		iterations       int64
		from, to, nowhat string
	}{{"cpu", 9, "6", "cpu", "1"}, {xla, 12, "9", "1", "cpu"}} {
		if _, err := run.Resume(t.Context(), copied, &run.Limits{Iterations: c.iterations}, on(c.device)); err != nil {
			t.Fatal(err)
		}
		if m := moved.FindStringSubmatch(log.String()); m == nil || m[1] != c.from || m[2] != c.nowhat || m[3] != c.to {
			t.Errorf("on %s the log says %q of the move:\n%s", c.device, m, log)
		}
	}
	one, other := records(t, whole), records(t, copied)
	if len(other) != 12 {
		t.Fatalf("%d iterations", len(other))
	}
	for i := range 7 { // the seventh is the first on the other engine
		for _, name := range []string{"energy_data", "energy_samples", "gradient_norm", "chain_moved"} {
			a, _ := one[i].Value(name)
			b, _ := other[i].Value(name)
			if tolerance := map[bool]float64{true: 1e-3*math.Abs(a) + 1e-5}[i == 6]; !(math.Abs(a-b) <= tolerance) {
				t.Errorf("iteration %d: %s is %v, and %v in the run that moves after the sixth", i+1, name, a, b)
			}
		}
	}

	diverged := config(t, stripes(t, dir, 60, 1), append([]string{"limits.iterations=20", "output.diagnose=0"}, diverging...)...)
	if _, err := run.Start(t.Context(), filepath.Join(dir, "diverged"), diverged, on(xla)); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if !strings.Contains(log.String(), "training went wrong, going back") || len(records(t, filepath.Join(dir, "diverged"))) != 20 {
		t.Errorf("it did not diverge, or is not whole:\n%s", log)
	}
}
