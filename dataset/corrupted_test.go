package dataset

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// npy is a file of NumPy's.
func npy(dtype, shape string, data []byte) []byte {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", dtype, shape)
	file := binary.LittleEndian.AppendUint16([]byte(numpyMagic+"\x01\x00"), uint16(len(header)))
	return append(append(file, header...), data...)
}

// The severities of CIFAR-10-C are splits of each of its arrays.
func TestCorrupted(t *testing.T) {
	dir := t.TempDir()
	const n = 2
	pixels, labels := make([]byte, 5*n*4*4*3), make([]byte, 5*n)
	for i := range pixels {
		pixels[i] = byte(i / (4 * 4 * 3))
	}
	for i := range labels {
		labels[i] = byte(i % n)
	}
	for name, content := range map[string][]byte{
		"fog.npy": npy("|u1", "10, 4, 4, 3", pixels), "other.npy": npy("|u1", "10, 4, 4, 3", pixels), "labels.npy": npy("|u1", "10,", labels),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	fog := filepath.Join(dir, "fog.npy")
	for ref, want := range map[string]struct{ images, first int }{fog: {5 * n, 0}, fog + ":severity1": {n, 0}, fog + ":severity4": {n, 3 * n}} {
		set, err := Open(t.Context(), ref, Size{})
		if err != nil {
			t.Errorf("%s: %v", ref, err)
		} else if set.Len() != want.images || set.Image(0)[0] != byte(want.first) || len(set.Labels) != want.images || set.Labels[1] != 1 {
			t.Errorf("%s: %d images, the first %d, labels %v", ref, set.Len(), set.Image(0)[0], set.Labels)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "other.npy:severity2"), Size{}); err == nil || !strings.Contains(err.Error(), "no splits") {
		t.Errorf("an array of no corruption: %v", err)
	}
}

// A folder that has the name of a rendered set comes first if it holds a data set, and one line says so; of others the built-in set does.
func TestFolderNamedParts(t *testing.T) {
	cases, err := filepath.Abs(caseFile("label-with-comma"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(cases)
	src, err := Locate(t.Context(), "parts")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if src.builtIn != nil || len(src.Warnings) != 1 || !strings.Contains(src.Warnings[0], "not the built-in") {
		t.Errorf("a folder parts: %+v", src.Contents)
	}
	t.Chdir(t.TempDir())
	if err := os.Mkdir("parts", 0o777); err != nil {
		t.Fatal(err)
	}
	built, err := Locate(t.Context(), "parts")
	if err != nil || built.builtIn == nil || len(built.Warnings) != 1 {
		t.Errorf("an empty folder parts: %+v, %v", built, err)
	}
	for name, data := range map[string]string{"samples.pgm": "P5 2 2 255\n0123", "metrics.jsonl": ""} {
		if err := os.WriteFile(filepath.Join("parts", name), []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	built, err = Locate(t.Context(), "parts")
	if err != nil || built.builtIn == nil || len(built.Warnings) != 1 {
		t.Errorf("a run in a folder parts: %+v, %v", built, err)
	}
}

// What a relative path leads to is looked for above a folder too.
func TestBeside(t *testing.T) {
	home := t.TempDir()
	for _, dir := range []string{"photos", "runs/a"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "a.zip"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for ref, want := range map[string]string{
		"photos:test": filepath.Join(home, "photos") + ":test", "a.zip/summer": filepath.Join(home, "a.zip", "summer"),
		"nowhere": "nowhere", "mnist": "mnist", "photos/none": "photos/none",
	} {
		if got := ParseReference(ref).Beside(filepath.Join(home, "runs", "a")).String(); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
}
