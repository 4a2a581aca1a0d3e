package main

// This file reads data sets, and says what was amiss with them.

import (
	"context"
	"fmt"
	"io"

	"github.com/joule-ebm/joule/dataset"
)

// readSet reads a data set as images of the given size, with progress and warnings on stderr.
func readSet(ctx context.Context, stderr io.Writer, name string, size dataset.Size) (*dataset.Set, error) {
	var bar *progress
	var last int
	set, err := dataset.Open(ctx, name, size, dataset.WithProgress(func(done, total int) {
		if bar == nil {
			bar = newProgress(stderr, "reading "+name, "images", int64(total))
		}
		bar.Add(int64(done - last))
		last = done
	}))
	if bar != nil {
		bar.Done()
	}
	if err != nil {
		return nil, err
	}
	if n := len(set.Skipped); n > 0 {
		fmt.Fprintf(stderr, "joule: warning: %s: %d of %d images are left out: %s: %s\n", oneLine(name), n, n+set.Len(),
			oneLine(set.Skipped[0].Name), oneLine(set.Skipped[0].Err.Error()))
	}
	if set.Resized {
		fmt.Fprintf(stderr, "joule: warning: %s: images were scaled or cropped to %dx%d\n", oneLine(name), size.Height, size.Width)
	}
	return set, nil
}

// choose takes n images of a set, chosen by seed; all of them if n is 0 or more than there are.
func choose(set *dataset.Set, n uint, seed uint64) *dataset.Set {
	if n == 0 || n >= uint(set.Len()) {
		return set
	}
	chosen := make([]int, n)
	for i := range chosen {
		chosen[i] = set.At(seed, uint64(i))
	}
	return set.Subset(chosen)
}
