package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const checkpoint = "../../internal/authors/testdata/model_1000.pth"

// An imported model is a RUN like any other.
func TestImport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	out := mustJoule(t, "import", checkpoint, "-o", path)
	for _, words := range []string{"note: left out, since the network does not use them: map_fc1", "network mnist, 4 filters, images of 28×28×1; ", "after 1000 iterations"} {
		if !strings.Contains(out, words) {
			t.Errorf("%s: want %s", out, words)
		}
	}
	var scores []struct{ Energy float64 }
	if err := json.Unmarshal([]byte(mustJoule(t, "score", path, filepath.Dir(checkpoint)+"/pictures", "--json")), &scores); err != nil || len(scores) != 3 {
		t.Errorf("scores %v, %v", scores, err)
	}
	mustJoule(t, "calibrate", path, "--data", "mnist:test", "-n", "50")
}

func TestImportRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	text := path + ".pth"
	if err := os.WriteFile(text, []byte("no zip"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"import", checkpoint}, "--output"},
		{[]string{"import", checkpoint, "-o", path, "--member", "3"}, "has no model 3"},
		{[]string{"import", text, "-o", path}, "no file of torch.save"},
		{[]string{"import", text, "-o", text}, "itself: name a new file"},
		{[]string{"import", "gone.pth", "-o", path}, "no such file"},
	} {
		if code, _, stderr := joule(c.args...); code == 0 || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: code %d, %s", c.args, code, stderr)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a model was written")
	}
}
