package run_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// from is a run that has been trained, and the configuration that begins with its weights, on other images.
func from(t *testing.T, changes ...string) (taught string, c run.Config) {
	t.Helper()
	taught = filepath.Join(t.TempDir(), "taught")
	start(t, taught, config(t, stripes(t, t.TempDir(), 60, 1), "limits.iterations=8"))
	c, err := run.From(taught)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append([]string{"data=" + stripes(t, t.TempDir(), 60, 2)}, changes...) {
		if err := settings.Set(&c, s); err != nil {
			t.Fatal(err)
		}
	}
	return taught, c
}

// Training that begins with a model has its weights and settings, and is by its own data.
func TestFrom(t *testing.T) {
	taught, c := from(t, "limits.iterations=1", "optimiser.learning_rate=0", "optimiser.average=0")
	before, err := model.Open(taught)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	start(t, dir, c)
	after, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(before.Params, after.Params, slices.Equal) {
		t.Error("without learning the weights are not those of the model it began with")
	}
	if after.Config.Data != c.Data || after.Config.Network.Filters != before.Config.Network.Filters || *after.Config.Fingerprint == *before.Config.Fingerprint {
		t.Errorf("it was trained on %s with %d filters", after.Config.Data, after.Config.Network.Filters)
	}
	if own, err := run.ConfigOf(after); err != nil || own.From != taught {
		t.Errorf("the model says that it began with %q, %v", own.From, err)
	}
}

// What a run begins with is needed once: it goes on without, also after it has gone back to its beginning, and comes to the same.
func TestFromIsNeededOnce(t *testing.T) {
	taught, c := from(t)
	whole, parted := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "parted")
	start(t, whole, c)
	interrupted(t, parted, c, 3)
	if err := os.RemoveAll(taught); err != nil {
		t.Fatal(err)
	}
	resume(t, parted, nil)
	sameRun(t, "resumed without the model", kept(t, parted), kept(t, whole))
}

// Processes that train together begin with the same weights.
func TestFromInGroup(t *testing.T) {
	_, c := from(t)
	alone := filepath.Join(t.TempDir(), "alone")
	start(t, alone, c)
	at := filepath.Join(t.TempDir(), "together")
	succeed(t, inGroup(t, 2, at, func(_ int, at string, o run.Options) error {
		_, err := run.Start(t.Context(), at, c, o)
		return err
	}))
	sameRun(t, "two processes", kept(t, at), kept(t, alone))
}

// A model that cannot be begun with is refused in a line, and leaves no run behind that would begin without it.
func TestFromAnother(t *testing.T) {
	taught, _ := from(t)
	for _, k := range []struct{ change, words string }{
		{"network.filters=3", "network.filters"},
		{"network.norm=layer", "network.norm"},
		{"network.kernel=plain", "network.kernel"},
		{"network.name=mnist", "network.name"},
		{"network.conditional=true", "conditional"},
		{"from=" + filepath.Join(t.TempDir(), "gone"), "no such"},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		_, err := run.Start(t.Context(), dir, config(t, stripes(t, t.TempDir(), 60, 2), "from="+taught, k.change), run.Options{Threads: 1})
		checkLine(t, err, "setting from", k.words)
		if err := run.Vacant(dir); err != nil {
			t.Errorf("%s: %v", k.change, err)
		}
	}
	if _, err := run.From(filepath.Join(t.TempDir(), "gone")); err == nil || !strings.Contains(err.Error(), "no such") {
		t.Error(err)
	}
}

