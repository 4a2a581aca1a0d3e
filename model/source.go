package model

// This file knows models that are in no file of one's own: "zoo:mnist" is the model mnist of the source that is registered as zoo.

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/joule-ebm/joule/internal/safetensors"
)

// A Source gives the content of the model file of that name, or says in one line why it cannot.
type Source func(name string) ([]byte, error)

var sources = struct {
	sync.RWMutex
	named map[string]Source
}{named: map[string]Source{}}

// RegisterSource makes models known as "name:", followed by what the source calls them, to [Open] and to every command. Programs register
// at start, as for image.RegisterFormat; package zoo does so for those that come with Joule. It is an error if the name is taken or is none.
func RegisterSource(name string, s Source) error {
	sources.Lock()
	defer sources.Unlock()
	if name == "" || strings.ContainsAny(name, ":/\\. ") || s == nil || sources.named[name] != nil {
		return fmt.Errorf("model: the name %q of a source of models is none or taken, or there is no source", name)
	}
	sources.named[name] = s
	return nil
}

// sourceOf finds the source that a path names; nil if it is the path of a file.
func sourceOf(path string) (source Source, name string) {
	scheme, name, ok := strings.Cut(path, ":")
	if !ok {
		return nil, ""
	}
	sources.RLock()
	defer sources.RUnlock()
	return sources.named[scheme], name
}

// openSource opens the model of a source.
func openSource(path string, source Source, name string) (*Model, error) {
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("%s: a file has this name, and a model too: say which, ./%s for the file", path, path)
	}
	content, err := source(name)
	if err != nil {
		return nil, err
	}
	file, err := safetensors.Read(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m.Path = path
	return m, nil
}

// Content is what the file has, by now, that the model was read from; of a source too.
func (m *Model) Content() ([]byte, error) {
	if source, name := sourceOf(m.Path); source != nil {
		return source(name)
	}
	return os.ReadFile(m.Path)
}
