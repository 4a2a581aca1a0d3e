//go:build xla

package xla

// This file finds PJRT plugins, in the places where JAX and others find them:
//
//   - PJRT_NAMES_AND_LIBRARY_PATHS: name:path,name:path, as JAX reads it;
//   - PJRT_PLUGIN_LIBRARY_PATH: files, or directories with files pjrt_c_api_NAME_plugin.so or pjrt-plugin-NAME.so, separated as PATH is;
//   - the packages of every Python on PATH: jax_plugins/NAME/*.so, xla_plugins/NAME/*.so, */pjrt_c_api_NAME_plugin.so, libtpu/libtpu.so.

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Plugin is a plugin that has been found.
type Plugin struct {
	Name string // cuda, xla_cuda12, cpu, ...
	Path string // of the shared library
	From string // what named it
}

// Plugins lists the plugins that can be found, the first choice first: those that the environment names, then those of Python
// environments, and of these the ones for CPUs last, which have a faster engine here.
func Plugins() []Plugin {
	var list []Plugin
	add := func(from string, found ...Plugin) {
		for _, p := range found {
			p.From = from
			if !slices.ContainsFunc(list, func(other Plugin) bool { return other.Path == p.Path }) {
				list = append(list, p)
			}
		}
	}
	for _, pair := range strings.Split(os.Getenv(namesAndPaths), ",") {
		if name, path, ok := strings.Cut(pair, ":"); ok {
			add(namesAndPaths, Plugin{Name: name, Path: path})
		}
	}
	for _, path := range filepath.SplitList(os.Getenv(libraryPath)) {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			add(libraryPath, Plugin{Name: nameOf(path), Path: path})
			continue
		}
		add(libraryPath, inDirectory(path, "pjrt_c_api_*_plugin.*", "pjrt-plugin-*.*", "pjrt_plugin_*.*")...)
	}
	var ofPython []Plugin
	for _, dir := range pythonPath() {
		ofPython = append(ofPython, inDirectory(dir, "jax_plugins/*/*.*", "xla_plugins/*/*.*", "*/pjrt_c_api_*_plugin.*", "libtpu/libtpu.*")...)
	}
	forCPU := func(p Plugin) int {
		if strings.Contains(p.Name, "cpu") {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(ofPython, func(a, b Plugin) int { return cmp.Compare(forCPU(a), forCPU(b)) })
	add("Python", ofPython...)
	return list
}

const (
	namesAndPaths = "PJRT_NAMES_AND_LIBRARY_PATHS"
	libraryPath   = "PJRT_PLUGIN_LIBRARY_PATH"
)

// Find is the plugin that a device string means, what follows "xla:" in it: a path, or a part of a name, or the first choice if it is
// empty.
func Find(device string) (Plugin, error) {
	if strings.ContainsRune(device, filepath.Separator) || isLibrary(device) {
		if _, err := os.Stat(device); err != nil {
			return Plugin{}, fmt.Errorf("xla: there is no PJRT plugin %s", device)
		}
		return Plugin{Name: nameOf(device), Path: device, From: "the device's name"}, nil
	}
	list := Plugins()
	var names []string
	for _, p := range list {
		if strings.Contains(p.Name, device) {
			return p, nil
		}
		names = append(names, p.Name)
	}
	const remedy = "pip install the one for your device (jax-cuda12-pjrt for NVIDIA, jax-rocm7-pjrt for AMD, jax-oneapi-pjrt for Intel), " +
		"or name its file: xla:/PATH/TO/PLUGIN.so"
	if len(list) == 0 {
		return Plugin{}, fmt.Errorf("xla: no PJRT plugin is found, neither by %s and %s nor in the packages of a Python on PATH: %s",
			namesAndPaths, libraryPath, remedy)
	}
	return Plugin{}, fmt.Errorf("xla: no PJRT plugin is named like %q, there is %s: %s", device, strings.Join(names, ", "), remedy)
}

// inDirectory lists shared libraries by patterns.
func inDirectory(dir string, patterns ...string) (list []Plugin) {
	for _, pattern := range patterns {
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range files {
			if isLibrary(path) {
				list = append(list, Plugin{Name: nameOf(path), Path: path})
			}
		}
	}
	return list
}

func isLibrary(path string) bool {
	return slices.Contains([]string{".so", ".dylib"}, filepath.Ext(path))
}

var fileNames = regexp.MustCompile(`^pjrt_c_api_(.+)_plugin$|^pjrt[-_]plugin[-_](.+)$|^lib(tpu)$`)

// nameOf is what a plugin's file name, or its package's directory, says of its device.
func nameOf(path string) string {
	file := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if m := fileNames.FindStringSubmatch(file); m != nil {
		return m[1] + m[2] + m[3]
	}
	if packages := filepath.Base(filepath.Dir(filepath.Dir(path))); packages == "jax_plugins" || packages == "xla_plugins" {
		return filepath.Base(filepath.Dir(path))
	}
	return file
}

// pythonPath lists the directories that the Pythons on PATH look for packages in.
func pythonPath() (dirs []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, bin := range filepath.SplitList(os.Getenv("PATH")) {
		for _, name := range []string{"python3", "python"} {
			python := filepath.Join(bin, name)
			if _, err := exec.LookPath(python); err != nil {
				continue
			}
			out, err := exec.CommandContext(ctx, python, "-c", `import sys; print("\n".join(sys.path[1:]))`).Output()
			if err != nil {
				continue
			}
			for _, dir := range strings.Split(strings.TrimSpace(string(out)), "\n") {
				if !slices.Contains(dirs, dir) {
					dirs = append(dirs, dir)
				}
			}
			break
		}
	}
	return dirs
}
