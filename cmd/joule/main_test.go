package main

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/terminal"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// joule runs a command line.
func joule(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = execute(args, &out, &err)
	return code, out.String(), err.String()
}

// mustJoule runs a command line that works and says nothing on standard error.
func mustJoule(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := joule(args...)
	if code != 0 || stderr != "" {
		t.Fatalf("joule %s: exit code %d, %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// refused is a command line that must fail with a code and a line that has these words.
type refused struct {
	args  []string
	code  int
	words string
}

func (r refused) check(t *testing.T) {
	t.Helper()
	code, stdout, stderr := joule(r.args...)
	line, rest, _ := strings.Cut(stderr, "\n")
	if code != r.code || !strings.HasPrefix(line, "joule: ") || rest != "" || !strings.Contains(line, r.words) || stdout != "" {
		t.Errorf("exit code %d, want %d and a line with %q; stderr:\n%sstdout:\n%s", code, r.code, r.words, stderr, stdout)
	}
}

// newModel writes a small model with random weights, of a run on MNIST, and returns the run's directory. It is conditional if
// it has classes.
func newModel(t *testing.T, shape expr.Shape, classes ...string) string {
	t.Helper()
	c, err := run.PresetConfig(run.DefaultPreset)
	if err != nil {
		t.Fatal(err)
	}
	c.Network.Filters, c.Network.Image, c.Network.Conditional = 4, shape[:], len(classes) > 0
	c.Sampler.Steps = 2
	e, err := energy.New(c.Network.Name, energy.Options{Filters: 4, Image: shape, Classes: len(classes)})
	if err != nil {
		t.Fatal(err)
	}
	params, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m := model.Model{Config: c.Config, Classes: classes, Energy: e, Params: energy.InitialValues(params.Specs(), 1)}
	if err := m.Save(filepath.Join(dir, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writePicture writes a PNG of the given size whose look depends on seed; grey or coloured.
func writePicture(t *testing.T, path string, size, seed int, grey bool) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			c := color.RGBA{uint8(x*17 + seed*31), uint8(y*29 + seed), uint8(x*y + seed*7), 255}
			if grey {
				c.G, c.B = c.R, c.R
			}
			img.SetRGBA(x, y, c)
		}
	}
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, file.Bytes())
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// names lists a directory.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		names = append(names, file.Name())
	}
	return names
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--help"},
		{"ablate", "--help"},
		{"study", "--help"},
		{"calibrate", "--help"},
		{"compose", "--help"},
		{"edit", "--help"},
		{"eval"},
		{"eval", "ood", "--help"},
		{"sample", "--help"},
		{"score", "--help"},
		{"watch", "--help"},
	} {
		out := mustJoule(t, args...)
		if !strings.Contains(out, "Examples:") || !strings.Contains(out, "joule ") {
			t.Errorf("joule %s: no examples in\n%s", strings.Join(args, " "), out)
		}
		for line := range strings.Lines(out) {
			if n := len([]rune(line)); n > 130 {
				t.Errorf("joule %s: a line of %d characters: %s", strings.Join(args, " "), n, line)
			}
		}
	}
	if out := mustJoule(t, "--version"); !strings.HasPrefix(out, "joule ") || !strings.Contains(out, "go1.") {
		t.Errorf("version %q", out)
	}
}

func TestWrongCommandLine(t *testing.T) {
	for _, r := range []refused{
		{[]string{"trian"}, 2, `unknown command "trian"`},
		{[]string{"eval", "odd"}, 2, `unknown command "odd"`},
		{[]string{"--sead", "1"}, 2, "unknown flag: --sead"},
		{[]string{"sample"}, 2, "accepts 1 arg(s), received 0 (see joule sample --help)"},
		{[]string{"sample", "a", "b"}, 2, "accepts 1 arg"},
		{[]string{"sample", "--seed", "-1", "a"}, 2, "--seed"},
		{[]string{"sample", "--threads", "many", "a"}, 2, "--threads"},
		{[]string{"score", "a"}, 2, "requires at least 2 arg"},
		{[]string{"eval", "ood", "a", "--json", "--markdown"}, 2, "json markdown"},
	} {
		t.Run(strings.Join(r.args, " "), r.check)
	}
}

// What every command that needs a model says of one that cannot be read.
func TestBadModels(t *testing.T) {
	dir := t.TempDir()
	whole := readFile(t, filepath.Join(newModel(t, expr.Shape{12, 12, 1}), "model.safetensors"))
	bad := map[string]string{
		filepath.Join(dir, "missing"): "no such run directory or model file",
		dir:                           "holds no run",
	}
	for name, content := range map[string][]byte{"truncated": whole[:len(whole)-5], "empty": {}, "text": []byte("not a model")} {
		path := filepath.Join(dir, name+".safetensors")
		writeFile(t, path, content)
		bad[path] = "safetensors"
	}
	for path, words := range bad {
		output := filepath.Join(t.TempDir(), "grid.png")
		for _, args := range [][]string{{"sample", path, "-o", output}, {"score", path, "mnist:test"}, {"eval", "ood", path, "--out-of", "noise"},
			{"calibrate", path, "--data", "mnist:test"}, {"watch", path, dir}} {
			t.Run(args[0]+" "+filepath.Base(path), func(t *testing.T) {
				refused{args, 1, words}.check(t)
				refused{args, 1, path}.check(t)
			})
		}
		if left := names(t, filepath.Dir(output)); left != nil {
			t.Errorf("%s: %q left behind", path, left)
		}
	}
}

func TestDefect(t *testing.T) {
	before := commands
	t.Cleanup(func() { commands = before })
	commands = append(commands[:len(commands):len(commands)], func() *cobra.Command {
		return &cobra.Command{Use: "defect", RunE: func(*cobra.Command, []string) error { return firstOf(nil) }}
	})
	refused{[]string{"defect"}, 1, "internal error: runtime error: index out of range"}.check(t)
	refused{[]string{"defect"}, 1, "firstOf"}.check(t)
	refused{[]string{"defect"}, 1, reports}.check(t)
}

//go:noinline
func firstOf(list []error) error { return list[0] }

func TestOneLine(t *testing.T) {
	if got := terminal.OneLine(errors.Join(errors.New("a\x1b[31m"), errors.New("b")).Error()); got != "a [31m b" {
		t.Errorf("got %q", got)
	}
}
