package benchmark

// This file chooses the images: in-distribution ones that the model was not trained on, and outliers, which are read from a data set,
// cut out of the pictures of one, or made (see outliers.go).

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/model"
)

// TexturesOf before a reference to a data set stands for patches of its pictures, which are not scaled: "textures:walls/".
const TexturesOf = "textures:"

// ShortName is a name of images without the folders that they are in.
func ShortName(name string) string {
	if data, ok := strings.CutPrefix(name, TexturesOf); ok {
		return TexturesOf + dataset.ShortName(data)
	}
	return dataset.ShortName(name)
}

// DefaultOutliers names what to compare a model of the data with where nothing else is named: another built-in data set, and what can
// be made of in-distribution images of this size. Mirrored images are not among them: to a model of photographs they are
// in-distribution.
func DefaultOutliers(data string, size dataset.Size) []string {
	names := []string{dataset.Contrast(data, size), "noise", "constant", "inverted"}
	if size.Height == size.Width {
		names = append(names, "rotated")
	}
	return append(names, "flipped", "interpolation", "blurred", "shuffled", "textures")
}

// NoTestImages says that the data of a model have no images that it was not trained on.
type NoTestImages struct {
	Data string // what the model was trained on
	Err  error  // why its test split cannot be had
}

func (e *NoTestImages) Error() string {
	return fmt.Sprintf("the model was trained on %s, and there are no others to test it with: %v", e.Data, e.Err)
}

func (e *NoTestImages) Unwrap() error { return e.Err }

// OpenIn opens the in-distribution images: those named, or the test split of the data that the model was trained on, or, where there is
// none, the images that its run held out of training.
func (p Plan) OpenIn(ctx context.Context, c *model.Config) (*dataset.Set, error) {
	in, err := p.OpenTest(ctx, c)
	if err == nil || p.In != "" || ctx.Err() != nil {
		return in, err
	}
	_, held, heldErr := c.OpenData(ctx)
	switch {
	case errors.Is(heldErr, model.ErrDataChanged):
		return nil, heldErr
	case heldErr != nil:
		return nil, err
	}
	held.Name = model.HeldOutName(c.Data)
	return held.AtMost(p.Images, p.Seed), nil
}

// OpenTest opens the in-distribution images named, or the test split of the data; a [*NoTestImages] where there is none.
func (p Plan) OpenTest(ctx context.Context, c *model.Config) (*dataset.Set, error) {
	if p.In != "" {
		in, err := p.open(ctx, p.In, c.PictureSize())
		if err == nil {
			in, err = p.divide(in, c)
		}
		if err != nil {
			return nil, err
		}
		n, err := c.Seen(ctx, in)
		if n > 0 {
			p.warn(fmt.Sprintf("%s: the model was trained on %d of the %d images, which look better to it than others do", p.In, n, in.Len()))
		}
		return in, err
	}
	options, err := c.DataOptions()
	if err != nil {
		return nil, err
	}
	in, err := p.read(ctx, c.Source().Unseen().String(), c.PictureSize(), options...)
	if err == nil {
		in, err = p.divide(in, c)
	}
	if err != nil && ctx.Err() == nil {
		err = &NoTestImages{c.Data, err}
	}
	return in, err
}

// divide makes tiles of pictures, if those are the images of the model.
func (p Plan) divide(pictures *dataset.Set, c *model.Config) (*dataset.Set, error) {
	if !c.Tiled() {
		return pictures, nil
	}
	tiles, err := pictures.Tiles(c.Tiling())
	if err != nil {
		return nil, err
	}
	return tiles.AtMost(p.Images, p.Seed).InMemory(), nil
}

// OpenOutliers opens or makes the outliers of that name, the i-th of the plan: one of [Outliers], a data set, or patches of one.
func (p Plan) OpenOutliers(ctx context.Context, name string, i int, in *dataset.Set) (*dataset.Set, error) {
	if data, ok := strings.CutPrefix(name, TexturesOf); ok {
		return p.patches(ctx, name, data, in.Size())
	}
	kind, err := OutlierNamed(name)
	if err != nil {
		set, err := p.open(ctx, name, in.Size())
		if err != nil {
			return nil, err
		}
		if n := set.Shared(in); n > 0 {
			p.warn(fmt.Sprintf("%s: %d of the %d images are among the in-distribution ones too, and count as both", name, n, set.Len()))
		}
		return set, nil
	}
	size := in.Size()
	s := rng.New(p.Seed, uint64(i))
	pixels, err := kind.Make(in.Len(), size.Height, size.Width, size.Channels, in.Pixels, &s)
	return &dataset.Set{Name: name, Height: size.Height, Width: size.Width, Channels: size.Channels, Pixels: pixels}, err
}

// open reads images of a data set: of its test split, if it has one and no other is named.
func (p Plan) open(ctx context.Context, name string, size dataset.Size) (*dataset.Set, error) {
	test := dataset.ParseReference(name).OrSplit(dataset.Test).String()
	set, err := p.read(ctx, test, size)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && test != name:
		return p.read(ctx, name, size)
	}
	return set, err
}

func (p Plan) read(ctx context.Context, name string, size dataset.Size, options ...dataset.Option) (*dataset.Set, error) {
	options = append(options, dataset.WithProgress(func(done, total int) { p.progress("reading "+name, done, total) }))
	set, err := dataset.Open(ctx, name, size, options...)
	if err != nil {
		return nil, err
	}
	for _, line := range set.Warnings() {
		p.warn(line)
	}
	return set.AtMost(p.Images, p.Seed), nil
}

// patches cuts the pictures of a data set into images and keeps some, all patches having the same chance: one that comes n-th takes a
// place with probability p.Images/n (Vitter 1985, algorithm R), since all together may be more than there is memory for.
func (p Plan) patches(ctx context.Context, name, data string, size dataset.Size) (*dataset.Set, error) {
	set := &dataset.Set{Name: name, Height: size.Height, Width: size.Width, Channels: size.Channels}
	var failed error
	pictures, seen, s := 0, 0, rng.New(p.Seed, streamPatches)
	for img, err := range dataset.Images(ctx, data, dataset.Size{Channels: size.Channels}) {
		if err != nil {
			if ctx.Err() != nil || img.Name == "" {
				return nil, err
			}
			p.warn("left out " + err.Error())
			failed = err
			continue
		}
		patches, err := Patches(img.Pixels, img.Height, img.Width, size.Height, size.Width, size.Channels)
		if err != nil {
			return nil, err
		}
		for _, patch := range patches {
			seen++
			if p.Images <= 0 || set.Len() < p.Images {
				set.Pixels = append(set.Pixels, patch...)
			} else if place := s.IntN(seen); place < p.Images {
				copy(set.Image(place), patch)
			}
		}
		pictures++
		p.progress("cutting "+data, pictures, -1)
	}
	if set.Len() == 0 {
		return nil, fmt.Errorf("%s: no picture can be read: %w", data, cmp.Or(failed, ctx.Err()))
	}
	return set, nil
}
