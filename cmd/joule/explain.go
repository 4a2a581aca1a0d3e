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
	"github.com/joule-ebm/joule/detect/explain"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/run"
)

// explaining draws an explanation of each image into a folder.
type explaining struct {
	explainer *explain.Explainer
	folder    string
	label     int
	usual     float64
	drawn     int
}

func newExplaining(e engine.Engine, model *run.Model, label int, folder string) (*explaining, error) {
	sampler, err := model.Config.NewSampler()
	if err != nil {
		return nil, err
	}
	descent := explain.Descent{StepSize: sampler.Drift(), Steps: model.Config.Sampler.Steps}
	x := &explaining{folder: folder, label: label}
	if x.explainer, err = explain.New(e, model.Energy, model.Params, descent); err != nil {
		return nil, err
	}
	if c := model.Calibration; c != nil {
		size := model.Config.ImageSize()
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
