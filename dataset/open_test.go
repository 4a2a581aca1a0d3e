package dataset

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/color"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

func gray(v uint8) []byte { return pngBytes(4, 4, color.NRGBA{v, v, v, 255}) }

// firsts are the first values of all images.
func firsts(s *Set) (v []uint8) {
	for i := range s.Len() {
		v = append(v, s.Image(i)[0])
	}
	return v
}

func TestBuiltIn(t *testing.T) {
	for ref, n := range map[string]int{"mnist": 60000, "mnist:train": 60000, "mnist:test": 10000, "fashion-mnist": 10000} {
		set, err := Open(context.Background(), ref, Size{})
		if err != nil {
			t.Fatal(err)
		}
		if set.Len() != n || set.Size() != (Size{28, 28, 1}) || len(set.Labels) != n || len(set.Classes) != 10 || set.Name != ref {
			t.Errorf("%s: %d images of %v, %d labels, classes %v", ref, set.Len(), set.Size(), len(set.Labels), set.Classes)
		}
	}
	test, _ := Open(context.Background(), "mnist:test", Size{})
	if !slices.Equal(test.Labels[:5], []int32{7, 2, 1, 0, 4}) {
		t.Errorf("the MNIST test set begins 7 2 1 0 4, not %v", test.Labels[:5])
	}
	if _, err := Open(context.Background(), "fashion-mnist:test", Size{}); err == nil || !strings.Contains(err.Error(), "no splits") {
		t.Errorf("fashion-mnist:test: %v", err)
	}
}

// The same pictures make the same set from a folder and from any archive, packed in a folder of their own or not.
func TestPictures(t *testing.T) {
	for _, c := range []struct {
		name, split string
		files       map[string][]byte
		values      []uint8
		labels      []int32
		classes     []string
	}{
		{"flat", "", map[string][]byte{"b.png": gray(2), "a.PNG": gray(1), "c.txt": []byte("no picture")}, []uint8{1, 2}, nil, nil},
		{"classes", "", map[string][]byte{"dog/1.png": gray(3), "cat/2.png": gray(2), "cat/deeper/1.png": gray(1)}, []uint8{2, 1, 3}, []int32{0, 0, 1}, []string{"cat", "dog"}},
		{"some without class", "", map[string][]byte{"dog/1.png": gray(3), "cat.png": gray(2)}, []uint8{2, 3}, nil, nil},
		{"default split", "", map[string][]byte{"train/dog/1.png": gray(1), "test/cat/1.png": gray(2), "preview.png": gray(9)}, []uint8{1}, []int32{1}, []string{"cat", "dog"}},
		{"test split", ":test", map[string][]byte{"train/dog/1.png": gray(1), "test/cat/1.png": gray(2)}, []uint8{2}, []int32{0}, []string{"cat", "dog"}},
		{"the only split", "", map[string][]byte{"test/1.png": gray(1)}, []uint8{1}, nil, nil},
		{"the only split, named", ":train", map[string][]byte{"train/cat/1.png": gray(1)}, []uint8{1}, []int32{0}, []string{"cat"}},
		{"a class named train", "", map[string][]byte{"train/1.png": gray(1), "tram/1.png": gray(2)}, []uint8{1, 2}, []int32{0, 1}, []string{"train", "tram"}},
		{"litter", "", map[string][]byte{"a.png": gray(1), "__MACOSX/._a.png": []byte("x"), ".cache/b.png": gray(2)}, []uint8{1}, nil, nil},
	} {
		packed := map[string][]byte{}
		for name, data := range c.files {
			packed["pets/v1/"+name] = data
		}
		for kind, ref := range map[string]string{
			"folder":        asFolder(t, c.files),
			"packed folder": asFolder(t, packed),
			"zip":           write(t, "p.zip", zipBytes(t, packed)),
			"tar":           write(t, "p.tar", tarBytes(t, packed)),
			"tgz":           write(t, "p.tgz", gzipBytes(tarBytes(t, c.files))),
			"unnamed tgz":   write(t, "p", gzipBytes(tarBytes(t, packed))),
		} {
			set, err := Open(context.Background(), ref+c.split, Size{})
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, kind, err)
				continue
			}
			if !slices.Equal(firsts(set), c.values) || !slices.Equal(set.Labels, c.labels) || !slices.Equal(set.Classes, c.classes) || set.Channels != 1 {
				t.Errorf("%s, %s: %v %v %v, %d channels", c.name, kind, firsts(set), set.Labels, set.Classes, set.Channels)
			}
		}
	}
}

