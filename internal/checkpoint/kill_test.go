package checkpoint

// This file simulates kills and broken disks: whatever happens, one of the last two checkpoints can be loaded.

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/joule-ebm/joule/internal/durable"
)

// state is the n-th state of a run, of about size bytes.
func state(n, size int) []Section {
	return []Section{{Name: "n", Data: []byte{byte(n)}}, {Name: "buffer", Data: bytes.Repeat([]byte{byte(n), 7}, size/2)}}
}

// loaded is the number of the state that Load finds in dir; it must be whole, and from the previous file only with a reason.
func loaded(t *testing.T, dir string, size int) int {
	t.Helper()
	path := filepath.Join(dir, "checkpoint")
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if (c.Path == path) != (c.Fallback == nil) {
		t.Fatalf("loaded %s, fallback because of %v", c.Path, c.Fallback)
	}
	number, err := c.Section("n")
	if err != nil {
		t.Fatal(err)
	}
	n := int(number[0])
	if fmt.Sprint(c.Sections) != fmt.Sprint(state(n, size)) {
		t.Fatalf("loaded a state that never was: %v", c.Sections)
	}
	return n
}

func mustSave(t *testing.T, dir string, sections []Section) {
	t.Helper()
	if err := Save(filepath.Join(dir, "checkpoint"), sections); err != nil {
		t.Fatal(err)
	}
}

// copyDir is what a kill at this moment would leave.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// Save is killed at each of its steps, with the newest checkpoint whole, cut or missing before. A run that goes on from what the
// kill left must find a whole checkpoint, and its own saves must work.
func TestKill(t *testing.T) {
	const size = 200_000 // more than is buffered, so that a kill leaves a half-written file
	for _, test := range []struct {
		name   string
		before func(path string) error
		old    int // the state to load until the save is through
	}{
		{"whole", func(string) error { return nil }, 2},
		{"cut", func(path string) error { return os.Truncate(path, 1000) }, 1},
		{"missing", os.Remove, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			mustSave(t, dir, state(1, size))
			mustSave(t, dir, state(2, size))
			path := filepath.Join(dir, "checkpoint")
			if err := test.before(path); err != nil {
				t.Fatal(err)
			}
			var kills []string
			if err := save(path, state(3, size), func() { kills = append(kills, copyDir(t, dir)) }); err != nil {
				t.Fatal(err)
			}

			halves := 0
			for i, left := range kills {
				if partial, _ := filepath.Glob(filepath.Join(left, ".checkpoint*")); len(partial) > 0 {
					halves++
				}
				want := test.old
				if i == len(kills)-1 {
					want = 3
				}
				if got := loaded(t, left, size); got != want {
					t.Errorf("killed at step %d: loaded state %d, want %d", i, got, want)
				}
				if err := durable.Sweep(left); err != nil {
					t.Fatal(err)
				}
				mustSave(t, left, state(4, size))
				if got := loaded(t, left, size); got != 4 {
					t.Errorf("killed at step %d, then saved 4: loaded state %d", i, got)
				}
				if err := os.Remove(filepath.Join(left, "checkpoint")); err != nil {
					t.Fatal(err)
				}
				if got := loaded(t, left, size); got != want {
					t.Errorf("killed at step %d, then saved 4 and lost it: loaded state %d, want %d", i, got, want)
				}
			}
			if halves == 0 {
				t.Error("no kill left a half-written file: the simulation is not what it says")
			}
			if got := loaded(t, dir, size); got != 3 {
				t.Errorf("not killed: loaded state %d, want 3", got)
			}
		})
	}
}

// The newest checkpoint is cut at every length and changed at every byte. The previous one takes over, and still does after the
// next save is killed at its last step or loses its file too.
func TestDamage(t *testing.T) {
	const size = 40
	dir := t.TempDir()
	mustSave(t, dir, state(1, size))
	mustSave(t, dir, state(2, size))
	path := filepath.Join(dir, "checkpoint")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage := func(content []byte, what string, at int) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		if got := loaded(t, dir, size); got != 1 {
			t.Fatalf("%s at byte %d: loaded state %d, want the previous, 1", what, at, got)
		}
		if err := verify(path); err == nil {
			t.Fatalf("%s at byte %d: a save would make this the previous checkpoint", what, at)
		}
	}
	for at := range whole {
		damage(whole[:at], "cut", at)
		for _, change := range []byte{1, 0x80, 0xff} {
			changed := bytes.Clone(whole)
			changed[at] ^= change
			damage(changed, "changed", at)
		}
		zeros := append(bytes.Clone(whole[:at]), make([]byte, len(whole)-at)...) // what a power cut leaves on some file systems
		if !bytes.Equal(zeros, whole) {
			damage(zeros, "zeros from", at)
		}
	}
	damage(append(bytes.Clone(whole), 0), "one more", len(whole))

	mustSave(t, dir, state(3, size))
	if got := loaded(t, dir, size); got != 3 {
		t.Errorf("loaded state %d after a save, want 3", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := loaded(t, dir, size); got != 1 {
		t.Errorf("loaded state %d, want 1: the damaged checkpoint must not have taken the place of the previous", got)
	}
}
