package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/durable"
)

// watchedLine is any line of joule watch.
type watchedLine struct {
	watched
	Error string
}

func watchedLines(t *testing.T, text []byte) (lines []watchedLine) {
	t.Helper()
	for line := range bytes.Lines(text) {
		var w watchedLine
		if err := json.Unmarshal(line, &w); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		lines = append(lines, w)
	}
	return lines
}

// jouleReading runs a command line with a list on standard input.
func jouleReading(t *testing.T, list []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list.txt")
	writeFile(t, path, []byte(strings.Join(list, "\n")+"\n"))
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before := os.Stdin
	os.Stdin = file
	defer func() { os.Stdin = before }()
	return joule(args...)
}

// newWatched is a calibrated model, and a list of pictures like those it is calibrated with: the folder's, n times over.
func newWatched(t *testing.T, n int) (trained, folder string, list []string) {
	t.Helper()
	trained, folder = newModel(t, expr.Shape{12, 12, 1}), usualPictures(t, 99)
	mustJoule(t, "calibrate", trained, "--data", folder)
	s := rng.New(4)
	for range n {
		list = append(list, fmt.Sprintf("%s/%03d.png", folder, s.IntN(99)))
	}
	return trained, folder, list
}

// Lines are in order, say what joule score says, and leave no image out.
func TestWatch(t *testing.T) {
	trained, folder, list := newWatched(t, 400)
	bad, missing := filepath.Join(folder, "bad.png"), filepath.Join(folder, "missing.png")
	writeFile(t, bad, []byte("no picture"))
	list[3], list[300] = bad, missing
	want := map[string]scored{}
	code, out, _ := joule("score", trained, folder, "--json", "--false-alarm", "5%")
	var scores []scored
	if err := json.Unmarshal([]byte(out), &scores); err != nil || code != 1 {
		t.Fatal(code, err)
	}
	for _, s := range scores {
		want[s.Image] = s
	}

	code, out, said := jouleReading(t, list, "watch", trained, "--false-alarm", "5%")
	if code != 1 || !strings.Contains(said, "398 images judged, 2 could not be read") || !strings.Contains(said, "no drift\njoule: 2 images could not be read") {
		t.Errorf("exit code %d, said %s", code, said)
	}
	lines := watchedLines(t, []byte(out))
	if len(lines) != len(list) {
		t.Fatalf("%d lines for %d images", len(lines), len(list))
	}
	for i, l := range lines {
		s := want[list[i]]
		switch {
		case l.N != int64(i+1) || l.Image != list[i]:
			t.Fatalf("line %d is of image %d, %s", i+1, l.N, l.Image)
		case list[i] == bad || list[i] == missing:
			if l.Error == "" || l.P != nil {
				t.Errorf("line %+v", l)
			}
		case l.Error != "" || l.Energy != s.Energy || *l.P != *s.P || *l.Unusual != *s.Unusual || l.Rank <= 0 || l.Rank >= 1 || l.Alarm:
			t.Errorf("line %+v, joule score says %+v", l, s)
		}
	}
	if !strings.Contains(lines[300].Error, "no such file") || strings.Count(lines[300].Error, missing) != 1 {
		t.Errorf("error %q", lines[300].Error)
	}
}

// Once images are no longer as they were, there is an alarm, in the lines, on standard error and in the exit code.
func TestWatchDrift(t *testing.T) {
	trained, folder, list := newWatched(t, 150)
	// The most unusual pictures of all, again and again.
	scores := scoreJSON(t, trained, folder)
	slices.SortFunc(scores, func(a, b scored) int { return cmp.Compare(b.Energy, a.Energy) })
	for i := range 100 {
		list = append(list, scores[i%3].Image)
	}
	dir := t.TempDir()
	for _, stop := range []bool{false, true} {
		output := filepath.Join(dir, fmt.Sprintf("%v.ndjson", stop))
		args := []string{"watch", trained, "--out", output, "--json", "--alarm-every", "10000"}
		if stop {
			args = append(args, "--stop", "--state", filepath.Join(dir, "state"))
		}
		code, out, said := jouleReading(t, list, args...)
		var r watchReport
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if code != 3 || !r.Drift || r.AlarmAt <= 150 || r.AlarmAt > 200 || strings.Count(said, "joule: drift: ") != 1 {
			t.Errorf("exit code %d, %+v, said %s", code, r, said)
		}
		lines := watchedLines(t, readFile(t, output))
		if want := map[bool]int{false: len(list), true: int(r.AlarmAt)}[stop]; len(lines) != want || r.Images != int64(want) {
			t.Errorf("%d lines, %d images, want %d", len(lines), r.Images, want)
		}
		for _, l := range lines {
			if l.Alarm != (l.N >= r.AlarmAt) || l.Alarm != (l.Drift >= 1) {
				t.Errorf("line %+v, alarm at %d", l, r.AlarmAt)
			}
		}
		if stop {
			code, _, said := jouleReading(t, list, args...)
			if code != 1 || !strings.Contains(said, "the stream has drifted") {
				t.Errorf("going on after that: exit code %d, %s", code, said)
			}
		}
	}
}

