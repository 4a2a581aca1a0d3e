package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestExport(t *testing.T) {
	dir := t.TempDir()
	path, file := filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "model.onnx")
	mustJoule(t, "import", checkpoint, "-o", path)
	if out := mustJoule(t, "export", path, "-o", file); out != file+": energy and gradient of images of 28×28×1, 12393 parameters, not calibrated\n" {
		t.Error(out)
	}
	both := readFile(t, file)
	mustJoule(t, "calibrate", path, "--data", "mnist:test", "-n", "200")
	if out := mustJoule(t, "export", path, "-o", file, "--gradient=false"); !strings.HasSuffix(out, ": energy of images of 28×28×1, 12393 parameters, with its calibration\n") {
		t.Error(out)
	}
	if one := readFile(t, file); !bytes.Contains(one, []byte(`{"0.01":`)) || len(one) >= len(both) {
		t.Errorf("%d bytes with the gradient, %d without", len(both), len(one))
	}
	conditional := newModelOf(t, "mnist", "off", "on")
	for args, want := range map[string]string{"": " given a label of length 2,", "--label=on": " given on,", "--mixture": " of the mixture of all labels,"} {
		command := []string{"export", conditional, "-o", file}
		if args != "" {
			command = append(command, args)
		}
		if out := mustJoule(t, command...); !strings.Contains(out, want) {
			t.Errorf("%s: want %q", out, want)
		}
	}
	// A calibration is of the mixture: thresholds of it are none of the energy given a label.
	mustJoule(t, "zoo", "copy", "mnist-digits", "-o", path)
	for args, want := range map[string]bool{"": false, "--label=7": false, "--mixture": true} {
		out := mustJoule(t, slices.DeleteFunc([]string{"export", path, "-o", file, "--gradient=false", args}, func(s string) bool { return s == "" })...)
		if content := readFile(t, file); strings.HasSuffix(out, "with its calibration\n") != want || bytes.Contains(content, []byte("thresholds")) != want ||
			bytes.Contains(content, []byte(`"log_norm"`)) != want {
			t.Errorf("%s: the calibration is to be there: %v; %s", args, want, out)
		}
	}
	mustJoule(t, "import", checkpoint, "-o", path)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{path}, "--output"},
		{[]string{path, "-o", filepath.Join(dir, "model.txt")}, ".onnx"},
		{[]string{path, "-o", filepath.Join(dir, "no", "model.onnx")}, "no such file"},
		{[]string{"gone", "-o", file}, "no such run"},
		{[]string{path, "-o", file, "--label", "on"}, "not conditional"},
		{[]string{conditional, "-o", file, "--label", "maybe"}, "no class"},
		{[]string{conditional, "-o", file, "--label", ""}, "--label is empty"},
	} {
		if code, _, stderr := joule(append([]string{"export"}, c.args...)...); code == 0 || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: code %d, %s", c.args, code, stderr)
		}
	}
}
