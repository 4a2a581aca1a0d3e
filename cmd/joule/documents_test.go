package main

// This file runs the commands that a document prints, on models that have learnt nothing.

import (
	"bytes"
	"cmp"
	"image"
	"image/draw"
	"image/png"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/attributes"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// printed are the command lines of joule in a document, of which a backslash may join two, as a shell takes them apart.
func printed(t *testing.T, path string) (commands [][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(.*?)```")
	word := regexp.MustCompile(`(?:'[^']*'|[^\s'#]|\S#)+|#.*`)
	for _, b := range block.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(strings.ReplaceAll(b[1], "\\\n", " ")) {
			var words []string
			for _, w := range word.FindAllString(line, -1) {
				if !strings.HasPrefix(w, "#") {
					words = append(words, strings.ReplaceAll(w, "'", ""))
				}
			}
			if len(words) > 1 && words[0] == "joule" {
				commands = append(commands, words[1:])
			}
		}
	}
	return commands
}

// valueOf is what a command line gives a flag.
func valueOf(args []string, flags ...string) string {
	for _, flag := range flags {
		if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// untrained writes the run that a command line of joule train makes, but for the training.
func untrained(t *testing.T, args []string) {
	t.Helper()
	c, err := run.PresetConfig(cmp.Or(valueOf(args, "--preset"), run.DefaultPreset))
	if err != nil {
		t.Fatal(err)
	}
	if data := valueOf(args, "--data"); data != "" {
		c.Data = data
	}
	c.Network.Filters, c.Sampler.Steps, c.Generation.Augmented, c.Generation.Plain = 4, 2, 0, 1
	m := &model.Model{}
	known := []objects.Attribute{{Name: "", Values: strings.Split("0123456789", "")}, {Name: "slant", Values: dataset.Slants}}
	if strings.HasPrefix(c.Data, "objects") {
		c.Network.Image, known = []int{32, 32, 3}, objects.Attributes[:]
	}
	values := func(name string) []string {
		i := slices.IndexFunc(known, func(a objects.Attribute) bool { return a.Name == name })
		if i < 0 {
			t.Fatalf("joule %q: no attribute %s", args, name)
		}
		return known[i].Values
	}
	for _, setting := range args {
		if names, ok := strings.CutPrefix(setting, "network.numbers="); ok {
			c.Network.Numbers = strings.Split(names, ",")
			for _, name := range c.Network.Numbers {
				for _, value := range values(name) {
					m.Numbers = append(m.Numbers, model.Number{Name: name + "=" + value, Max: 1})
				}
			}
		}
	}
	c.Network.Conditional = c.Network.Conditional && c.Network.Numbers == nil || slices.Contains(args, "network.conditional=true")
	if c.Network.Conditional {
		c.Attribute = valueOf(args, "--attribute")
		m.Classes = values(c.Attribute)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	m.Config = c.Config
	if m.Energy, err = c.NewEnergy(len(m.Classes) + len(m.Numbers)); err != nil {
		t.Fatal(err)
	}
	params, err := m.Energy.Params()
	if err != nil {
		t.Fatal(err)
	}
	m.Params = energy.InitialValues(params.Specs(), 1)
	out := valueOf(args, "-o", "--out")
	if err := os.Mkdir(out, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(out + "/model.safetensors"); err != nil {
		t.Fatal(err)
	}
}

func combinations(t *testing.T, text string) dataset.Combinations {
	t.Helper()
	c, err := dataset.ParseCombinations(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The commands of docs/composition.md run as printed, one after the other. Trainings are checked and not run, and what draws images draws few
// of few steps.
func TestCommandsOfComposition(t *testing.T) {
	commands := printed(t, "../../docs/composition.md")
	t.Chdir(t.TempDir())
	hole := image.NewGray(image.Rect(0, 0, 28, 28)) // that the document has another program make
	draw.Draw(hole, image.Rect(10, 10, 18, 18), image.White, image.Point{}, draw.Src)
	var mask bytes.Buffer
	if err := png.Encode(&mask, hole); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("hole.png", mask.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	if len(commands) < 10 {
		t.Fatalf("%d commands", len(commands))
	}
	reader, err := attributes.NewReader(&cpu.Engine{}, dataset.Objects)
	if err != nil {
		t.Fatal(err)
	}
	few := map[string][]string{
		"train": {"--print-config"}, "sample": {"-n", "2", "--steps", "1"}, "edit": {"-n", "1", "--steps", "1", "--measure", "2"},
		"eval": {"-n", "2", "--steps", "1"},
	}
	for _, c := range commands {
		if want := valueOf(c, "--want"); want != "" && !strings.Contains(want, "digit") && !strings.Contains(want, "slant") { // 10,000 scenes would have to be drawn for that
			if _, err := model.Open(c[2]); err != nil {
				t.Errorf("joule %q: %v", c, err)
			}
			if err := reader.Check(combinations(t, want)); err != nil {
				t.Errorf("joule %q: %v", c, err)
			}
			continue
		}
		args := append(slices.Clone(c), few[c[0]]...)
		if slices.Contains(c, "--weigh-by-z") {
			args = append(args, "--rungs", "4", "--chains", "2")
		}
		if code, _, stderr := joule(args...); code != 0 {
			t.Fatalf("joule %q: exit code %d, %s", c, code, stderr)
		}
		if c[0] == "train" {
			untrained(t, c)
		}
	}
}