// A watch whose list has grown goes on with what is new; another list, another question or another output is refused.
func TestWatchGoesOn(t *testing.T) {
	trained, folder, list := newWatched(t, 90)
	dir := t.TempDir()
	output, state, whole := filepath.Join(dir, "a.ndjson"), filepath.Join(dir, "state"), filepath.Join(dir, "whole.ndjson")
	args := []string{"watch", trained, "--out", output, "--state", state}
	for _, n := range []int{40, 40, 90} {
		if code, _, said := jouleReading(t, list[:n], args...); code != 0 {
			t.Fatalf("exit code %d, %s", code, said)
		}
		if got := len(watchedLines(t, readFile(t, output))); got != n {
			t.Fatalf("%d lines, want %d", got, n)
		}
	}
	if code, _, said := jouleReading(t, list, "watch", trained, "--out", whole); code != 0 || !bytes.Equal(readFile(t, whole), readFile(t, output)) {
		t.Errorf("in parts, the lines are others; exit code %d, %s", code, said)
	}

	other := slices.Clone(list)
	other[20] = list[0] + "x"
	elsewhere := filepath.Join(dir, "b.ndjson")
	for words, c := range map[string]struct {
		list []string
		args []string
	}{
		"the first 90 names of the list are not those": {other, args},
		"the list has 30 names, of which":              {list[:30], args},
		"of another false-alarm rate":                  {list, append(args[:len(args):len(args)], "--false-alarm", "1%")},
		"of another detector":                          {list, append(args[:len(args):len(args)], "--detector", "combined")},
		"of another source":                            {list, append(args[:len(args):len(args)], folder)},
		"it holds lines already":                       {list, []string{"watch", trained, "--out", output}},
		"it has 0 bytes, and had":                      {list, []string{"watch", trained, "--out", elsewhere, "--state", state}},
	} {
		before := readFile(t, output)
		code, _, said := jouleReading(t, c.list, c.args...)
		if code != 1 || !strings.Contains(said, words) {
			t.Errorf("exit code %d, want an error with %q: %s", code, words, said)
		}
		if !bytes.Equal(readFile(t, output), before) {
			t.Errorf("%s: lines have changed", words)
		}
	}
	mustJoule(t, "calibrate", trained, "--data", folder, "-n", "50")
	if code, _, said := jouleReading(t, list, args...); code != 1 || !strings.Contains(said, "of another model") {
		t.Errorf("calibrated again: exit code %d, %s", code, said)
	}
}

func TestWatchRefuses(t *testing.T) {
	plain := newModel(t, expr.Shape{12, 12, 1})
	for _, r := range []refused{
		{[]string{plain}, 1, "not calibrated; give it images that are usual"},
		{[]string{plain, plain + "/missing"}, 1, "not a folder"},
		{[]string{plain, "--follow"}, 2, "--follow needs a FOLDER"},
		{[]string{plain, "--json"}, 2, "--json needs --out"},
		{[]string{plain, "--alarm-every", "0"}, 2, "want more than 1"},
		{[]string{plain, "--detector", "x"}, 2, "no detector"},
	} {
		r.args = append([]string{"watch"}, r.args...)
		t.Run(r.words, r.check)
	}
}

func TestAfter(t *testing.T) {
	inOrder := []string{"", "d", "d/a", "d/a/b.png", "d/a/c.png", "d/a.png", "d/b", "e"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			a, b := filepath.FromSlash(a), filepath.FromSlash(b)
			if got := after(a, b); got != (i > j) {
				t.Errorf("%q after %q: %v", a, b, got)
			}
		}
	}
}

// watchArguments holds the command line of the process that is killed, one argument a line.
const watchArguments = "JOULE_TEST_WATCH"

