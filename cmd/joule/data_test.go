package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
)

func TestDataLook(t *testing.T) {
	dir := t.TempDir()
	for i := range 6 {
		writePicture(t, filepath.Join(dir, "train", "good", fmt.Sprintf("%d.png", i)), 12, i, i < 3)
		writePicture(t, filepath.Join(dir, "test", "bent", fmt.Sprintf("%d.png", i)), 12, i, false)
	}
	sheet := filepath.Join(t.TempDir(), "sheet.png")
	code, out, stderr := joule("data", "look", dir, "-o", sheet, "--images", "4", "--tile", "10")
	if code != 0 || stderr != "" || !strings.Contains(out, "taken      6 of train/good\n") || !strings.Contains(out, "12x12, 3 of 6 in colour") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
	img, err := dataset.ReadImage(strings.NewReader(string(readFile(t, sheet))), dataset.Size{})
	if err != nil || img.Height < 20 || img.Width < 20 || img.Channels != 3 {
		t.Errorf("the contact sheet is %v, %v", img.Size, err)
	}
	code, out, _ = joule("data", "look", dir, "--json")
	var v dataset.Overview
	if err := json.Unmarshal([]byte(out), &v); code != 0 || err != nil || v.Images != 6 || v.Format != "pictures" || len(v.LeftOut) != 1 {
		t.Errorf("exit code %d, %v: %+v", code, err, v)
	}
	refused{[]string{"data", "look", dir, "--tile", "0"}, 2, "--tile"}.check(t)
	refused{[]string{"data", "look", dir + "/nothing"}, 1, "no such file"}.check(t)
}

// What is packed is trained on as what it was packed from.
func TestDataPack(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "set.npy")
	for i := range 12 {
		writePicture(t, filepath.Join(dir, "abc"[i%3:][:1], fmt.Sprintf("%d.png", i)), 12, i, false)
	}
	code, out, stderr := joule("data", "pack", dir, "-o", file, "--image", "8,8,3")
	if code != 0 || stderr != "" || !strings.Contains(out, "12 images of 8x8x3") {
		t.Fatalf("exit code %d, %s%s", code, out, stderr)
	}
	sets := map[string]dataset.Fingerprint{}
	for _, ref := range []string{dir, file} {
		set, err := dataset.Open(t.Context(), ref, dataset.Size{Height: 8, Width: 8, Channels: 3})
		if err != nil {
			t.Fatal(err)
		}
		sets[ref] = set.Fingerprint()
	}
	if sets[dir] != sets[file] {
		t.Errorf("packed %+v from %+v", sets[file], sets[dir])
	}
	refused{[]string{"data", "pack", dir, "-o", file, "--image", "8,8,3"}, 1, "there already"}.check(t)
	refused{[]string{"data", "pack", dir}, 2, "want a name ending in .npy"}.check(t)
	refused{[]string{"data", "pack", dir, "-o", "x.npy", "--image", "8"}, 2, "--image"}.check(t)
	refused{[]string{"data", "pack", dir, "-o", "x.npy", "--image", "0,0,0"}, 2, "--image is [0 0 0]: want"}.check(t)
	refused{[]string{"data", "look", dir, "--images", "4"}, 2, "--images is of the contact sheet: give --output"}.check(t)
}
