package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/model"
)

// A model of the zoo is used by name, like a run.
func TestZoo(t *testing.T) {
	if out := mustJoule(t, "zoo"); !strings.Contains(out, "zoo:mnist") || !strings.Contains(out, "in the program") {
		t.Errorf("the list is\n%s", out)
	}
	if out := mustJoule(t, "zoo", "--json"); !strings.Contains(out, `"recipe"`) {
		t.Errorf("the list is\n%s", out)
	}
	if out := mustJoule(t, "zoo", "show", "mnist"); !strings.Contains(out, "joule train") || !strings.Contains(out, "## Limits") {
		t.Errorf("the card is\n%s", out)
	}
	dir := t.TempDir()
	grid, photo, mine, half := filepath.Join(dir, "grid.png"), filepath.Join(dir, "a.png"), filepath.Join(dir, "mine.safetensors"), filepath.Join(dir, "half.safetensors")
	mustJoule(t, "sample", "zoo:mnist", "-n", "2", "--steps", "4", "-o", grid)
	if _, err := os.Stat(grid); err != nil {
		t.Error(err)
	}
	writePicture(t, photo, 28, 1, true)
	if out := mustJoule(t, "score", "zoo:mnist", photo); !strings.Contains(out, "a.png") {
		t.Errorf("scores\n%s", out)
	}
	mustJoule(t, "zoo", "copy", "mnist", "-o", mine)
	a, err := model.Open(mine)
	if err != nil {
		t.Fatal(err)
	}
	mustJoule(t, "zoo", "pack", mine, "-o", half)
	b, err := model.Open(half)
	if err != nil {
		t.Fatal(err)
	}
	if a.Calibration == nil || b.Calibration != nil {
		t.Error("a copy has the calibration, and what is packed has none: it is another model")
	}
	if a, b := readFile(t, mine), readFile(t, half); len(b) >= len(a) {
		t.Errorf("%d bytes packed, %d before: the model was of 16 bits already", len(b), len(a))
	}
	for _, r := range []refused{
		{[]string{"sample", "zoo:mnits", "-o", grid}, 1, "no such model: want one of"},
		{[]string{"zoo", "show", "mnits"}, 1, "no such model: want one of"},
		{[]string{"calibrate", "zoo:mnist", "--data", "mnist:test"}, 1, "joule zoo copy mnist"},
		{[]string{"zoo", "copy", "mnist"}, 2, "--output"},
		{[]string{"zoo", "pack", mine, "-o", mine}, 2, "itself: name a new file"},
		{[]string{"zoo", "mnist"}, 2, "unknown command"},
	} {
		t.Run(strings.Join(r.args, " "), r.check)
	}
}
