package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/expr"
)

// scoreJSON scores by a command that must work.
func scoreJSON(t *testing.T, args ...string) (result []detect.Scored) {
	t.Helper()
	if err := json.Unmarshal([]byte(mustJoule(t, append([]string{"score", "--json"}, args...)...)), &result); err != nil {
		t.Fatal(err)
	}
	return result
}

func TestScoreFormats(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{12, 12, 1}), t.TempDir()
	for i, name := range []string{"a.png", "b/b,\"1\".png", "b/c/d.png"} {
		writePicture(t, filepath.Join(dir, name), 12, i, true)
	}
	want := scoreJSON(t, trained, dir)
	if len(want) != 3 || want[1].Image != dir+`/b/b,"1".png` || want[0].Energy == want[1].Energy || want[0].Resized {
		t.Fatalf("scores %+v", want)
	}

	records, err := csv.NewReader(strings.NewReader(mustJoule(t, "score", trained, dir, "--format", "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 4 || strings.Join(records[0], " ") != "image energy resized score p q out_of_distribution" {
		t.Fatalf("CSV %q", records)
	}
	lines := strings.Split(mustJoule(t, "score", trained, dir), "\n")
	if len(lines) != 4 {
		t.Fatalf("table %q", lines)
	}
	for i, s := range want {
		if r := records[i+1]; r[0] != s.Image || r[1] != strconv.FormatFloat(float64(s.Energy), 'g', -1, 32) || r[2] != "false" || r[3] != r[1] || r[4]+r[5]+r[6] != "" {
			t.Errorf("CSV row %q, want %+v", r, s)
		}
		if row := fmt.Sprintf("%12.6f  %s", s.Energy, s.Image); lines[i] != row {
			t.Errorf("row %q, want %q", lines[i], row)
		}
		// An image has the same energy alone, and twice.
		if alone := scoreJSON(t, trained, s.Image, s.Image, "--threads", "1"); len(alone) != 2 || !reflect.DeepEqual(alone, []detect.Scored{s, s}) {
			t.Errorf("alone %+v, want %+v", alone, s)
		}
	}
}

// Archives and built-in data sets go through in batches.
func TestScoreMany(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{12, 12, 1}), t.TempDir()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for i := range 300 {
		picture := filepath.Join(dir, fmt.Sprintf("%03d.png", i))
		writePicture(t, picture, 12, i%100, true)
		entry, err := w.Create(filepath.Base(picture))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write(readFile(t, picture)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	zipped := filepath.Join(t.TempDir(), "many.zip")
	writeFile(t, zipped, archive.Bytes())
	result := scoreJSON(t, trained, zipped)
	if len(result) != 300 {
		t.Fatalf("%d scores", len(result))
	}
	for i, s := range result {
		if s.Image != fmt.Sprintf("%s/%03d.png", zipped, i) || s.Energy != result[i%100].Energy {
			t.Fatalf("image %d: %+v", i, s)
		}
	}

	code, out, warning := joule("score", trained, "fashion-mnist", "--format", "csv")
	if code != 0 || strings.Count(out, "\n") != 10_001 || !strings.Contains(warning, "of 10000 images 10000 were scaled or cropped to 12x12") {
		t.Errorf("exit code %d, %d lines, warning %q", code, strings.Count(out, "\n"), warning)
	}
}

// Sizes and colours are made to fit: with a warning where that may change what the picture shows.
func TestScoreConverts(t *testing.T) {
	grey, colour, dir := newModel(t, expr.Shape{12, 12, 1}), newModel(t, expr.Shape{12, 12, 3}), t.TempDir()
	writePicture(t, filepath.Join(dir, "a.png"), 12, 1, true)
	scoreJSON(t, grey, dir)
	scoreJSON(t, colour, dir)

	writePicture(t, filepath.Join(dir, "b.png"), 30, 1, true)
	for _, trained := range []string{grey, colour} {
		code, out, warning := joule("score", trained, dir, "--json")
		var result []detect.Scored
		if err := json.Unmarshal([]byte(out), &result); err != nil {
			t.Fatal(err)
		}
		if code != 0 || len(result) != 2 || result[0].Resized || !result[1].Resized {
			t.Errorf("exit code %d, %+v", code, result)
		}
		if strings.Count(warning, "\n") != 1 || !strings.Contains(warning, "of 2 images 1 were scaled or cropped to 12x12, such as "+dir+"/b.png") {
			t.Errorf("warning %q", warning)
		}
	}
	writePicture(t, filepath.Join(dir, "c.png"), 12, 1, false)
	if code, _, warning := joule("score", grey, dir); code != 0 || !strings.Contains(warning, "of 3 images 1 were scaled or cropped to 12x12 and 1 lost their colours") {
		t.Errorf("exit code %d, warning %q", code, warning)
	}
}

// A bad image, or a bad path, costs neither the others nor the exit code's honesty.
func TestScoreGoesOn(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{12, 12, 1}), t.TempDir()
	writePicture(t, filepath.Join(dir, "a.png"), 12, 1, true)
	writePicture(t, filepath.Join(dir, "c.png"), 12, 2, true)
	whole := readFile(t, filepath.Join(dir, "c.png"))
	writeFile(t, filepath.Join(dir, "b.png"), whole[:len(whole)/2])

	for _, format := range []string{"table", "csv", "json"} {
		code, out, stderr := joule("score", trained, dir, filepath.Join(dir, "missing"), filepath.Join(dir, "a.png"), "--format", format)
		if code != 1 || strings.Count(out, ".png") != 3 || strings.Contains(out, "b.png") {
			t.Errorf("%s: exit code %d, %s", format, code, out)
		}
		if format == "json" && !json.Valid([]byte(out)) {
			t.Errorf("no JSON: %s", out)
		}
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		if len(lines) != 3 || !strings.Contains(lines[0], "b.png: ") || !strings.Contains(lines[1], "missing: no such file") ||
			lines[2] != "joule: 3 images scored, 2 could not be: see above" {
			t.Errorf("%s: stderr %q", format, lines)
		}
	}
}

func TestScoreLabels(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{12, 12, 1}, "cat", "dog"), t.TempDir()
	picture := filepath.Join(dir, "a.png")
	writePicture(t, picture, 12, 1, true)
	cat, dog := scoreJSON(t, trained, picture, "--label", "cat")[0].Energy, scoreJSON(t, trained, picture, "--label", "1")[0].Energy
	mixture := -math.Log(math.Exp(-float64(cat)) + math.Exp(-float64(dog)))
	if got := scoreJSON(t, trained, picture)[0].Energy; math.Abs(float64(got)-mixture) > 1e-6 || cat == dog {
		t.Errorf("energy %v; cat %v, dog %v, so the mixture has %v", got, cat, dog, mixture)
	}
}

