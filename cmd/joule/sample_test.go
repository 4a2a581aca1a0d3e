package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/gif"
	"image/png"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

func decodePNG(t *testing.T, path string) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(readFile(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// The same seed makes the same picture, for any number of threads; another seed makes another.
func TestSampleIsReproducible(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{12, 12, 1}), t.TempDir()
	picture := func(args ...string) []byte {
		path := filepath.Join(dir, "grid.png")
		out := mustJoule(t, append([]string{"sample", trained, "-o", path}, args...)...)
		if !strings.Contains(out, path) {
			t.Errorf("where the picture is: %q", out)
		}
		return readFile(t, path)
	}
	want := picture("--seed", "5", "--threads", "1")
	if !bytes.Equal(picture("--seed", "5", "--threads", "3"), want) {
		t.Error("three threads give another picture")
	}
	if !bytes.Equal(picture("--seed", "5", "--gif", filepath.Join(dir, "chains.gif")), want) {
		t.Error("looking at the chains gives another picture")
	}
	if bytes.Equal(picture("--seed", "6"), want) {
		t.Error("another seed gives the same picture")
	}
	if bytes.Equal(picture("--seed", "5", "--steps", "1"), want) {
		t.Error("shorter chains give the same picture")
	}
	if left := names(t, dir); !slices.Equal(left, []string{"chains.gif", "grid.png"}) {
		t.Errorf("the directory holds %q", left)
	}
}

// Another sampler, other settings and hot starts make other pictures; a step that is tested may be refused.
func TestSampleByAnotherSampler(t *testing.T) {
	trained, path := newModel(t, expr.Shape{12, 12, 1}), filepath.Join(t.TempDir(), "grid.png")
	seen := map[string][]string{}
	for _, args := range [][]string{
		{}, {"--anneal", "1000"}, {"--set", "sampler.step_size=1"},
		{"--sampler", "mala", "--set", "sampler.temperature=0.01", "--set", "sampler.step_size=0.02"},
		{"--sampler", "mala", "--set", "sampler.temperature=0.01", "--set", "sampler.step_size=0.02", "--anneal", "4"},
	} {
		out := mustJoule(t, append([]string{"sample", trained, "-n", "4", "--steps", "6", "-o", path}, args...)...)
		picture := string(readFile(t, path))
		if other, ok := seen[picture]; ok {
			t.Errorf("%q give the picture of %q", args, other)
		}
		seen[picture] = args
		if slices.Contains(args, "--sampler") != strings.Contains(out, "were accepted") {
			t.Errorf("%q: %s", args, out)
		}
	}
	if _, _, stderr := joule("sample", trained, "-n", "4", "--steps", "6", "-o", path, "--sampler", "mala"); !strings.Contains(stderr, "take a shorter step") {
		t.Errorf("steps of λ = 100, tested: %s", stderr)
	}
	for _, r := range []refused{
		{[]string{"sample", trained, "-o", path, "--sampler", "nuts"}, 2, "want langevin, hmc or mala"},
		{[]string{"sample", trained, "-o", path, "--anneal", "0.5"}, 2, "--anneal is 0.5: want 1 or more"},
		{[]string{"sample", trained, "-o", path, "--set", "seed=3"}, 2, "a setting of how images are drawn"},
		{[]string{"sample", trained, "-o", path, "--set", "sampler.steps=0"}, 2, "sampler.steps"},
	} {
		r.check(t)
	}
}

// What another kind of sampler does not have is left out, and said to be.
func TestSampleSaysWhatASamplerLacks(t *testing.T) {
	trained, path := newModel(t, expr.Shape{12, 12, 1}), filepath.Join(t.TempDir(), "grid.png")
	m, err := model.Open(trained)
	if err != nil {
		t.Fatal(err)
	}
	m.Config.Sampler.Coarse, m.Config.Sampler.Anneal = 2, true
	if err := m.Save(m.Path); err != nil {
		t.Fatal(err)
	}
	for kind, lacks := range map[string]bool{"langevin": false, "mala": true, "hmc": true} {
		code, _, stderr := joule("sample", trained, "-n", "2", "--steps", "2", "-o", path, "--sampler", kind)
		if code != 0 {
			t.Fatalf("%s: %s", kind, stderr)
		}
		for _, line := range []string{"without sampler.coarse=2", "without sampler.anneal=true"} {
			if strings.Contains(stderr, line) != lacks {
				t.Errorf("%s, %q: %s", kind, line, stderr)
			}
		}
	}
}

func TestSampleFiles(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{12, 12, 3}), t.TempDir()
	grid, folder, chains := filepath.Join(dir, "a.PNG"), filepath.Join(dir, "single")+"/", filepath.Join(dir, "c.gif")
	mustJoule(t, "sample", trained, "-n", "5", "-o", grid)
	mustJoule(t, "sample", trained, "-n", "5", "-o", folder, "--gif", chains, "--steps", "20")

	if b := decodePNG(t, grid).Bounds(); b.Dx() != 3*12*8+4*2 || b.Dy() != 2*12*8+3*2 {
		t.Errorf("a grid of %v, want 3 by 2 images at scale 8", b)
	}
	if got, want := names(t, folder), []string{"0000.png", "0001.png", "0002.png", "0003.png", "0004.png"}; !slices.Equal(got, want) {
		t.Errorf("the folder holds %q", got)
	}
	if b := decodePNG(t, folder+"0004.png").Bounds(); b.Dx() != 12 || b.Dy() != 12 {
		t.Errorf("a single image of %v", b)
	}
	animation, err := gif.DecodeAll(bytes.NewReader(readFile(t, chains)))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(animation.Image); n != 21+10 {
		t.Errorf("%d frames, want one before, one after each of 20 steps and some at the end", n)
	}
}

