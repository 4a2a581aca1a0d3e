package stream_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/stream"
	"github.com/joule-ebm/joule/engine/rng"
)

// process holds what the process that is stopped watches: the model, the output, the state, and a folder to follow or nothing for a list.
const process = "JOULE_TEST_STREAM"

// TestProcess is that process: no test unless started as one.
func TestProcess(t *testing.T) {
	arguments := strings.Split(os.Getenv(process), "\n")
	if len(arguments) < 4 {
		t.Skip("only for the tests that stop it")
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	var source stream.Source = stream.Folder{Path: arguments[3], Follow: true}
	if arguments[3] == "" {
		source = stream.List{Reader: os.Stdin}
	}
	s, err := stream.Open(newJudge(t, arguments[0], "energy", detect.Rule{FalseAlarms: 0.01}), source,
		stream.Options{Output: arguments[1], State: arguments[2], SaveEvery: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Lines(ctx) {
		if err != nil && !errors.Is(err, ctx.Err()) {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// start starts the process.
func start(t *testing.T, in io.Reader, arguments ...string) *exec.Cmd {
	t.Helper()
	p := exec.Command(os.Args[0], "-test.run=^TestProcess$")
	p.Env = append(os.Environ(), process+"="+strings.Join(arguments, "\n"))
	p.Stdin = in
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// However often a stream is killed, in the end there is one line for each image, the same as if nothing had happened.
func TestIsKilled(t *testing.T) {
	kills := 6
	if os.Getenv("JOULE_LONG") != "" {
		kills = 100
	}
	path, _, list := watched(t, 3000)
	dir := t.TempDir()
	whole, input := filepath.Join(dir, "whole.ndjson"), filepath.Join(dir, "list.txt")
	writeFile(t, input, []byte(strings.Join(list, "\n")+"\n"))
	began := time.Now()
	judged(t, newJudge(t, path, "energy", detect.Rule{FalseAlarms: 0.01}), listOf(list), stream.Options{Output: whole})
	most, s := time.Since(began), rng.New(9)
	want := readFile(t, whole)

	output, state := filepath.Join(dir, "a.ndjson"), filepath.Join(dir, "state")
	killed, midway, runs, sinceStart := 0, 0, 0, 0
	for killed < kills || runs == 0 {
		list, err := os.Open(input)
		if err != nil {
			t.Fatal(err)
		}
		p := start(t, list, path, output, state, "")
		delay := time.Duration(float64(s.Float32()) * float64(most))
		if sinceStart > 20 { // a busy machine: let it end
			delay = time.Hour
		}
		timer := time.AfterFunc(delay, func() { _ = p.Process.Kill() })
		err = p.Wait()
		timer.Stop()
		list.Close()
		switch {
		case err == nil:
			if !bytes.Equal(readFile(t, output), want) {
				t.Fatalf("after %d kills there are other lines", sinceStart)
			}
			if err := errors.Join(os.Remove(output), os.Remove(state)); err != nil {
				t.Fatal(err)
			}
			runs, sinceStart = runs+1, 0
		case p.ProcessState.ExitCode() != -1:
			t.Fatalf("after %d kills: %v", sinceStart, err)
		default:
			killed, sinceStart = killed+1, sinceStart+1
			if got, err := os.ReadFile(output); err == nil && len(got) > 0 && len(got) < len(want) {
				midway++
			}
		}
	}
	t.Logf("%d kills, %d of them with a part of the lines written, in %d runs", killed, midway, runs)
}

// A folder is followed until the stream is interrupted, and pictures that are gone when it goes on are not missed.
func TestFollows(t *testing.T) {
	path, folder, _ := watched(t, 0)
	dir := t.TempDir()
	arrivals, output := filepath.Join(dir, "in"), filepath.Join(dir, "a.ndjson")
	arrive := func(i int) {
		writeFile(t, fmt.Sprintf("%s/%03d.png", arrivals, i), readFile(t, fmt.Sprintf("%s/%03d.png", folder, i)))
	}
	arrive(0)
	arrive(1)
	// By the clock of the file system, this one is from tomorrow.
	if err := os.Chtimes(filepath.Join(arrivals, "001.png"), time.Time{}, time.Now().Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(arrivals, ".hidden", "0.png"), nil)
	writeFile(t, filepath.Join(arrivals, "notes.txt"), nil)
	link := filepath.Join(dir, "link") // a folder may be one
	if err := os.Symlink(arrivals, link); err != nil {
		t.Fatal(err)
	}
	for part := range 2 {
		p := start(t, nil, path, output, filepath.Join(dir, "state"), link)
		wait := func(n int) {
			for limit := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
				content, _ := os.ReadFile(output)
				if bytes.Count(content, []byte("\n")) == n {
					return
				}
				if time.Now().After(limit) {
					_ = p.Process.Kill()
					t.Fatalf("part %d: %d lines after a minute, want %d", part, bytes.Count(content, []byte("\n")), n)
				}
			}
		}
		wait(2 + 2*part)
		arrive(2 + 2*part)
		wait(3 + 2*part)
		if err := p.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			t.Fatalf("interrupted: %v", err)
		}
		// Between the two, one arrives and those judged go.
		arrive(3)
		for i := range 3 {
			os.Remove(fmt.Sprintf("%s/%03d.png", arrivals, i))
		}
	}
	for i, l := range written(t, readFile(t, output)) {
		if l.N != int64(i+1) || filepath.Base(l.Image) != fmt.Sprintf("%03d.png", i) || l.Error != "" {
			t.Errorf("line %d: %+v", i+1, l)
		}
	}
}