func TestPicturesOfSeveralKinds(t *testing.T) {
	root := asFolder(t, map[string][]byte{"a.png": gray(5), "b.png": pngBytes(4, 4, color.NRGBA{1, 2, 3, 255})})
	set, err := Open(context.Background(), root, Size{})
	if err != nil || !bytes.Equal(set.Image(0)[:3], []byte{5, 5, 5}) || !bytes.Equal(set.Image(1)[:3], []byte{1, 2, 3}) {
		t.Errorf("gray among coloured: %v, %v", set, err)
	}
	root = asFolder(t, map[string][]byte{"a.png": gray(5), "b.png": pngBytes(6, 4, color.NRGBA{1, 2, 3, 255})})
	if _, err := Open(context.Background(), root, Size{}); err == nil || !strings.Contains(err.Error(), "differ in size") {
		t.Errorf("sizes differ: %v", err)
	}
	set, err = Open(context.Background(), root, Size{4, 4, 3})
	if err != nil || set.Len() != 2 || !set.Resized {
		t.Errorf("sizes differ, one wanted: %v, %v", set, err)
	}
}

func TestBadPicturesAreSkipped(t *testing.T) {
	files := map[string][]byte{}
	for i := range 19 {
		files[fmt.Sprintf("c%d/%02d.png", i%2, i)] = gray(uint8(i))
	}
	files["c0/04b.png"] = []byte("rubbish")
	var last, total int
	set, err := Open(context.Background(), asFolder(t, files), Size{}, WithProgress(func(d, n int) { last, total = d, n }))
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != 19 || len(set.Skipped) != 1 || set.Skipped[0].Name != "c0/04b.png" || set.Skipped[0].Err == nil {
		t.Errorf("%d images, skipped %v", set.Len(), set.Skipped)
	}
	for i, v := range firsts(set) {
		if set.Labels[i] != int32(v%2) {
			t.Fatal("labels went astray where an image was skipped")
		}
	}
	if last != 20 || total != 20 {
		t.Errorf("progress ended at %d of %d", last, total)
	}
	files["c0/05b.png"], files["c0/06b.png"] = nil, gray(1)[:30]
	if _, err := Open(context.Background(), asFolder(t, files), Size{}); err == nil || !strings.Contains(err.Error(), "3 of 22") {
		t.Errorf("more than a tenth bad: %v", err)
	}
}

