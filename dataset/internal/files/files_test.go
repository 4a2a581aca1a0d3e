package files

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tarOf is an archive of entries; a file's content is its name, cut or repeated to its size.
func tarOf(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, head := range entries {
		if err := w.WriteHeader(&head); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, strings.Repeat(head.Name, int(head.Size)/len(head.Name)+1)[:head.Size])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func reading(data []byte) Tree {
	return Tar(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
}

func everything(string) bool { return true }

func names(l *Listing) (all []string) {
	for _, f := range l.Files {
		all = append(all, f.Name)
	}
	slices.Sort(all)
	return all
}

// An archive that changes between the two passes over it, and one with an entry that takes for ever to pass over.
func TestTarPasses(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	archive := tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "a.png", Size: 1})
	tr := &tarred{open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }}
	nothing := func(string, io.Reader, error) error { return nil }
	if err := tr.Visit(ctx, []string{"a.png", "gone.png"}, nothing); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a file that is gone: %v", err)
	}
	endless := &cancelling{after: 100, cancel: cancel}
	var head bytes.Buffer
	tar.NewWriter(&head).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 1 << 40})
	tr.open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(&head, endless)), nil
	}
	if _, err := tr.List(ctx, func(string) bool { return false }); !errors.Is(err, context.Canceled) || endless.after < -1 {
		t.Errorf("an endless entry: %v, after %d more reads", err, -endless.after)
	}
}

// cancelling gives zeros, read after read, one of which cancels a context; long after that it fails.
type cancelling struct {
	after  int
	cancel func()
}

func (c *cancelling) Read(p []byte) (int, error) {
	if c.after--; c.after == 0 {
		c.cancel()
	}
	if c.after < -100 {
		return 0, io.ErrUnexpectedEOF
	}
	clear(p)
	return len(p), nil
}

// What has the name of a file before it, or is a link to nothing, is left out and counted.
func TestLeftOut(t *testing.T) {
	twice := tar.Header{Typeflag: tar.TypeReg, Name: "cat/0.png", Size: 9}
	folder := t.TempDir()
	for _, name := range []string{"a.png", "b.png"} {
		if err := os.Symlink("nothing", filepath.Join(folder, name)); err != nil {
			t.Skip(err)
		}
	}
	var zipped bytes.Buffer
	w := zip.NewWriter(&zipped)
	for range 3 {
		if _, err := w.Create("cat/0.png"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(zipped.Bytes()), int64(zipped.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for want, tree := range map[string]Tree{
		"files of the archive that have the name of one before them are left out: 1": reading(tarOf(t, twice, twice)),
		"files of the archive that have the name of one before them are left out: 2": Zip(archive),
		"links that lead nowhere are left out: 2, such as a.png":                     Folder(folder),
	} {
		l, err := tree.List(t.Context(), everything)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(l.Warnings, []string{want}) {
			t.Errorf("warnings %q, want %q", l.Warnings, want)
		}
	}
}

// Links within an archive stand for the files they lead to; others are counted.
func TestTarLinks(t *testing.T) {
	tr := reading(tarOf(t,
		tar.Header{Typeflag: tar.TypeReg, Name: "cat/0.png", Size: 9},
		tar.Header{Typeflag: tar.TypeLink, Name: "fox/0.png", Linkname: "cat/0.png"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "fox/1.png", Linkname: "../cat/0.png"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "fox/2.png", Linkname: "1.png"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "out.png", Linkname: "/etc/passwd"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "up.png", Linkname: "../../etc/passwd"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "loop.png", Linkname: "loop.png"},
	))
	l, err := tr.List(t.Context(), everything)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(l); !slices.Equal(got, []string{"cat/0.png", "fox/0.png", "fox/1.png", "fox/2.png"}) {
		t.Errorf("%q", got)
	}
	if len(l.Warnings) != 1 || !strings.HasPrefix(l.Warnings[0], "3 links") {
		t.Errorf("warnings %q", l.Warnings)
	}
	read := 0
	err = tr.Visit(t.Context(), names(l), func(name string, r io.Reader, err error) error {
		data, _ := io.ReadAll(r)
		if string(data) != "cat/0.png" || err != nil {
			t.Errorf("%s: %q, %v", name, data, err)
		}
		read++
		return nil
	})
	if err != nil || read != 4 {
		t.Errorf("%d files read, %v", read, err)
	}
}

// A copy that was interrupted between two files says so; one that is whole does not.
func TestTarEndMark(t *testing.T) {
	data := tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "a.png", Size: 700}, tar.Header{Typeflag: tar.TypeReg, Name: "b.png", Size: 600})
	for n, warned := range map[int]bool{len(data): false, 512 + 1024: true, 2 * (512 + 1024): true} {
		l, err := reading(data[:n]).List(t.Context(), everything)
		if err != nil || warned != (len(l.Warnings) > 0) {
			t.Errorf("the first %d bytes: warnings %q, %v", n, l.Warnings, err)
		}
	}
}

// What systems and disks leave behind is no data; neither are Joule's own runs. A folder that may not be read is told of.
func TestFolderPassesOver(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a.png", ".cache/b.png", "@eaDir/a.png/c.jpg", "#recycle/d.png", "$RECYCLE.BIN/S-1/e.png", "lost+found/f.png",
		"runs/mnist/config.yaml", "runs/mnist/metrics.jsonl", "runs/mnist/samples/1.png", "runs/other/config.yaml", "runs/other/g.png", "locked/h.png"} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	locked := filepath.Join(root, "locked")
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(locked, 0o700)
	l, err := Folder(root).List(t.Context(), everything)
	if err != nil {
		t.Fatal(err)
	}
	want, passed := []string{"a.png", "runs/other/config.yaml", "runs/other/g.png"}, 2
	if _, err := os.ReadDir(locked); err == nil { // root may read anything
		want, passed = slices.Insert(want, 1, "locked/h.png"), 1
	}
	if got := names(l); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if len(l.Passed) != passed || l.Passed[passed-1].Name != "runs/mnist" || !errors.Is(l.Passed[passed-1].Err, ErrNoData) {
		t.Errorf("passed over: %v", l.Passed)
	}
}

// A pipe might never answer: it is not opened.
func TestOpensRegularFilesOnly(t *testing.T) {
	if _, err := OpenRegular(os.DevNull); err == nil {
		t.Error("a device was opened")
	}
}
