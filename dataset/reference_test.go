package dataset_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/joule-ebm/joule/dataset"
)

func TestReferences(t *testing.T) {
	literal := filepath.Join(t.TempDir(), "photos:test")
	if err := os.WriteFile(literal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ ref, name, split, unseen, orTest string }{
		{"mnist", "mnist", "", "mnist:test", "mnist:test"},
		{"mnist:train", "mnist", "train", "mnist:test", "mnist:train"},
		{"mnist:test", "mnist", "test", "mnist:test", "mnist:test"},
		{"a:b.zip:val", "a:b.zip", "val", "a:b.zip:val", "a:b.zip:val"},
		{"C:/photos", "C:/photos", "", "C:/photos:test", "C:/photos:test"},
		{literal, literal, "", literal + ":test", literal + ":test"},
	} {
		r := dataset.ParseReference(c.ref)
		if r.Name != c.name || r.Split != c.split || r.String() != c.ref {
			t.Errorf("%s is taken for %q, split %q", c.ref, r.Name, r.Split)
		}
		if got := r.Unseen().String(); got != c.unseen {
			t.Errorf("%s: unseen images are looked for in %s, want %s", c.ref, got, c.unseen)
		}
		if got := r.OrSplit(dataset.Test).String(); got != c.orTest {
			t.Errorf("%s or its test split is %s, want %s", c.ref, got, c.orTest)
		}
	}
}

func TestContrast(t *testing.T) {
	gray, colour := dataset.Size{Height: 28, Width: 28, Channels: 1}, dataset.Size{Height: 32, Width: 32, Channels: 3}
	for _, c := range []struct {
		ref  string
		size dataset.Size
		want string
	}{
		{"mnist", gray, "fashion-mnist"}, {"mnist:test", gray, "fashion-mnist"}, {"fashion-mnist", gray, "mnist:test"},
		{"photos", gray, "fashion-mnist"}, {"photos", colour, "mnist:test"}, {"mnist", colour, "fashion-mnist"}, {"mnist-c.zip", gray, "fashion-mnist"},
	} {
		if got := dataset.Contrast(c.ref, c.size); got != c.want {
			t.Errorf("%s of %v is contrasted with %s, want %s", c.ref, c.size, got, c.want)
		}
	}
}

func TestShortName(t *testing.T) {
	for ref, want := range map[string]string{
		"mnist:test": "mnist:test", "/data/photos.zip": "photos.zip", "/data/parts/train": filepath.Join("parts", "train"), "train": "train",
		"/data/parts/test, held out of training": filepath.Join("parts", "test, held out of training"), "a/b/": "b",
	} {
		if got := dataset.ShortName(ref); got != want {
			t.Errorf("%s for short is %s, want %s", ref, got, want)
		}
	}
}
