package dataset

// Pictures whose names come one by one, from a list that may be endless.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
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
		for img, err := range decodeAll(ctx, listed(names), nil, want) {
			if err != nil && img.Name != "" {
				if cause := (*fs.PathError)(nil); errors.As(err, &cause) {
					err = cause.Err
				}
				err = fmt.Errorf("%s: %w", img.Name, err)
			}
			if !yield(img, err) {
				return
			}
		}
	}
}

// listed is the tree of the files on a list, which is walked once.
type listed iter.Seq[string]

func (l listed) list(context.Context) ([]string, error) {
	return nil, errors.New("a list that may be endless")
}

func (l listed) visit(ctx context.Context, _ []string, fn func(string, io.Reader, error) error) error {
	for name := range l {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.one(ctx, name, fn); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (l listed) one(ctx context.Context, name string, fn func(string, io.Reader, error) error) error {
	f, err := os.Open(name)
	if err != nil {
		return fn(name, nil, err)
	}
	defer f.Close()
	return fn(name, contextReader{ctx, f}, nil)
}
