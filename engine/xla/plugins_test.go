//go:build xla

package xla

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlugins finds plugins where they may be, in order, and says what to do where there is none.
func TestPlugins(t *testing.T) {
	dir := t.TempDir()
	file := func(path string) string {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	packages := filepath.Join(dir, "venv/lib/python3/site-packages")
	named := file("named/one.so")
	tpu, tool := file("lib/pjrt_c_api_tpu_plugin.so"), file("lib/pjrt-plugin-tool.so")
	file("lib/unrelated.so")
	single := file("single/pjrt_c_api_gpu_plugin.so")
	cpu := file("venv/lib/python3/site-packages/a_cpu/pjrt_c_api_cpu_plugin.so")
	cuda := file("venv/lib/python3/site-packages/jax_plugins/xla_cuda12/xla_cuda_plugin.so")
	file("venv/lib/python3/site-packages/jax_plugins/xla_cuda12/__init__.py")
	python := file("venv/bin/python3") // which lists its packages
	if err := os.WriteFile(python, []byte("#!/bin/sh\necho "+packages+"\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(python, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(python))
	t.Setenv(namesAndPaths, "mine:"+named)
	t.Setenv(libraryPath, filepath.Join(dir, "lib")+string(filepath.ListSeparator)+single)
	want := []Plugin{
		{"mine", named, namesAndPaths}, {"tpu", tpu, libraryPath}, {"tool", tool, libraryPath}, {"gpu", single, libraryPath},
		{"xla_cuda12", cuda, "Python"}, {"cpu", cpu, "Python"},
	}
	got := Plugins()
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("plugin %d is %v, want %v", i, got[i], want[i])
		}
	}
	for device, path := range map[string]string{"": named, "cuda": cuda, "xla_cuda12": cuda, "cpu": cpu, tool: tool} {
		if p, err := Find(device); err != nil || p.Path != path {
			t.Errorf("%q finds %v, %v, want %s", device, p, err, path)
		}
	}
	refused := func(device, word string) {
		t.Helper()
		if _, err := Find(device); err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want a line with %q", device, err, word)
		}
	}
	refused("rocm", "xla_cuda12")
	refused(filepath.Join(dir, "none.so"), "none.so")
	t.Setenv("PATH", dir)
	t.Setenv(namesAndPaths, "")
	t.Setenv(libraryPath, "")
	refused("", "pip install")
}
