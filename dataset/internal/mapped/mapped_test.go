package mapped

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestMapped(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("some bytes of a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(f, 5, 5)
	f.Close()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * kept / around { // and so given back a few times
		if m.Look(5); string(m.Bytes()) != "bytes" {
			t.Fatalf("%q", m.Bytes())
		}
	}
}
