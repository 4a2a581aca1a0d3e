package model_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/joule-ebm/joule/model"
)

func TestTrainedOn(t *testing.T) {
	dir := t.TempDir()
	photos, link := filepath.Join(dir, "photos"), filepath.Join(dir, "link")
	if err := os.Mkdir(photos, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(photos, link); err != nil {
		t.Skip("no links here: ", err)
	}
	for _, c := range []struct {
		data, ref string
		want      bool
	}{
		{"mnist", "mnist", true}, {"mnist", "mnist:train", true}, {"mnist", "mnist:test", false}, {"mnist:test", "mnist", false},
		{"mnist", "fashion-mnist", false}, {photos, photos, true}, {photos, link, true}, {photos, photos + "/", true},
		{photos, link + ":test", false}, {photos, dir, false}, {"", photos, false}, {filepath.Join(dir, "gone"), photos, false},
	} {
		config := model.Config{Data: c.data}
		if got := config.TrainedOn(c.ref); got != c.want {
			t.Errorf("trained on %q: %q is %v, want %v", c.data, c.ref, got, c.want)
		}
	}
}
