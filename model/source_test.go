package model_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/model"
)

// small is a model with random parameters.
func small(t *testing.T) *model.Model {
	t.Helper()
	c := model.Paper()
	c.Network.Filters, c.Network.Image = 2, []int{12, 12, 1}
	e, err := c.NewEnergy(0)
	if err != nil {
		t.Fatal(err)
	}
	params, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c, nil, energy.InitialValues(params.Specs(), 1))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What is stored in 16 bits is half as long, and the nearest that these can hold; a calibration is of what was there before.
func TestSaveHalf(t *testing.T) {
	m, at := small(t), filepath.Join(t.TempDir(), "half.safetensors")
	m.Calibration = []byte(`{}`)
	if err := m.SaveHalf(at); err != nil {
		t.Fatal(err)
	}
	half, err := model.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	if half.Calibration != nil || m.Calibration == nil {
		t.Error("the calibration is kept in the file, or lost in the model")
	}
	changed := 0
	for name, values := range m.Params {
		for i, v := range values {
			d := math.Abs(float64(v - half.Params[name][i]))
			if d > math.Abs(float64(v))/2048+0x1p-25 {
				t.Fatalf("%s[%d] is %v, and %v in 16 bits", name, i, v, half.Params[name][i])
			}
			if d > 0 {
				changed++
			}
		}
	}
	if changed == 0 {
		t.Error("nothing was rounded")
	}
	for _, values := range m.Params {
		values[0] = 1e5
		break
	}
	if err := m.SaveHalf(at); err == nil || !strings.Contains(err.Error(), "which 16 bits cannot") {
		t.Errorf("a number beyond the range: %v", err)
	}
}

func TestSources(t *testing.T) {
	at := filepath.Join(t.TempDir(), "model.safetensors")
	if err := small(t).Save(at); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	source := func(name string) ([]byte, error) {
		switch name {
		case "good":
			return content, nil
		case "bad":
			return content[:100], nil
		}
		return nil, errors.New("the shelf has no " + name)
	}
	if err := model.RegisterSource("shelf", source); err != nil {
		t.Fatal(err)
	}
	m, err := model.Open("shelf:good")
	if err != nil || m.Path != "shelf:good" || m.Parameters() == 0 {
		t.Fatalf("%v, %+v", err, m)
	}
	for path, words := range map[string]string{"shelf:none": "no none", "shelf:bad": "shelf:bad: ", "board:good": "no such run directory"} {
		if _, err := model.Open(path); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := m.SaveCalibration([]byte(`{}`)); err == nil || !strings.Contains(err.Error(), "not yours to change") {
		t.Errorf("its file is written: %v", err)
	}
	for _, name := range []string{"shelf", "", "a:b", "a/b"} {
		if err := model.RegisterSource(name, source); err == nil {
			t.Errorf("a source called %q is registered", name)
		}
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("shelf:good", content, 0o666); err != nil {
		t.Skip(err) // such a name cannot be here
	}
	if _, err := model.Open("shelf:good"); err == nil || !strings.Contains(err.Error(), "./shelf:good") {
		t.Errorf("a file of the same name: %v", err)
	}
	if m, err := model.Open("./shelf:good"); err != nil || m.Path != "./shelf:good" {
		t.Errorf("that file: %v", err)
	}
}
