package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFetch(t *testing.T) {
	ctx, content := context.Background(), strings.Repeat("weights ", 10_000)
	served := content
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/file" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte(served))
	}))
	sum := sha256.Sum256([]byte(content))
	s := Source{Name: "weights.pth", URL: server.URL + "/file", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	path := filepath.Join(t.TempDir(), "cache", s.Name)
	if there, err := s.Check(path); there || err != nil {
		t.Errorf("nothing is there: %v, %v", there, err)
	}
	refused := func(s Source, words string) {
		t.Helper()
		err := s.Fetch(ctx, server.Client(), path, func(int) {})
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line with %q", err, words)
		}
		if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 0 {
			t.Errorf("after %v there is %v", err, files)
		}
	}
	for _, other := range []string{content[1:], content + "!", "x" + content[1:], ""} {
		served = other
		refused(s, "nothing is kept")
	}
	served = content
	missing := s
	missing.URL = server.URL + "/other"
	refused(missing, "404 Not Found")

	count := 0
	if err := s.Fetch(ctx, server.Client(), path, func(n int) { count += n }); err != nil || count != len(content) {
		t.Errorf("%d bytes of %d, %v", count, len(content), err)
	}
	if there, err := s.Check(path); !there || err != nil {
		t.Errorf("the file is there: %v, %v", there, err)
	}
	if err := os.WriteFile(path, []byte("other"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(path); err == nil || !strings.Contains(err.Error(), "is another file") {
		t.Errorf("another file: %v", err)
	}
	server.Close()
	os.RemoveAll(filepath.Dir(path))
	refused(s, "where there is no network")
}
