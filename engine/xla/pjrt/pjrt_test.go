//go:build xla

package pjrt

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpenErrors: whatever is not a plugin that can be called is refused in a line that names the file and says why, and nothing of it
// is called.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	library := func(name, source string) string {
		path := filepath.Join(dir, name+".so")
		cc := exec.Command("cc", "-shared", "-fPIC", "-x", "c", "-o", path, "-")
		here, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		cc.Args = append(cc.Args, "-I", here)
		cc.Stdin = strings.NewReader("#include \"pjrt_c_api.h\"\n" + source)
		if out, err := cc.CombinedOutput(); err != nil {
			t.Skipf("no C compiler to make a library with: %v %s", err, out)
		}
		return path
	}
	// What these tables do not have would crash if it were called.
	version := func(name, numbers string) string {
		return library(name, "static PJRT_Api api = {.struct_size = PJRT_Api_STRUCT_SIZE, .pjrt_api_version = {.struct_size = PJRT_Api_Version_STRUCT_SIZE, "+
			numbers+"}};\nconst PJRT_Api* GetPjrtApi() { return &api; }")
	}
	text := filepath.Join(dir, "text.so")
	if err := os.WriteFile(text, []byte("no library\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, word string }{
		{filepath.Join(dir, "missing.so"), "No such file"},
		{dir, "irectory"},
		{text, "cannot be loaded"},
		{library("other", "int f(void) { return 0; }"), "no PJRT plugin"},
		{library("empty", "const PJRT_Api* GetPjrtApi() { return 0; }"), "no PJRT interface"},
		{version("new", ".major_version = 1, .minor_version = 3"), "version 1.3"},
		{version("old", ".major_version = 0, .minor_version = 12"), "version 0.12"},
	} {
		_, err := Open(c.path)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), c.word) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: got %v, want a line with %q", c.path, err, c.word)
		}
	}
}

// TestOptions: the bytes are those that protoc gives for the text beside them.
func TestOptions(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		// executable_build_options { device_ordinal: -1 num_replicas: 1 num_partitions: 1 }
		{Options{}, "1a0f" + "08ffffffffffffffffff01" + "2001" + "2801"},
		// num_replicas: 2, env_option_overrides { key: "a" value { bool_field: true } } and so on
		{Options{Replicas: 2, Flags: map[string]any{"a": true, "b": "x", "c": 300, "d": 1.0}},
			"1a0f" + "08ffffffffffffffffff01" + "2002" + "2801" + "3a07" + "0a0161" + "12021001" + "3a08" + "0a0162" + "12030a0178" +
				"3a08" + "0a0163" + "120318ac02" + "3a0e" + "0a0164" + "120921000000000000f03f"},
	} {
		if got := hex.EncodeToString(c.o.encode()); got != c.want {
			t.Errorf("%+v: %s, want %s", c.o, got, c.want)
		}
	}
}
