package dataset

// Small sources of every kind, made on the spot.

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// write puts a file into a new folder of its own.
func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// asFolder writes files, slash-separated names, into a new folder.
func asFolder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	for name, data := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// backwards gives names in an order that no reader should depend on.
func backwards(files map[string][]byte) []string {
	names := slices.Sorted(maps.Keys(files))
	slices.Reverse(names)
	return names
}

func tarBytes(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range backwards(files) {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		w.Write(files[name])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipBytes(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range backwards(files) {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write(files[name])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipBytes(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

// pngBytes is a picture of one colour.
func pngBytes(w, h int, c color.Color) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.Set(i%w, i/w, c)
	}
	return encodePNG(img)
}

func encodePNG(img image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func idxBytes(data []byte, dims ...uint32) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, data...)
}

// cifarImage is a record's pixels: red r, green 7, blue 9.
func cifarImage(r byte) []byte {
	return slices.Concat(bytes.Repeat([]byte{r}, 1024), bytes.Repeat([]byte{7}, 1024), bytes.Repeat([]byte{9}, 1024))
}

// pickled2 is a batch as Python 2 wrote those of the published CIFAR files.
func pickled2(labelsKey string, labels []byte, planes []byte) []byte {
	var b strings.Builder
	short := func(s string) { fmt.Fprintf(&b, "U%c%s", len(s), s) }
	b.WriteString("\x80\x02}q\x01(")
	short("batch_label")
	b.WriteString("q\x02")
	short("training batch 1 of 5")
	b.WriteString("q\x03")
	short(labelsKey)
	b.WriteString("q\x04]q\x05(")
	for _, label := range labels {
		fmt.Fprintf(&b, "K%s", string([]byte{label}))
	}
	b.WriteString("e")
	short("data")
	b.WriteString("q\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\x09U\x01b\x87Rq\x0a(K\x01")
	fmt.Fprintf(&b, "K%sM\x00\x0c\x86", string([]byte{byte(len(labels))}))
	b.WriteString("cnumpy\ndtype\nq\x0bU\x02u1K\x00K\x01\x87Rq\x0c(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T")
	b.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(planes))))
	b.Write(planes)
	b.WriteString("tb")
	short("filenames")
	b.WriteString("q\x0d]q\x0e(U\x05a.pngq\x0feu.")
	return []byte(b.String())
}

// pickledNames2 is a file of class names as Python 2 wrote it.
func pickledNames2(key string, names ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "\x80\x02}q\x01(U%c%sq\x02]q\x03(", len(key), key)
	for _, name := range names {
		fmt.Fprintf(&b, "U%c%s", len(name), name)
	}
	b.WriteString("eU\x07num_visq\x04M\x00\x0cu.")
	return []byte(b.String())
}
