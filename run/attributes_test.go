package run_test

import (
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// spots is a folder of n pictures of a bright or dim spot, to the left or the right, and a table of that.
func spots(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	rows := [][]string{{"file", "tone", "x"}}
	for i := range n {
		tone, x := []string{"bright", "dim"}[i%2], 3+i%6
		picture := image.NewGray(image.Rect(0, 0, 12, 12))
		for k := range 9 {
			picture.Set(x+k%3-1, 5+k/3, color.Gray{uint8(250 - 120*(i%2))})
		}
		name := fmt.Sprintf("%03d.png", i)
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, picture); err != nil {
			t.Fatal(err)
		}
		f.Close()
		rows = append(rows, []string{name, tone, fmt.Sprint(float64(x) / 12)})
	}
	f, err := os.Create(filepath.Join(dir, "spots.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := csv.NewWriter(f).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A class that no training image is of is not learnt, though an image held out may be of it.
func TestClassOfHeldOutImages(t *testing.T) {
	data := spots(t, 60)
	c := config(t, data, "attribute=tone", "network.conditional=true", "limits.iterations=1", "output.noise=0")
	table := filepath.Join(data, "spots.csv")
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		name := fmt.Sprintf("%03d.png", i)
		changed := regexp.MustCompile(name+",[a-z]+").ReplaceAll(text, []byte(name+",rare"))
		if err := os.WriteFile(table, changed, 0o666); err != nil {
			t.Fatal(err)
		}
		set, err := dataset.Open(t.Context(), data, dataset.Size{Height: 12, Width: 12, Channels: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := set.LabelBy("tone"); err != nil {
			t.Fatal(err)
		}
		training, _, err := c.Split(set)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(training.Labels, set.Class("rare")) {
			continue // not held out
		}
		at := filepath.Join(t.TempDir(), "run")
		start(t, at, c)
		m, err := model.Open(at)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(m.Classes, []string{"bright", "dim", "rare"}) || !slices.Equal(m.Unlearnt, []string{"rare"}) {
			t.Errorf("classes %v, not learnt %v", m.Classes, m.Unlearnt)
		}
		return
	}
	t.Fatal("no image is held out")
}

// A model of an attribute has a class for each of its values; what is excluded, no part of the run sees.
func TestAttributes(t *testing.T) {
	data, at := spots(t, 60), filepath.Join(t.TempDir(), "run")
	start(t, at, config(t, data, "attribute=tone", "network.conditional=true", "exclude=x=0.25&tone=bright", "limits.iterations=12"))
	m, err := model.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Classes, []string{"bright", "dim"}) || m.Config.Attribute != "tone" {
		t.Errorf("classes %q of %q", m.Classes, m.Config.Attribute)
	}
	training, heldOut, err := m.Config.OpenData(t.Context())
	if err != nil || training.Len()+heldOut.Len() != 50 {
		t.Errorf("%d images, and %d held out (%v), of 50", training.Len(), heldOut.Len(), err)
	}
	for change, words := range map[string]string{
		"attribute=size":  `no attribute "size": the images have tone, x`,
		"exclude=tone":    "setting exclude",
		"exclude=tone=no": "tone is one of bright, dim",
	} {
		c := config(t, data, "network.conditional=true")
		key, value, _ := strings.Cut(change, "=")
		switch key {
		case "attribute":
			c.Attribute = value
		default:
			c.Exclude = value
		}
		if _, err := run.Start(t.Context(), filepath.Join(t.TempDir(), "run"), c, run.Options{Threads: 1}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", change, err, words)
		}
	}
}

// A model of a number and an attribute has an energy for all of their values together, is resumed as if it had not been interrupted, and is told of in its file.
func TestNumbers(t *testing.T) {
	data := spots(t, 60)
	c := config(t, data, "network.numbers=x,tone", "limits.iterations=12")
	at, killed := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	start(t, at, c)
	interrupted(t, killed, c, 5)
	resume(t, killed, nil)
	want, got := kept(t, at), kept(t, killed)
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s differs after an interruption", name)
		}
	}
	m, err := model.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	numbers := []model.Number{{Name: "x", Min: 0.25, Max: 8. / 12}, {Name: "tone=bright", Max: 1}, {Name: "tone=dim", Max: 1}}
	if !slices.Equal(m.Numbers, numbers) || m.Classes != nil || m.Energy.Classes != 3 {
		t.Errorf("numbers %v, classes %v, a label of length %d", m.Numbers, m.Classes, m.Energy.Classes)
	}
	c.Network.Numbers = []string{"size"}
	if _, err := run.Start(t.Context(), filepath.Join(t.TempDir(), "run"), c, run.Options{Threads: 1}); err == nil || !strings.Contains(err.Error(), `no number "size" (the images have x) and no attribute "size": the images have tone`) {
		t.Errorf("a number that is not there: %v", err)
	}
}
