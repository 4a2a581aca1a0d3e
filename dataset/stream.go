package dataset

// Pictures whose names come one by one, from a list that may be endless.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

// Pictures decodes the picture files of the given names, in that order, on all cores, and keeps none. A picture that cannot be read
// is yielded with its name and an error that names it, and the walk goes on. names is walked in another goroutine, some way ahead; it
// may wait for more names, and must end when ctx does. An end of ctx is yielded as an error with an empty name.
func Pictures(ctx context.Context, names iter.Seq[string], want Size) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		if err := want.check(); err != nil {
			yield(Image{}, err)
			return
		}
		for img, err := range decodeAll(ctx, onList(names), want) {
			if err != nil && img.Name != "" {
				if cause := (*fs.PathError)(nil); errors.As(err, &cause) {
					err = cause.Err
				}
				err = fmt.Errorf("%s: %w", img.Name, err)
			}
			if !yield(img.Image, err) {
				return
			}
		}
	}
}

// onList reads the files on a list.
func onList(names iter.Seq[string]) func(context.Context, func(encoded) error) error {
	return func(ctx context.Context, fn func(encoded) error) error {
		one := func(name string) error {
			f, err := files.OpenRegular(name)
			if err != nil {
				return fn(encoded{name: name, err: err})
			}
			defer f.Close()
			return fn(encoded{name: name, r: f})
		}
		for name := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := one(name); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
}