func TestImagesReportsEachFile(t *testing.T) {
	files := map[string][]byte{"test/a.png": gray(1), "test/b.png": []byte("rubbish"), "train/c.png": gray(3)}
	for _, ref := range []string{asFolder(t, files), write(t, "p.zip", zipBytes(t, files))} {
		got := map[string]bool{}
		for img, err := range Images(context.Background(), ref, Size{2, 2, 1}) {
			rel := strings.TrimPrefix(img.Name, filepath.ToSlash(ref)+"/")
			got[rel] = err == nil
			if err == nil && len(img.Pixels) != 4 {
				t.Errorf("%s: %d values", img.Name, len(img.Pixels))
			}
			if err != nil && !strings.Contains(err.Error(), img.Name) {
				t.Errorf("the error does not name the file: %v", err)
			}
		}
		if want := map[string]bool{"test/a.png": true, "test/b.png": false, "train/c.png": true}; !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	single := write(t, "whatever", gray(9))
	for img, err := range Images(context.Background(), single, Size{}) {
		if err != nil || img.Name != single || img.Pixels[0] != 9 || img.Resized {
			t.Errorf("a single picture: %v, %v", img, err)
		}
	}
	n := 0
	for img, err := range Images(context.Background(), "mnist:test", Size{}) {
		if err != nil || img.Name != fmt.Sprintf("mnist:test[%d]", n) {
			t.Fatal(img.Name, err)
		}
		if n++; n == 3 {
			break
		}
	}
	for img, err := range Images(context.Background(), "nowhere", Size{}) {
		if err == nil || img.Name != "" {
			t.Errorf("no such file: %v, %v", img, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	pictures := map[string][]byte{"x/a.png": gray(1), "y/b.png": gray(2)}
	tgz := gzipBytes(tarBytes(t, map[string][]byte{"a.png": bytes.Repeat(gray(1), 100), "b.png": gray(2)}))
	idx := idxBytes(make([]byte, 4), 1, 2, 2)
	encrypted := zipBytes(t, pictures)
	for i := range len(encrypted) - 8 {
		if string(encrypted[i:i+4]) == "PK\x01\x02" {
			encrypted[i+8] |= 1
		}
	}
	for _, c := range []struct{ name, ref, message string }{
		{"missing", "no/such/thing", "built-in"},
		{"empty folder", asFolder(t, map[string][]byte{"a/readme.txt": nil}), "no pictures"},
		{"empty file", write(t, "a.png", nil), "empty"},
		{"empty tar", write(t, "a.tar", nil), "the file is empty"},
		{"empty zip", write(t, "a.zip", zipBytes(t, nil)), "no pictures"},
		{"truncated tgz", write(t, "a.tgz", tgz[:len(tgz)-30]), "fetch it again"},
		{"truncated zip", write(t, "a.zip", zipBytes(t, pictures)[:100]), "damaged zip"},
		{"encrypted zip", write(t, "a.zip", encrypted), "encrypted"},
		{"gzip of something", write(t, "a.gz", gzipBytes([]byte("hello"))), "gzip"},
		{"broken gzip", write(t, "a.gz", []byte("\x1f\x8bxxxx")), "gzip"},
		{"text", write(t, "a.csv", []byte("1,2,3\n4,5,6\n")), "a table of 3 columns"},
		{"no splits", asFolder(t, pictures) + ":test", "leave out"},
		{"no such split", asFolder(t, map[string][]byte{"train/a.png": gray(1), "val/b.png": gray(1)}) + ":test", ":val"},
		{"two sets", asFolder(t, map[string][]byte{"a/images-idx3-ubyte": idx, "b/images-idx3-ubyte": idx}), "a, b"},
		{"device", os.DevNull, "neither a file nor a folder"},
	} {
		_, err := Open(context.Background(), c.ref, Size{})
		name := strings.TrimSuffix(c.ref, ":test")
		if err == nil || !strings.Contains(err.Error(), c.message) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line naming the source with %q", c.name, err, c.message)
		}
	}
	if _, err := Open(context.Background(), asFolder(t, pictures), Size{Height: 3}); err == nil {
		t.Error("half a size was accepted")
	}
}

// Links are followed, and a loop of them ends.
func TestFolderLinks(t *testing.T) {
	root := asFolder(t, map[string][]byte{"cat/a.png": gray(1)})
	elsewhere := asFolder(t, map[string][]byte{"b.png": gray(2)})
	for link, target := range map[string]string{
		"dog":         elsewhere,
		"cat/loop":    root,
		"cat/self":    filepath.Join(root, "cat", "self"),
		"cat/dead":    filepath.Join(root, "nothing"),
		"cat/c.png":   filepath.Join(elsewhere, "b.png"),
		"cat/d.png":   filepath.Join(root, "cat", "d.png"),
		"cat/deeper":  filepath.Join(root, "cat"),
		"cat/f.socks": os.DevNull,
	} {
		if err := os.Symlink(target, filepath.Join(root, filepath.FromSlash(link))); err != nil {
			t.Skip(err)
		}
	}
	set, err := Open(context.Background(), root, Size{})
	if err != nil || !slices.Equal(firsts(set), []uint8{1, 2, 2}) || !slices.Equal(set.Labels, []int32{0, 0, 1}) {
		t.Errorf("%v, %v", set, err)
	}
}

// Names that point out of an archive are only names; links and devices in it are not followed.
func TestArchiveNamesAreHarmless(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"../../evil/a.png", "/etc/b.png", "./c/../d/c.png"} {
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(gray(1)))})
		w.Write(gray(1))
	}
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "link.png", Linkname: "/etc/passwd"})
	w.Close()
	for kind, ref := range map[string]string{
		"tar": write(t, "p.tar", b.Bytes()),
		"zip": write(t, "p.zip", zipBytes(t, map[string][]byte{"../../evil/a.png": gray(1), `etc\b.png`: gray(1), "d/c.png": gray(1)})),
	} {
		set, err := Open(context.Background(), ref, Size{})
		if err != nil || !slices.Equal(set.Classes, []string{"d", "etc", "evil"}) {
			t.Errorf("%s: %v, %v", kind, set, err)
		}
	}
}

