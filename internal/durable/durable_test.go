package durable_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/joule-ebm/joule/internal/durable"
)

func ExampleWriteFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notes.txt")

	err = durable.WriteFile(path, func(w io.Writer) error {
		_, err := fmt.Fprint(w, "whole or not at all")
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	content, _ := os.ReadFile(path)
	fmt.Println(string(content))
	// Output: whole or not at all
}

// text is a write function for WriteFile.
func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// files is the content of every file in dir, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{}
	for _, entry := range entries {
		b, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		content[entry.Name()] = string(b)
	}
	return content
}

func check(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	if got := files(t, dir); !reflect.DeepEqual(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
}

func TestReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := durable.WriteFile(path, text("old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("new", 1<<16)
	err := durable.WriteFile(path, func(w io.Writer) error {
		if err := text(long)(w); err != nil {
			return err
		}
		if content, err := os.ReadFile(path); err != nil || string(content) != "old" {
			t.Errorf("while being replaced the file holds %q, %v, want the old content", content, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check(t, dir, map[string]string{"a": long})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("permissions %v, %v, want those the file had", info.Mode(), err)
	}
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := durable.WriteFile("a", text("here")); err != nil {
		t.Fatal(err)
	}
	check(t, ".", map[string]string{"a": "here"})
}

func TestErrorKeepsTheOldContent(t *testing.T) {
	errNumbers := errors.New("no numbers left")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	tests := map[string]struct {
		cause error
		want  string
	}{
		"cancelled": {cancelled.Err(), "context canceled"},
		"full disk": {syscall.ENOSPC, "free some space"},
		"quota":     {fmt.Errorf("tensor 3: %w", syscall.EDQUOT), "free some space"},
		"other":     {errNumbers, "no numbers left"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a")
			if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
				t.Fatal(err)
			}
			err := durable.WriteFile(path, func(w io.Writer) error {
				if err := text("half of it")(w); err != nil {
					return err
				}
				return test.cause
			})
			checkError(t, err, test.cause, path, test.want)
			check(t, dir, map[string]string{"a": "old"})
		})
	}
}

func TestPanicKeepsTheOldContent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = durable.WriteFile(path, func(io.Writer) error { panic("a defect in write") })
	}()
	check(t, dir, map[string]string{"a": "old"})
}

func TestBadPlaces(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing", "a")
	checkError(t, durable.WriteFile(missing, text("")), fs.ErrNotExist, missing, "create it first")
	if err := durable.WriteFile(dir, text("")); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("replacing a directory: %v", err)
	}

	if os.Getuid() == 0 {
		t.Skip("nothing is read-only to root")
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a")
	checkError(t, durable.WriteFile(path, text("")), fs.ErrPermission, path, "make it writable")
}

func checkError(t *testing.T, err, cause error, path, want string) {
	t.Helper()
	if !errors.Is(err, cause) {
		t.Fatalf("error %v, want %v", err, cause)
	}
	message := err.Error()
	if !strings.Contains(message, path) || !strings.Contains(message, want) || strings.Contains(message, "\n") || strings.Contains(message, ".unfinished") {
		t.Errorf("error %q, want one line with %q and %q", message, path, want)
	}
}

// The test runs itself as a process that dies, as by kill -9, half-way through a write.
func TestKilledWriter(t *testing.T) {
	const variable = "DURABLE_TEST_KILL"
	if path := os.Getenv(variable); path != "" {
		_ = durable.WriteFile(path, func(w io.Writer) error {
			if err := text(strings.Repeat("new", 1<<16))(w); err != nil {
				return err
			}
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				return err
			}
			if err := self.Kill(); err != nil {
				return err
			}
			select {}
		})
		return
	}

	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	keep := map[string]string{"a": "old", ".hidden": "someone's", "b.unfinished": "also someone's"}
	for name, content := range keep {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	killed := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	killed.Env = append(os.Environ(), variable+"="+path)
	if output, err := killed.CombinedOutput(); err == nil {
		t.Fatalf("the process ended by itself:\n%s", output)
	}
	if left := files(t, dir); len(left) != len(keep)+1 || left["a"] != "old" {
		t.Errorf("the killed process left %d files, want one more than %d; a holds %q", len(left), len(keep), left["a"])
	}
	if err := durable.Sweep(dir); err != nil {
		t.Fatal(err)
	}
	check(t, dir, keep)
	if err := durable.Sweep(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sweeping where there is no directory: %v", err)
	}
}
