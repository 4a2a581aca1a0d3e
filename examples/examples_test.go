package examples

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The examples do what they say: an energy of one's own and a folder of pictures are learnt, and what was learnt scores, watches and
// samples.
func TestExamples(t *testing.T) {
	if os.Getenv("JOULE_LONG") == "" {
		t.Skip("builds programs and trains: set JOULE_LONG=1")
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./...")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pictures := filepath.Join(dir, "pictures")
	for i := range 40 {
		writePicture(t, pictures, i)
	}
	for _, c := range []struct{ args, want string }{
		{"own-energy -dir mine -iterations 20", "1265 parameters after 20 iterations, calibrated with 1000 images"},
		{"own-energy -dir mine -iterations 30", "1265 parameters after 30 iterations"}, // it goes on
		{"own-images -dir photos -for 1s pictures", "AUROC against noise"},
		{"rendered -dir sheets", "are in sheets"},
		{"sample -n 2 -steps 20 photos drawn", "0001.png  energy "},
	} {
		if out := start(t, dir, c.args); !strings.Contains(out, c.want) {
			t.Errorf("%s said %s, want %q in it", c.args, out, c.want)
		}
	}

	// A model that knows its energy by name can be opened by programs that know it too.
	calibrated := filepath.Join(dir, "digits")
	train := exec.Command("go", "run", "../cmd/joule", "train", "-o", calibrated, "--iterations", "1", "--set", "network.filters=2",
		"--set", "sampler.steps=2", "--set", "generation.plain=0", "--set", "generation.augmented=0")
	if out, err := train.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range []struct{ args, want string }{
		{"score -false-alarms 0.5 digits pictures", "p = 0."},
		{"stream -follow=false digits pictures", "40 images judged"},
	} {
		if out := start(t, dir, c.args); !strings.Contains(out, c.want) {
			t.Errorf("%s said %s, want %q in it", c.args, out, c.want)
		}
	}
	lines, err := os.ReadFile(filepath.Join(dir, "judged.ndjson"))
	if err != nil || strings.Count(string(lines), "\n") != 40 {
		t.Errorf("a stream of 40 pictures has the lines (%v)\n%s", err, lines)
	}
}

// start runs one of the programs, which must work, and returns its standard output.
func start(t *testing.T, dir, args string) string {
	t.Helper()
	words := strings.Fields(args)
	cmd := exec.Command(filepath.Join(dir, words[0]), words[1:]...)
	var stderr strings.Builder
	cmd.Dir, cmd.Stderr = dir, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", args, err, out, &stderr)
	}
	return string(out)
}

// writePicture writes a coloured picture, another for each i.
func writePicture(t *testing.T, dir string, i int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for y := range 32 {
		for x := range 32 {
			img.SetRGBA(x, y, color.RGBA{uint8(8*x + i), uint8(8*y + 3*i), uint8(x*y + 7*i), 255})
		}
	}
	file, err := os.Create(filepath.Join(dir, string(rune('a'+i/26))+string(rune('a'+i%26))+".png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := png.Encode(file, img); err != nil {
		t.Fatal(err)
	}
}