// TestWatchProcess is that process: no test unless started as one.
func TestWatchProcess(t *testing.T) {
	arguments := os.Getenv(watchArguments)
	if arguments == "" {
		t.Skip("only for the tests that stop it")
	}
	saveEvery = 0
	os.Exit(execute(strings.Split(arguments, "\n"), os.Stdout, os.Stderr))
}

// watchProcess starts a command line as a process of its own.
func watchProcess(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	p := exec.Command(os.Args[0], "-test.run=^TestWatchProcess$")
	p.Env = append(os.Environ(), watchArguments+"="+strings.Join(args, "\n"))
	return p
}

// However often a watch is killed, in the end there is one line for each image, the same as if nothing had happened.
func TestWatchIsKilled(t *testing.T) {
	kills := 6
	if os.Getenv("JOULE_LONG") != "" {
		kills = 100
	}
	trained, _, list := newWatched(t, 3000)
	dir := t.TempDir()
	whole, input := filepath.Join(dir, "whole.ndjson"), filepath.Join(dir, "list.txt")
	writeFile(t, input, []byte(strings.Join(list, "\n")+"\n"))
	began := time.Now()
	if code, _, said := jouleReading(t, list, "watch", trained, "--false-alarm", "1%", "--out", whole); code != 0 {
		t.Fatal(said)
	}
	most, s := time.Since(began), rng.New(9)
	want := readFile(t, whole)

	output, state := filepath.Join(dir, "a.ndjson"), filepath.Join(dir, "state")
	killed, midway, runs, sinceStart := 0, 0, 0, 0
	for killed < kills || runs == 0 {
		list, err := os.Open(input)
		if err != nil {
			t.Fatal(err)
		}
		p := watchProcess(t, "watch", trained, "--false-alarm", "1%", "--out", output, "--state", state)
		p.Stdin = list
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
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
			if err := os.Remove(output); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(state); err != nil {
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

// A folder is followed until the watch is interrupted, and pictures that are gone when it goes on are not missed.
// Two watches would write over each other's state.
func TestWatchAlone(t *testing.T) {
	trained, _, list := newWatched(t, 2)
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	args := []string{"watch", trained, "--out", filepath.Join(dir, "a.ndjson"), "--state", state}
	lock, err := durable.TakeLock(state + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if code, _, said := jouleReading(t, list, args...); runtime.GOOS == "linux" && (code != 1 || !strings.Contains(said, "another watch keeps its state there")) {
		t.Errorf("exit code %d, %s", code, said)
	}
	lock.Release()
	if code, _, said := jouleReading(t, list, args...); code != 0 {
		t.Errorf("when the other has ended: exit code %d, %s", code, said)
	}
}

func TestWatchFollows(t *testing.T) {
	trained, folder, _ := newWatched(t, 0)
	dir := t.TempDir()
	arrivals, output := filepath.Join(dir, "in"), filepath.Join(dir, "a.ndjson")
	arrive := func(i int) {
		writeFile(t, filepath.Join(arrivals, fmt.Sprintf("%03d.png", i)), readFile(t, fmt.Sprintf("%s/%03d.png", folder, i)))
	}
	arrive(0)
	arrive(1)
	writeFile(t, filepath.Join(arrivals, ".hidden", "0.png"), nil)
	writeFile(t, filepath.Join(arrivals, "notes.txt"), nil)
	link := filepath.Join(dir, "link") // a folder may be one
	if err := os.Symlink(arrivals, link); err != nil {
		t.Fatal(err)
	}
	for part := range 2 {
		p := watchProcess(t, "watch", trained, link, "--follow", "--out", output, "--state", filepath.Join(dir, "state"))
		var said bytes.Buffer
		p.Stderr = &said
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		wait := func(n int) {
			for limit := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
				content, _ := os.ReadFile(output)
				if bytes.Count(content, []byte("\n")) == n {
					return
				}
				if time.Now().After(limit) {
					p.Process.Kill()
					t.Fatalf("part %d: %d lines after a minute, want %d; %s", part, bytes.Count(content, []byte("\n")), n, said.String())
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
			t.Fatalf("interrupted: %v, %s", err, said.String())
		}
		// Between the two, one arrives and those judged go.
		arrive(3)
		for i := range 3 {
			os.Remove(filepath.Join(arrivals, fmt.Sprintf("%03d.png", i)))
		}
	}
	for i, l := range watchedLines(t, readFile(t, output)) {
		if l.N != int64(i+1) || filepath.Base(l.Image) != fmt.Sprintf("%03d.png", i) || l.Error != "" {
			t.Errorf("line %d: %+v", i+1, l)
		}
	}
}