// Weights of other classes or numbers, or of these in another order, would mean something else.
func TestFromOtherConditions(t *testing.T) {
	data, renamed := spots(t, 60), spots(t, 60) // with other names of classes, in another order, and another range of x
	table := filepath.Join(renamed, "spots.csv")
	text, err := os.ReadFile(table)
	if err == nil {
		err = os.WriteFile(table, []byte(strings.NewReplacer("bright", "zinc", "dim", "ash", ",0.25", ",0.1").Replace(string(text))), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	numbers, classes := filepath.Join(t.TempDir(), "numbers"), filepath.Join(t.TempDir(), "classes")
	byClass := []string{"attribute=tone", "network.conditional=true", "limits.iterations=1"}
	xs := filepath.Join(t.TempDir(), "x")
	start(t, numbers, config(t, data, "network.numbers=x,tone", "limits.iterations=1"))
	start(t, xs, config(t, data, "network.numbers=x", "limits.iterations=1"))
	start(t, classes, config(t, data, byClass...))
	for _, c := range []run.Config{
		config(t, data, "network.numbers=tone,x", "from="+numbers),
		config(t, data, "network.numbers=tone", "from="+classes),
		config(t, renamed, append(byClass, "from="+classes)...),
	} {
		_, err := run.Start(t.Context(), filepath.Join(t.TempDir(), "run"), c, run.Options{Threads: 1})
		checkLine(t, err, "setting from", "conditional on")
	}
	o, log := logged()
	c := config(t, renamed, "network.numbers=x", "limits.iterations=1", "from="+xs)
	if _, err := run.Start(t.Context(), filepath.Join(t.TempDir(), "run"), c, o); err != nil || !strings.Contains(log.String(), "other ranges") {
		t.Errorf("numbers of another range: %v, %s", err, log)
	}
}

// The data of a model are found beside it, from wherever it is begun with.
func TestFromFindsTheData(t *testing.T) {
	home := t.TempDir()
	t.Chdir(home)
	stripes(t, home, 60, 1)
	start(t, "runs/a", config(t, dataFile, "limits.iterations=1"))
	t.Chdir(t.TempDir())
	c, err := run.From(filepath.Join(home, "runs", "a"))
	if err != nil {
		t.Fatal(err)
	}
	start(t, "run", c)
}

// A run that was killed before its first checkpoint begins with the same model, wherever it is resumed.
func TestFromElsewhere(t *testing.T) {
	data, home, other, at := stripes(t, t.TempDir(), 60, 1), t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "run")
	for dir, seed := range map[string]string{home: "seed=1", other: "seed=2"} {
		t.Chdir(dir)
		start(t, "runs/mnist", config(t, data, "limits.iterations=1", seed))
	}
	t.Chdir(home)
	start(t, at, config(t, data, "limits.iterations=1", "from=runs/mnist"))
	want := kept(t, at)
	for name := range want {
		if name != "config.yaml" {
			if err := os.Remove(filepath.Join(at, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, more := range []string{"checkpoint", "checkpoint.previous", "checkpoint.stopped"} {
		os.Remove(filepath.Join(at, more))
	}
	t.Chdir(other)
	resume(t, at, nil)
	sameRun(t, "resumed elsewhere", kept(t, at), want)
}

// Images held out that the model to begin with has seen are warned of.
func TestFromHeldOut(t *testing.T) {
	data, taught := stripes(t, t.TempDir(), 60, 1), filepath.Join(t.TempDir(), "taught")
	start(t, taught, config(t, data, "limits.iterations=1"))
	for seed, warned := range map[uint64]bool{1: false, 9: true} {
		c, err := run.From(taught)
		if err != nil {
			t.Fatal(err)
		}
		o, log := logged()
		c.Seed = seed
		if _, err := run.Start(t.Context(), filepath.Join(t.TempDir(), "run"), c, o); err != nil || strings.Contains(log.String(), "other images are held out") != warned {
			t.Errorf("seed %d: %v\n%s", seed, err, log)
		}
	}
}

// A model that does not say how it was trained has no settings to begin with.
func TestFromImported(t *testing.T) {
	taught, file := filepath.Join(t.TempDir(), "taught"), filepath.Join(t.TempDir(), "imported.safetensors")
	start(t, taught, config(t, stripes(t, t.TempDir(), 60, 1), "limits.iterations=1"))
	m, err := model.Open(taught)
	if err != nil {
		t.Fatal(err)
	}
	m.Training = ""
	if err := m.Save(file); err != nil {
		t.Fatal(err)
	}
	_, err = run.From(file)
	checkLine(t, err, "--set from=")
}

// Processes whose files differ are told of the weights, before a run comes to be.
func TestFromOtherFilesInGroup(t *testing.T) {
	data := stripes(t, t.TempDir(), 60, 1)
	var files [2][]byte
	for i := range files {
		dir := filepath.Join(t.TempDir(), "taught")
		start(t, dir, config(t, data, "limits.iterations=2", fmt.Sprintf("seed=%d", i+1)))
		content, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		files[i] = content
	}
	var calls atomic.Int32
	if err := model.RegisterSource("turns", func(string) ([]byte, error) { return files[calls.Add(1)%2], nil }); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "run")
	for _, err := range inGroup(t, 2, at, func(_ int, at string, o run.Options) error {
		_, err := run.Start(t.Context(), at, config(t, data, "from=turns:x"), o)
		return err
	}) {
		checkLine(t, err, "weights to begin with", "turns:x")
	}
	if err := run.Vacant(at); err != nil {
		t.Error(err)
	}
}
