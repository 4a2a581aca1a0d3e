package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every command has a manual page that says what its help says; shells complete.
func TestManualPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	mustJoule(t, "man", dir)
	page, err := os.ReadFile(filepath.Join(dir, "joule-eval-ood.1"))
	if err != nil || !strings.Contains(string(page), "JOULE") || !strings.Contains(string(page), "--out-of") && !strings.Contains(string(page), `\-\-out\-of`) {
		t.Errorf("%v: %.400s", err, page)
	}
	if out := mustJoule(t, "completion", "bash"); !strings.Contains(out, "__start_joule") {
		t.Errorf("completion: %.200s", out)
	}
	if _, out, _ := joule("__complete", "ser"); !strings.Contains(out, "serve") {
		t.Errorf("completion of ser: %s", out)
	}
}
