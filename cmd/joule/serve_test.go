//go:build unix

package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// written is what a command has written so far.
type written struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.Write(p)
}

// wait waits until a line matches.
func (w *written) wait(t *testing.T, pattern string) string {
	t.Helper()
	for range 600 {
		w.mu.Lock()
		match := regexp.MustCompile(pattern).FindStringSubmatch(w.all.String())
		w.mu.Unlock()
		if match != nil {
			return match[len(match)-1]
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("never %s: %s", pattern, w.all.String())
	return ""
}

// A server answers, reads its model again on SIGHUP, and stops on SIGTERM with exit code 0.
func TestServe(t *testing.T) {
	path := newModelOf(t, "mnist")
	stderr, code := &written{}, make(chan int, 1)
	go func() {
		code <- execute([]string{"serve", "digits=" + path, "--listen", "127.0.0.1:0", "--log-format", "json"}, &written{}, stderr)
	}()
	url := stderr.wait(t, `"address":"(http:[^"]*)"`)
	answer, err := http.Get(url + "v2/models/digits")
	if err != nil || answer.StatusCode != 200 {
		t.Errorf("%v, %v", answer, err)
	}
	answer.Body.Close()
	for _, step := range []struct {
		signal syscall.Signal
		line   string
	}{{syscall.SIGHUP, `(?s)"msg":"serving".*"msg":"serving"`}, {syscall.SIGTERM, `"msg":"stopping"`}} {
		if err := syscall.Kill(os.Getpid(), step.signal); err != nil {
			t.Fatal(err)
		}
		stderr.wait(t, step.line)
	}
	if got := <-code; got != 0 {
		t.Errorf("exit code %d: %s", got, stderr.all.String())
	}
}

func TestServeRefuses(t *testing.T) {
	path := newModelOf(t, "mnist")
	empty := filepath.Join(t.TempDir(), "token")
	writeFile(t, empty, []byte("short\n"))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{path, "--listen", "0.0.0.0:0"}, "give a token"},
		{[]string{path, "--listen", "nowhere"}, "--listen"},
		{[]string{path, "--token-file", empty}, "can be guessed"},
		{[]string{path, "--tls-cert", "c.pem"}, "go together"},
		{[]string{path, "--log-format", "xml"}, "text or json"},
		{[]string{path, "--timeout", "0s"}, "--timeout is 0s"},
		{[]string{"a=" + path, "a=" + path}, "two models are called a"},
		{[]string{"gone"}, "no such run"},
	} {
		args := append([]string{"serve", "--log-format", "text"}, c.args...)
		code, _, stderr := joule(append(args, "--threads", "1")...)
		last := stderr[strings.LastIndex(strings.TrimSuffix(stderr, "\n"), "\n")+1:]
		if code == 0 || !strings.HasPrefix(last, "joule: ") || !strings.Contains(last, c.want) {
			t.Errorf("%q: code %d, %s", c.args, code, stderr)
		}
	}
}
