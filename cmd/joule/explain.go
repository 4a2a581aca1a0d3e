package main

// This file draws what is unusual about images.

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/explain"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/model"
)

// explaining draws an explanation of each image into a folder.
type explaining struct {
	explainer *explain.Explainer
	folder    string
	label     int
	usual     float64
	drawn     int
}

func newExplaining(e engine.Engine, trained *model.Model, label int, folder string) (*explaining, error) {
	x := &explaining{folder: folder, label: label}
	var err error
	if x.explainer, err = explain.New(e, trained); err != nil {
		return nil, err
	}
	if c, err := detect.CalibrationOf(trained); err == nil {
		size := trained.Config.ImageSize()
		x.usual = explain.Usual(c.UsualNorm(), size.Height*size.Width)
	}
	return x, os.MkdirAll(folder, 0o777)
}

func (x *explaining) all(ctx context.Context, images []dataset.Image, pixels []uint8) error {
	explanations, err := x.explainer.Explain(ctx, pixels, x.label)
	if err != nil {
		return err
	}
	for i, e := range explanations {
		size := images[i].Size
		drawn, err := e.Picture(size.Height, size.Width, size.Channels, x.usual)
		if err != nil {
			return err
		}
		x.drawn++
		name := filepath.Join(x.folder, fmt.Sprintf("%06d-%s.png", x.drawn, fileName(images[i].Name)))
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