func TestCancel(t *testing.T) {
	files := map[string][]byte{}
	for i := range 200 {
		files[fmt.Sprintf("%d.png", i)] = gray(1)
	}
	for _, ref := range []string{asFolder(t, files), write(t, "p.tar", tarBytes(t, files)), "mnist:test"} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Open(ctx, ref, Size{8, 8, 3}, WithProgress(func(int, int) { cancel() }))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want it cancelled", ref, err)
		}
		cancel()
	}
}

// A file larger than it may be costs its allowance of memory and no more.
func TestOversizedFile(t *testing.T) {
	if _, err := readFile(io.LimitReader(zeros{}, 1<<40), 1<<20); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("%v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func FuzzArchive(f *testing.F) {
	list := map[string][]byte{"train/a/1.png": gray(1), "test/b.png": gray(2), "../x.gif": []byte("GIF89a")}
	f.Add(tarBytes(f, list))
	f.Add(gzipBytes(tarBytes(f, list)))
	f.Add(zipBytes(f, list))
	f.Add(tarBytes(f, map[string][]byte{"data_batch_1": pickled2("labels", []byte{1}, cifarImage(1))}))
	f.Add(tarBytes(f, map[string][]byte{"part/train/good/1.png": gray(1), "part/test/bad/1.png": gray(2), "part/ground_truth/bad/1.png": gray(2)}))
	f.Fuzz(func(t *testing.T, data []byte) {
		trees := []files.Tree{files.Tar(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })}
		if archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data))); err == nil {
			trees = append(trees, files.Zip(archive))
		}
		for _, tr := range trees {
			ctx := context.Background()
			l, err := tr.List(ctx, func(string) bool { return true })
			if err != nil {
				continue
			}
			for _, f := range l.Files {
				if !filepath.IsLocal(f.Name) {
					t.Errorf("the name %q leads out of the archive", f.Name)
				}
			}
			found, err := choose(l, "")
			if err != nil {
				continue
			}
			for split, p := range found.splits {
				if len(p.files) == 0 {
					t.Error("an empty split")
				}
				_ = contents(l, found, split, false).String()
				if found.pictures == nil {
					_, _ = found.read(ctx, tr, p.files)
					continue
				}
				src, err := found.pictures(ctx, tr, split)
				if err != nil {
					continue
				}
				set, err := openPictures(ctx, src, Size{4, 4, 1}, func(int, int) {})
				if err == nil && set.Len()+len(set.Skipped) != len(p.files) {
					t.Errorf("%d of %d pictures", set.Len(), len(p.files))
				}
			}
		}
	})
}
