package run_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
