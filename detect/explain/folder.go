package explain

// This file draws explanations of many images into files.

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/picture"
)

// A Folder holds a picture of each explanation, a PNG file named by its number, from 1, and the image: "000001-shoe.png".
type Folder struct {
	explainer *Explainer
	path      string
	drawn     int
}

// Folder makes a folder, unless it is there, for explanations.
func (x *Explainer) Folder(path string) (*Folder, error) {
	return &Folder{explainer: x, path: path}, os.MkdirAll(path, 0o777)
}

// Draw explains images, given the label as for [Explainer.Explain], and draws each explanation.
func (f *Folder) Draw(ctx context.Context, images []dataset.Image, label int) error {
	explanations, err := f.explainer.Pictures(ctx, images, label)
	if err != nil {
		return err
	}
	for i, e := range explanations {
		drawn, err := e.Picture()
		if err != nil {
			return err
		}
		f.drawn++
		name := filepath.Join(f.path, fmt.Sprintf("%06d-%s.png", f.drawn, fileName(images[i].Name)))
		if err := durable.WriteFile(name, func(w io.Writer) error { return picture.EncodePNG(w, drawn) }); err != nil {
			return err
		}
	}
	return nil
}

// fileName is the last part of an image's name, without extension and what does not belong into the name of a file.
func fileName(name string) string {
	base := path.Base(filepath.ToSlash(name))
	base = strings.TrimSuffix(base, path.Ext(base))
	runes := []rune(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' {
			return '_'
		}
		return r
	}, base))
	return string(runes[:min(len(runes), 60)])
}
