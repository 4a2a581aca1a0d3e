package model_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/joule-ebm/joule/dataset"
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

// A composition knows the data of the part that leads, whatever of them that has learnt, and that they have changed.
func TestDataOfACompositionAreThoseOfItsPart(t *testing.T) {
	dir := t.TempDir()
	table := func(last string) { // the class and the number of the last image
		text := "file,label,x\n"
		for i := range 20 {
			text += fmt.Sprintf("%02d.png,", i)
			if i < 19 {
				text += fmt.Sprintf("%s,%d\n", []string{"off", "on"}[i%2], i)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "labels.csv"), []byte(text+last+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		picture := image.NewGray(image.Rect(0, 0, 12, 12))
		for p := range picture.Pix {
			picture.Pix[p] = uint8(p*i*7 + i)
		}
		var file bytes.Buffer
		if err := png.Encode(&file, picture); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.png", i)), file.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	table("on,19")
	learnt := func(m *model.Model) *model.Model {
		m.Config.Data = dir
		set, err := dataset.Open(t.Context(), dir, m.Config.PictureSize())
		if err != nil {
			t.Fatal(err)
		}
		is := m.Config.FingerprintOf(set)
		m.Config.Fingerprint = &is
		return m
	}
	parts := map[string]*model.Model{
		"plain":   learnt(untrained(t, 1, nil, nil)),
		"classes": learnt(untrained(t, 2, []string{"off", "on"}, nil)),
		"numbers": learnt(ofNumbers(t, model.Number{"x", 0, 19})),
	}
	composed := func(expression string) *model.Model { return compose(t, expression, used(parts, expression)) }
	parts["inner"] = composed("numbers:x=3 & plain")
	for expression, learns := range map[string]bool{
		"plain": false, "plain & classes:on": false, "!classes:on & plain": false, "classes": true, "classes:on": true, "classes:on & plain": true, "!classes:on": true,
		"numbers": true, "numbers:x=3": true, "inner": true, "0.5*inner & plain": true,
	} {
		m := composed(expression)
		table("on,19")
		if _, _, err := m.Config.OpenData(t.Context()); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
		table("off,20")
		if _, _, err := m.Config.OpenData(t.Context()); errors.Is(err, model.ErrDataChanged) != learns {
			t.Errorf("%s: with another class and number of an image: %v", expression, err)
		}
	}
}
