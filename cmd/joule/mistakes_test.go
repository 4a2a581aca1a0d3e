package main

import (
	"path/filepath"
	"testing"

	"github.com/joule-ebm/joule/expr"
)

// Mistakes in the command line are named, with what is wanted instead.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	picture, trained := filepath.Join(dir, "a.png"), newModel(t, expr.Shape{28, 28, 1})
	writePicture(t, picture, 28, 1, true)
	for _, r := range []refused{
		{[]string{"scroe"}, 2, `unknown command "scroe" for "joule": did you mean score`},
		{[]string{"eval", "odd"}, 2, "did you mean ood?"},
		{[]string{"xyzzy"}, 2, `unknown command "xyzzy" for "joule"`},
		{[]string{"score", picture, trained}, 2, "RUN comes first"},
		{[]string{"watch", picture, trained}, 2, "RUN comes first"},
		{[]string{"train", "--iterations", "1e4"}, 2, `--iterations is "1e4": want a whole number, written 10000`},
		{[]string{"train", "--iterations", "many"}, 2, "want a whole number"},
		{[]string{"train", "--for", "1d"}, 2, "a day is 24h"},
		{[]string{"train", "--for", "90"}, 2, "90s or 90m"},
		{[]string{"train", "--seed", "-1"}, 2, "want a whole number, 0 or more"},
		{[]string{"watch", trained, dir, "--alarm-every", "often"}, 2, "want a number"},
		{[]string{"score", trained, picture, "--false-alarm", "two"}, 2, "such as 1%"},
		{[]string{"train", "--data", "~/photos"}, 1, "~ was not expanded"},
	} {
		r.check(t)
	}
}

// A label may have a comma in its name; others are listed with commas between.
func TestLabelsWithCommas(t *testing.T) {
	m, err := openModel(newModel(t, expr.Shape{28, 28, 1}, "1", "blue", "red, big"))
	if err != nil {
		t.Fatal(err)
	}
	m.Unlearnt = []string{"1"}
	for text, want := range map[string][]int32{"red, big": {2}, "blue": {1}, `blue,"red, big"`: {1, 2}, "blue,2": {1, 2}, "": {1, 2}, "1": nil, "red": nil} {
		var texts []string
		if text != "" {
			texts = []string{text}
		}
		got, err := chooseLabels(m, texts)
		if (err != nil) != (want == nil) || len(got) != len(want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
		for i := range want {
			if len(got) == len(want) && got[i] != want[i] {
				t.Errorf("%q: %v, want %v", text, got, want)
			}
		}
	}
}