// Image i of a folder does not depend on how many others there are, nor on how many are generated together.
func TestSampleManyAtATime(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{12, 12, 1}), t.TempDir()
	few, many := filepath.Join(dir, "few")+"/", filepath.Join(dir, "many")+"/"
	mustJoule(t, "sample", trained, "-n", "66", "-o", few, "--threads", "1")
	mustJoule(t, "sample", trained, "-n", "70", "-o", many, "--threads", "8")
	for i := range 66 {
		name := "00" + strconv.Itoa(100 + i)[1:] + ".png"
		if !bytes.Equal(readFile(t, few+name), readFile(t, many+name)) {
			t.Fatalf("image %s differs", name)
		}
	}
}

func TestSampleLabels(t *testing.T) {
	trained, dir := newModel(t, expr.Shape{12, 12, 1}, "cat", "dog", "7"), t.TempDir()
	for _, test := range []struct {
		label string
		want  []int32
	}{{"", []int32{0, 1, 2, 0, 1}}, {"dog", []int32{1, 1, 1, 1, 1}}, {"7,0", []int32{2, 0, 2, 0, 2}}} {
		t.Run(test.label, func(t *testing.T) {
			args := []string{"sample", trained, "-n", "5", "-o", filepath.Join(dir, "grid.png"), "--json"}
			if test.label != "" {
				args = append(args, "--label", test.label)
			}
			var report sampleReport
			if err := json.Unmarshal([]byte(mustJoule(t, args...)), &report); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(report.Labels, test.want) || report.Images != 5 || report.Steps != 4*2 || report.Seed != 1 || report.Acceptance != 1 {
				t.Errorf("got %+v, want labels %v", report, test.want)
			}
		})
	}
	// A label changes what is generated.
	for _, label := range []string{"cat", "dog"} {
		mustJoule(t, "sample", trained, "-n", "2", "-o", filepath.Join(dir, label+".png"), "--label", label)
	}
	if reflect.DeepEqual(decodePNG(t, filepath.Join(dir, "cat.png")), decodePNG(t, filepath.Join(dir, "dog.png"))) {
		t.Error("cats are dogs")
	}
}

func TestSampleRefuses(t *testing.T) {
	trained, conditional, dir := newModel(t, expr.Shape{12, 12, 1}), newModel(t, expr.Shape{12, 12, 1}, "cat", "dog"), t.TempDir()
	writeFile(t, filepath.Join(dir, "full", "old.png"), nil)
	writeFile(t, filepath.Join(dir, "file"), nil)
	for _, r := range []refused{
		{[]string{trained, "-n", "0"}, 2, "--number"},
		{[]string{trained, "--sampler", "mala", "--set", "sampler.kind=hmc"}, 2, "--sampler mala: --set makes sampler.kind hmc: give one"},
		{[]string{trained, "-n", "20000"}, 2, "folder"},
		{[]string{trained, "-n", "5000000000", "-o", dir + "/new/"}, 2, "--number"},
		{[]string{trained, "-o", "grid.jpg"}, 2, ".png"},
		{[]string{trained, "--gif", "chains.mp4"}, 2, ".gif"},
		{[]string{trained, "--label", "3"}, 2, "unconditional"},
		{[]string{conditional, "--label", "cow"}, 2, `"cat", "dog"`},
		{[]string{conditional, "--label", "2"}, 2, "0 to 1"},
		{[]string{trained, "-o", dir + "/full"}, 1, "holds files already"},
		{[]string{trained, "-o", dir + "/missing/grid.png"}, 1, "missing/grid.png"},
		{[]string{trained, "-o", dir + "/file/grid.png"}, 1, "file/grid.png"},
		{[]string{trained, "-o", dir + "/grid.png", "--gif", dir + "/missing/a.gif"}, 1, "missing/a.gif"},
	} {
		t.Run(strings.Join(r.args[1:], " "), func(t *testing.T) {
			r.args = append([]string{"sample"}, r.args...)
			r.check(t)
		})
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file", "full"}) {
		t.Errorf("left behind: %q", got)
	}
}

// Ctrl-C ends a long command with a line, and leaves nothing half-written.
func TestInterrupt(t *testing.T) {
	// A signal that comes late must not end the tests: the guard stays.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(100 * time.Millisecond):
				if err := self.Signal(os.Interrupt); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	dir := t.TempDir()
	refused{[]string{"sample", newModel(t, expr.Shape{12, 12, 1}), "--steps", "100000000", "-o", filepath.Join(dir, "a.png")}, 1, "joule: interrupted"}.check(t)
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %q", left)
	}
}
