package serve_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What deploy starts with one command hangs together: its files are well formed, each file that they mount is there, and the dashboard asks
// for metrics that a server has.
func TestDeploy(t *testing.T) {
	deploy := os.DirFS(filepath.Join("..", "deploy"))
	var compose struct {
		Services map[string]struct {
			Command []string
			Volumes []string
		}
	}
	var dashboards []string
	err := fs.WalkDir(deploy, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(deploy, name)
		if err != nil {
			return err
		}
		var any any
		switch path.Ext(name) {
		case ".json":
			err = json.Unmarshal(data, &any)
			dashboards = append(dashboards, string(data))
		case ".yaml":
			if err = yaml.Unmarshal(data, &any); name == "compose.yaml" && err == nil {
				err = yaml.Unmarshal(data, &compose)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if command := compose.Services["joule"].Command; len(command) == 0 || command[0] != "serve" || !slices.Contains(command, "--token-file") {
		t.Errorf("the model is served by %q", command)
	}
	for service, s := range compose.Services {
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if name, here := strings.CutPrefix(from, "./"); here {
				if _, err := fs.Stat(deploy, name); err != nil {
					t.Errorf("%s mounts %v", service, err)
				}
			}
		}
	}

	h, _, _ := start(t, nil)
	if code, _, _ := ask(t, http.MethodPost, h.URL+"/v1/models/digits/score", "image/png", picture(pixels(1, 1))); code != http.StatusOK {
		t.Fatalf("status %d", code)
	}
	_, metrics, _ := ask(t, http.MethodGet, h.URL+"/metrics", "", nil)
	asked := regexp.MustCompile(`(joule|process|go)_[a-z_]+`).FindAllString(strings.Join(dashboards, ""), -1)
	if len(asked) == 0 {
		t.Error("the dashboard asks for nothing")
	}
	for _, name := range asked {
		if !regexp.MustCompile(`(?m)^` + name + `[{ ]`).MatchString(metrics) {
			t.Errorf("the dashboard asks for %s, which a server does not have", name)
		}
	}
}
