package run_test

// This file kills runs. The test program starts itself as a process that trains, kills that with SIGKILL after a random time, and
// has the next one go on, until one comes to the end.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// killedEnvironment names, to the process that will be killed, the directory of the run and its data.
const killedEnvironment = "RUN_TEST_KILLED"

// TestKilledProcess is the process that is killed: no test unless started as one.
func TestKilledProcess(t *testing.T) {
	dir := os.Getenv(killedEnvironment)
	if dir == "" {
		t.Skip("only for the test that kills it")
	}
	at := filepath.Join(dir, "run")
	if _, err := os.Stat(filepath.Join(at, "config.yaml")); err == nil {
		resume(t, at, nil)
	} else {
		start(t, at, toKill(t, dir, os.Getenv(killedEnvironment+"_KIND")))
	}
}

// kinds are the runs to kill, by name: what is special about them.
var kinds = map[string][]string{"plain": nil, "diverging": diverging, "own energy": {"network.name=" + ownEnergy}}

// toKill is a run that spends much of its time writing.
func toKill(t *testing.T, dir, kind string) run.Config {
	return config(t, filepath.Join(dir, dataFile), append([]string{"output.checkpoint=3", "output.samples=2", calibrating}, kinds[kind]...)...)
}

func TestKilledAtAnyTimeEqualsNeverKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there a killed process cannot be told from one that failed")
	}
	kills := 10
	if os.Getenv("JOULE_LONG") != "" {
		kills = 60
	}
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			stripes(t, dir, 300, 1)
			c := toKill(t, dir, kind)
			whole := filepath.Join(dir, "whole")
			began := time.Now()
			start(t, whole, c)
			most := time.Since(began)
			want := kept(t, whole)

			s := rng.New(3, uint64(len(kind)))
			at := filepath.Join(dir, "run")
			runs, sinceStart, early := 0, 0, 0
			for done := 0; done < kills || runs == 0; {
				delay := time.Duration(float64(s.Float32()) * float64(most) / 2)
				if sinceStart > 20 { // a busy machine: let the run end
					delay = time.Hour
				}
				ended, output := processKilledAfter(t, dir, kind, delay)
				switch {
				case !ended:
					done, sinceStart = done+1, sinceStart+1
					if _, err := os.Stat(filepath.Join(at, "checkpoint")); err != nil {
						early++
					}
					whatIsThereIsWhole(t, at)
				case bytes.Contains(output, []byte("FAIL")):
					t.Fatalf("after %d kills in this run:\n%s", sinceStart, output)
				default:
					sameRun(t, fmt.Sprintf("after %d kills", sinceStart), kept(t, at), want)
					if err := os.RemoveAll(at); err != nil {
						t.Fatal(err)
					}
					runs, sinceStart = runs+1, 0
				}
			}
			t.Logf("%d kills, %d of them before the first checkpoint, in %d runs", kills, early, runs)
		})
	}
}

// processKilledAfter starts the process and kills it, unless it ends by itself before that.
func processKilledAfter(t *testing.T, dir, kind string, delay time.Duration) (ended bool, output []byte) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), killedEnvironment+"="+dir, killedEnvironment+"_KIND="+kind)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	kill.Stop()
	if exit, ok := err.(*exec.ExitError); ok && !exit.Exited() {
		return false, nil
	}
	return true, out.Bytes()
}

// whatIsThereIsWhole fails the test if a kill left a half-written model or picture.
func whatIsThereIsWhole(t *testing.T, at string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(at, "model.safetensors")); err == nil {
		if _, err := model.Open(at); err != nil {
			t.Error(err)
		}
	}
	pictures, _ := filepath.Glob(filepath.Join(at, "samples", "*.png"))
	for _, path := range pictures {
		content, err := os.ReadFile(path)
		if err != nil || !bytes.HasSuffix(content, []byte("IEND\xaeB`\x82")) {
			t.Errorf("%s is not whole: %v", path, err)
		}
	}
}
