package main

import (
	"path/filepath"
	"testing"
)

func TestNameOfRunFromModel(t *testing.T) {
	t.Chdir(t.TempDir())
	here, _ := filepath.Abs(".")
	for from, want := range map[string]string{".": filepath.Base(here), "..": filepath.Base(filepath.Dir(here)), "/": "model", "runs/a/": "a",
		"runs/lr0.5": "lr0.5", "zoo:mnist": "mnist", "runs/m.safetensors": "m"} {
		o := trainOptions{}
		if o.from = from; o.name() != want {
			t.Errorf("%s: %q, want %q", from, o.name(), want)
		}
	}
}