func TestScoreRefuses(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{12, 12, 1}), t.TempDir()
	writeFile(t, filepath.Join(dir, "text.png"), []byte("no picture"))
	writeFile(t, filepath.Join(dir, "none", "readme.txt"), []byte("no picture"))
	for _, r := range []refused{
		{[]string{dir + "/missing"}, 1, "no such file or folder"},
		{[]string{dir + "/none"}, 1, "holds no pictures"},
		{[]string{dir + "/text.png"}, 1, "text.png: not a picture"},
		{[]string{dir + "/none", "--format", "xml"}, 2, "table, csv or json"},
		{[]string{dir + "/none", "--format", "csv", "--json"}, 2, "format json"},
		{[]string{dir + "/none", "--threads", "99999999"}, 2, "--threads is 99999999: want 0 to 1024"},
		{[]string{dir + "/none", "--threads", "18446744073709551614"}, 2, "--threads is -2: want 0 to 1024"},
		{[]string{dir + "/none", "--label", ""}, 2, "--label is empty"},
		{[]string{dir + "/none", "--label", "3"}, 2, "unconditional"},
	} {
		t.Run(strings.Join(r.args, " "), func(t *testing.T) {
			r.args = append([]string{"score", trained}, r.args...)
			r.check(t)
		})
	}
}
