package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/stream"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

func watchedLines(t *testing.T, text []byte) (lines []stream.Line) {
	t.Helper()
	for line := range bytes.Lines(text) {
		var w stream.Line
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
	trained, folder = newModel(t, expr.Shape{12, 12, 1}), goodPictures(t, 99)
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
	want := map[string]detect.Scored{}
	code, out, _ := joule("score", trained, folder, "--json", "--false-alarm", "5%")
	var scores []detect.Scored
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
			if l.Error == "" || l.Result != nil {
				t.Errorf("line %+v", l)
			}
		case l.Error != "" || l.Energy != s.Energy || *l.P != *s.P || *l.OutOfDistribution != *s.OutOfDistribution || l.Rank <= 0 || l.Rank >= 1 || l.Alarm:
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
	// The pictures of the highest energy of all, again and again.
	scores := scoreJSON(t, trained, folder)
	slices.SortFunc(scores, func(a, b detect.Scored) int { return cmp.Compare(b.Energy, a.Energy) })
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
		var r stream.Report
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

// A model that comes with Joule has no file of its own, and a state all the same.
func TestWatchGoesOnWithZoo(t *testing.T) {
	folder, state := goodPictures(t, 4), filepath.Join(t.TempDir(), "state.json")
	list := []string{folder + "/000.png", folder + "/001.png", folder + "/002.png"}
	args := []string{"watch", "zoo:mnist", "--state", state}
	for _, step := range []struct{ names, lines int }{{2, 2}, {3, 1}} {
		code, lines, said := jouleReading(t, list[:step.names], args...)
		if code != 0 || len(watchedLines(t, []byte(lines))) != step.lines {
			t.Errorf("of %d names: exit code %d, want %d lines: %s%s", step.names, code, step.lines, lines, said)
		}
	}
	if code, _, said := jouleReading(t, list, "watch", "zoo:mnist-digits", "--state", state); code != 1 || !strings.Contains(said, "of another model") {
		t.Errorf("another model: exit code %d, %s", code, said)
	}
}

func TestWatchRefuses(t *testing.T) {
	plain := newModel(t, expr.Shape{12, 12, 1})
	for _, r := range []refused{
		{[]string{plain}, 1, "not calibrated; give it in-distribution images"},
		{[]string{plain, plain + "/missing"}, 1, "not a folder"},
		{[]string{plain, ""}, 2, "FOLDER is empty"},
		{[]string{plain, plain, "--out", "lines", "--state", "./lines"}, 2, "--out and --state are both lines"},
		{[]string{plain, "--follow"}, 2, "--follow needs a FOLDER"},
		{[]string{plain, "--json"}, 2, "--json needs --out"},
		{[]string{plain, "--alarm-every", "0"}, 2, "want more than 1"},
		{[]string{plain, "--detector", "x"}, 2, "no detector"},
	} {
		r.args = append([]string{"watch"}, r.args...)
		t.Run(r.words, r.check)
	}
}
